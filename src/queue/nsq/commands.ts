// What we send to nsqd (protocol V2): one function a command.

// stream  = "  V2" , command*
// command = line LF [ length u32 , body[length] ]                           big-endian
// MPUB    body = count u32 , (length u32 , message[length])*
export const MAGIC = Buffer.from('  V2', 'latin1');
export const NOP = Buffer.from('NOP\n', 'latin1');
export const CLS = Buffer.from('CLS\n', 'latin1');

const line = (text: string): Buffer => Buffer.from(`${text}\n`, 'latin1');

export const sub = (topic: string, channel: string): Buffer => line(`SUB ${topic} ${channel}`);
export const rdy = (count: number): Buffer => line(`RDY ${count}`);
export const fin = (id: string): Buffer => line(`FIN ${id}`);
export const req = (id: string, delayMs: number): Buffer => line(`REQ ${id} ${delayMs}`);
export const touch = (id: string): Buffer => line(`TOUCH ${id}`);

/** Shape: the secret as it was given, UTF-8. */
export function auth(secret: string): Buffer {
  const body = Buffer.from(secret, 'utf8');
  return Buffer.concat([line('AUTH'), u32(body.length), body]);
}

export function identify(features: Readonly<Record<string, unknown>>): Buffer {
  const body = Buffer.from(JSON.stringify(features), 'utf8');
  return Buffer.concat([line('IDENTIFY'), u32(body.length), body]);
}

/** Bytes of an MPUB body that holds messages of these bytes in all. */
export const mpubBytes = (count: number, bytes: number): number => 4 + 4 * count + bytes;

/** PUB for one message, MPUB for more. Owns: the parts are views of the bodies; nothing is copied. */
export function publish(topic: string, bodies: readonly Uint8Array[]): readonly Uint8Array[] {
  if (bodies.length === 1) return [line(`PUB ${topic}`), u32(bodies[0].length), bodies[0]];
  let bytes = 0;
  for (const body of bodies) bytes += body.length;
  const parts: Uint8Array[] = [
    line(`MPUB ${topic}`),
    u32(mpubBytes(bodies.length, bytes)),
    u32(bodies.length),
  ];
  for (const body of bodies) parts.push(u32(body.length), body);
  return parts;
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
