// A bare client for the tests: bytes out, bytes in, waits for conditions.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Logger } from '../base/index.ts';
import type { ListenAddress } from './index.ts';

/** A client that collects what it receives. */
export interface RawClient {
  readonly socket: Socket;
  /** Everything received. Shape: latin1. */
  received(): string;
  send(text: string | Buffer): void;
  /** Resolves once the received text ends with `end`. */
  until(end: string): Promise<string>;
  /** Resolves when the server has closed; with everything received. */
  closed(): Promise<string>;
}

/** Connects to a server's address. */
export async function rawClient(address: ListenAddress, over?: Socket): Promise<RawClient> {
  const socket =
    over ??
    connect(address.path === '' ? { port: address.port, host: address.host } : { path: address.path });
  let text = '';
  let ended = false;
  const changed = new Set<() => void>();
  const tell = (): void => {
    for (const check of changed) check();
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    tell();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    tell();
  });
  if (over === undefined) await once(socket, 'connect');
  const when = (condition: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (condition()) resolve(text);
        else if (ended) reject(new Error(`closed after ${JSON.stringify(text.slice(-200))}`));
        else return;
        changed.delete(check);
      };
      changed.add(check);
      check();
    });
  return {
    socket,
    received: () => text,
    send: (out) => void socket.write(typeof out === 'string' ? Buffer.from(out, 'latin1') : out),
    until: (end) => when(() => text.endsWith(end)),
    closed: () => when(() => ended),
  };
}

/** A logger that collects. */
export function listLogger(): Logger & {
  readonly lines: { level: string; message: string; fields: object }[];
} {
  const lines: { level: string; message: string; fields: object }[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Waits until a condition holds, looking again every turn of the loop. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
