// Requests as clients send them.

/**
 * A command as a RESP array of bulks. Strings are taken as latin1 (one char a byte).
 * Owns: the caller gets a fresh Buffer.
 */
export function encodeCommand(args: readonly (string | Uint8Array)[]): Buffer {
  let bytes = header('*', args.length).length;
  for (const arg of args) bytes += header('$', arg.length).length + arg.length + 2;
  const out = Buffer.allocUnsafe(bytes);
  let at = out.write(header('*', args.length), 'latin1');
  for (const arg of args) {
    at += out.write(header('$', arg.length), at, 'latin1');
    if (typeof arg === 'string') at += out.write(arg, at, 'latin1');
    else {
      out.set(arg, at);
      at += arg.length;
    }
    at += out.write('\r\n', at, 'latin1');
  }
  return out;
}

function header(mark: string, n: number): string {
  return `${mark}${n}\r\n`;
}
