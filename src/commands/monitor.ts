// MONITOR: every command executed, as a line to each connection that asked.
import type { Call } from './call.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';

/** Sends a command to the monitors. Passwords and other monitors' own commands are left out. */
export function feedMonitors(shared: Shared, session: Session, c: Call): void {
  if (c.spec.flags.has('admin') || c.spec.name === 'auth' || c.spec.name === 'hello') return;
  const now = c.ctx.clock.now();
  const seconds = `${Math.floor(now / 1000)}.${String(now % 1000).padStart(3, '0')}000`;
  const args = c.rest(0).map(quoted).join(' ');
  const line = `${seconds} [0 ${session.connection.remoteAddress}] ${args}`;
  for (const monitor of shared.monitors) monitor.connection.push((reply) => reply.simple(line));
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
  '"': '\\"',
  '\\': '\\\\',
};

/** Bytes in double quotes, as Redis writes them. */
function quoted(text: string): string {
  const body = text.replace(
    /[^ !#-[\]-~]/g,
    (char) => ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${body}"`;
}
