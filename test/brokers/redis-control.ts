// One plain connection to a redis-server, for tests that steer it (resharding, INFO, CONFIG): one command, one reply.
import net from 'node:net';
import { encodeCommand, plainReply, type Reply, ReplyParser } from '../../src/resp/index.ts';

/** A connection to one server. */
export interface RedisControl {
  /** Sends a command. Errors: rejects on an error reply and when the connection ends. */
  call(...args: readonly (string | number | Uint8Array)[]): Promise<unknown>;
  /** The same, an error reply being a value. */
  reply(...args: readonly (string | number | Uint8Array)[]): Promise<Reply>;
  close(): void;
}

interface Waiter {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** Connects on the first command. */
export function openControl(port: number, host = '127.0.0.1'): RedisControl {
  const socket = net.connect(port, host);
  const parser = new ReplyParser();
  const waiting: Waiter[] = [];
  let over: Error | undefined;
  const end = (error: Error): void => {
    over ??= error;
    socket.destroy();
    for (const waiter of waiting.splice(0)) waiter.reject(over);
  };
  socket.on('data', (chunk) => {
    if (parser.parse(chunk, (reply) => waiting.shift()?.resolve(reply)) === 'malformed')
      end(new Error(parser.problem));
  });
  socket.on('error', end);
  socket.on('close', () => end(new Error(`connection to ${host}:${port} ended`)));
  const reply = (...args: readonly (string | number | Uint8Array)[]): Promise<Reply> =>
    new Promise((resolve, reject) => {
      if (over !== undefined) return reject(over);
      waiting.push({ resolve, reject });
      socket.write(encodeCommand(args.map((arg) => (typeof arg === 'number' ? String(arg) : arg))));
    });
  return {
    reply,
    call: async (...args) => {
      const answer = await reply(...args);
      if (answer.kind === 'error') throw new Error(`${args[0]} ${args[1] ?? ''}: ${answer.text}`);
      return plainReply(answer);
    },
    close: () => end(new Error('closed')),
  };
}
