// For tests: Redis over one connection, as the store's own work sees it.
import net from 'node:net';
import { encodeCommand, type Reply, ReplyParser } from '../../resp/index.ts';
import type { Access, Arg, ScriptCall } from './access.ts';
import type { Script } from './scripts.ts';

export interface TestAccess extends Access, AsyncDisposable {
  /** Any command. */
  ask(...args: readonly Arg[]): Promise<Reply>;
}

/** Connects to a Redis on loopback. */
export async function openTestAccess(port: number): Promise<TestAccess> {
  const socket = net.connect(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const parser = new ReplyParser();
  const waiting: ((reply: Reply) => void)[] = [];
  socket.on('data', (chunk) => parser.parse(Buffer.from(chunk), (reply) => waiting.shift()?.(reply)));
  const send = (args: readonly Arg[]): Promise<Reply> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      socket.write(encodeCommand(args));
    });
  const script = async (
    _slot: number,
    { sha1, text }: Script,
    { keys, args }: ScriptCall,
  ): Promise<Reply> => {
    const rest = [String(keys.length), ...keys, ...args];
    const reply = await send(['EVALSHA', sha1, ...rest]);
    return reply.kind === 'error' && reply.text.startsWith('NOSCRIPT')
      ? send(['EVAL', text, ...rest])
      : reply;
  };
  return {
    isCluster: false,
    ask: (...args) => send(args),
    call: (_slot, args) => send(args),
    script,
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
}
