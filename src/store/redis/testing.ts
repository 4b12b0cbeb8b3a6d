// For tests: Redis over one connection, as the store's own work sees it.
import net from 'node:net';
import { bytesOf, type Latin1, silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import { type Delta, decodeDeltas } from '../../crdt/index.ts';
import { encodeCommand, plainReply, type Reply, ReplyParser } from '../../resp/index.ts';
import type { Access, Arg, ScriptCall } from './access.ts';
import { type Executor, openLane } from '../executor.ts';
import { openRedisStore, type RedisStore, type RedisStoreOptions } from './redis-store.ts';
import type { Script } from './scripts.ts';
import { slotOf } from './slots.ts';

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

/** Runs commands as one unit of the executor: one as itself, several as a transaction. Result: the raw reply. */
export function runUnit(
  { executor }: { readonly executor: Executor },
  commands: readonly (readonly Latin1[])[],
  keys: readonly Latin1[],
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const run = executor.writes(
      openLane(),
      { protocol: 2, slot: slotOf(keys[0] ?? '') },
      {
        replies(bytes, count) {
          pieces.push(Buffer.from(bytes));
          if (count > 0) resolve(Buffer.concat(pieces));
        },
        failed: (_count, written) => reject(new Error(written ? 'UNCERTAIN' : 'UNAVAILABLE')),
      },
    );
    const units = commands.map((words) => {
      const command = encodeCommand(words);
      return { argc: words.length, args: command.subarray(command.indexOf(10) + 1) };
    });
    const [first] = units;
    const names = keys.map(bytesOf);
    if (first === undefined || units.length > 1)
      run.transaction({ keys: names, commands: units, watches: [] });
    else run.command({ keys: names, ...first, isNullArray: false });
  });
}

/** A plain SET by the hot way. */
export function setPlain(
  { executor }: { readonly executor: Executor },
  key: Latin1,
  { value, ttlMs }: { readonly value: Latin1; readonly ttlMs: number },
): Promise<void> {
  const source = bytesOf(key + value);
  return new Promise((resolve, reject) => {
    const target = { protocol: 2, slot: slotOf(key) } as const;
    const run = executor.writes(openLane(), target, {
      replies: (bytes) => (bytes[0] === 43 ? resolve() : reject(new Error(bytes.toString()))),
      failed: () => reject(new Error('failed')),
    });
    run.set(source, 0, key.length, key.length, source.length, ttlMs);
  });
}

/** The URL of a Redis on loopback. */
export function urlOf(port: number): RedisStoreOptions['url'] {
  return {
    kind: 'redis',
    mode: 'standalone',
    addresses: [{ host: '127.0.0.1', port }],
    db: 0,
    tls: false,
    readReplica: false,
  };
}

/** Site `a` on a Redis on loopback, with a queue. */
export function openTestStore(port: number, more: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  return openRedisStore({
    url: urlOf(port),
    clock: systemClock,
    random: systemRandom(),
    logger: silentLogger,
    site: 'a',
    marks: true,
    ...more,
  });
}

/** The next taking, and how the queue accepts it. */
export async function takenFrom(
  store: RedisStore,
): Promise<{ readonly deltas: Delta[]; accept(): Promise<void> }> {
  const one = await store.outbox.take(1e6);
  return {
    deltas: one === undefined ? [] : [...decodeDeltas(one.deltas)],
    async accept() {
      one?.accepted();
      await store.outbox.settled();
    },
  };
}

/** All header texts. */
export async function headersOf(control: TestAccess): Promise<string[]> {
  const found = plainReply(await control.ask('KEYS', 'mqkv:{*')) as string[];
  const all: string[] = [];
  for (const key of found.filter((name) => /\}\.?$/.test(name))) {
    const flat = plainReply(await control.ask('HGETALL', key)) as string[];
    all.push(...flat.filter((_, i) => i % 2 === 1 && flat[i] !== 'L'));
  }
  return all;
}

/** Whether a header text tells of a mark. */
export function isMarked(header: string): boolean {
  return /^[a-z]/.test(header) || /^G([^,]*,){8}\d/.test(header);
}
