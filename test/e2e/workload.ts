// Mixed writes at several sites at once, and the comparison of what the sites then answer.
import { Redis, type RedisOptions } from 'ioredis';
import { below, type Random, seededRandom } from '../../src/base/index.ts';

/** How much is written where. */
export interface Workload {
  readonly ports: readonly number[];
  /** Writes at all sites together. */
  readonly writes: number;
  readonly seed: number;
  /** Writes of one pipeline. */
  readonly pipeline: number;
  /** Called after each pipeline with the writes answered so far at all sites; the site goes on when it resolves. */
  readonly progress?: (written: number, site: number) => void | Promise<void>;
  /** Servers may fail meanwhile: `-UNAVAILABLE` is no write, `-UNCERTAIN` and a lost connection may be one. */
  readonly endures?: boolean;
}

/** What was acknowledged. */
export interface Written {
  readonly writes: number;
  readonly errors: readonly string[];
  /** Increments acknowledged per counter that nothing else touches. */
  readonly counters: ReadonlyMap<string, number>;
  /** Increments that may or may not have been made; none unless failures are endured. */
  readonly uncertain: ReadonlyMap<string, number>;
  /** Writes answered `-UNAVAILABLE`. */
  readonly refused: number;
}

/** A client of one site. Close with `disconnect()`. */
export function clientOf(port: number, options: Pick<RedisOptions, 'retryStrategy'> = {}): Redis {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    maxRetriesPerRequest: 1,
    lazyConnect: true,
    // A command that is sent again by itself would count twice.
    autoResendUnfulfilledCommands: false,
    ...options,
  });
  // Commands reject by themselves; without a listener the client prints each failed reconnection.
  client.on('error', () => {});
  return client;
}

/** Runs the writes at all sites at once; resolves when all were answered. */
export async function runWorkload(workload: Workload): Promise<Written> {
  const tally = new Tally(workload.endures === true);
  const share = Math.ceil(workload.writes / workload.ports.length);
  const site = async (port: number, index: number): Promise<void> => {
    // A gateway that was killed does not come back: each of its writes fails at once.
    const client = clientOf(port, workload.endures === true ? { retryStrategy: () => null } : {});
    await client.connect();
    const random = seededRandom(workload.seed * 31 + index);
    for (let left = share; left > 0; left -= workload.pipeline) {
      const count = Math.min(left, workload.pipeline);
      const commands = Array.from({ length: count }, () => randomWrite(random, index));
      await send(client, commands, tally);
      await workload.progress?.(tally.writes, index);
    }
    client.disconnect();
  };
  await Promise.all(workload.ports.map(site));
  const { writes, errors, counters, uncertain, refused } = tally;
  return { writes, errors, counters, uncertain, refused };
}

async function send(client: Redis, commands: readonly string[][], tally: Tally): Promise<void> {
  const pipeline = client.pipeline(commands.map(([name = '', ...args]) => [name.toLowerCase(), ...args]));
  const replies = (await pipeline.exec()) ?? [];
  for (const [i, [error]] of replies.entries()) tally.note(commands[i] ?? [], error);
}

/** Counts what was answered. */
class Tally {
  writes = 0;
  refused = 0;
  readonly errors: string[] = [];
  readonly counters = new Map<string, number>();
  readonly uncertain = new Map<string, number>();
  readonly #endures: boolean;

  constructor(endures: boolean) {
    this.#endures = endures;
  }

  note(command: readonly string[], error: Error | null): void {
    this.writes++;
    if (error === null) this.#count(command, this.counters);
    else if (error.message.startsWith('WRONGTYPE')) return;
    else if (this.#endures && error.message.startsWith('UNAVAILABLE')) this.refused++;
    else if (this.#endures && /^UNCERTAIN|Connection is closed|Command aborted|ECONN/.test(error.message))
      this.#count(command, this.uncertain);
    else this.errors.push(`${command.join(' ')}: ${error.message}`);
  }

  #count([name, key = '']: readonly string[], into: Map<string, number>): void {
    if (name === 'INCR' && key.startsWith('count:')) into.set(key, (into.get(key) ?? 0) + 1);
  }
}

/** Half of the writes are on keys that all sites write, half on the site's own. */
function randomWrite(random: Random, site: number): string[] {
  const scope = below(random, 2) === 0 ? 'all' : `s${site}`;
  const n = below(random, 500);
  const value = `v${below(random, 1_000_000)}`;
  const key = (kind: string): string => `${kind}:${scope}:${n}`;
  switch (below(random, 9)) {
    case 0:
      return ['SET', key('string'), value, 'EX', String(3600 + below(random, 3600))];
    case 1:
      return ['INCR', `count:${scope}:${n % 50}`];
    case 2:
      return ['HSET', key('hash'), `f${below(random, 8)}`, value];
    case 3:
      return ['SADD', key('set'), `m${below(random, 16)}`];
    case 4:
      return ['SREM', key('set'), `m${below(random, 16)}`];
    case 5:
      return ['ZADD', key('zset'), String(below(random, 1000)), `m${below(random, 16)}`];
    case 6:
      return ['DEL', key(['string', 'hash', 'set', 'zset', 'number'][below(random, 5)] ?? 'string')];
    case 7:
      return [
        'EXPIRE',
        key(['string', 'hash', 'set', 'zset'][below(random, 4)] ?? 'hash'),
        String(3600 + below(random, 3600)),
      ];
    default:
      return ['INCR', key('number')];
  }
}

/** Everything a site shows, as text per key. */
export async function dump(port: number): Promise<Map<string, string>> {
  const client = clientOf(port);
  await client.connect();
  const keys = (await client.keys('*')).sort();
  const all = new Map<string, string>();
  for (let from = 0; from < keys.length; from += 500) {
    const part = keys.slice(from, from + 500);
    const types = (await client.pipeline(part.map((key) => ['type', key])).exec()) ?? [];
    const reads = part.map((key, i) => readOf(key, String(types[i]?.[1])));
    const values = (await client.pipeline(reads).exec()) ?? [];
    const expiries = (await client.pipeline(part.map((key) => ['pexpiretime', key])).exec()) ?? [];
    for (const [i, key] of part.entries()) {
      all.set(
        key,
        `${String(types[i]?.[1])} ${canonical(values[i]?.[1], ['zset', 'list', 'stream'].includes(String(types[i]?.[1])))} at ${String(expiries[i]?.[1])}`,
      );
    }
  }
  client.disconnect();
  return all;
}

function readOf(key: string, type: string): string[] {
  if (type === 'hash') return ['hgetall', key];
  if (type === 'set') return ['smembers', key];
  if (type === 'zset') return ['zrange', key, '0', '-1', 'withscores'];
  if (type === 'list') return ['lrange', key, '0', '-1'];
  if (type === 'stream') return ['xrange', key, '-', '+'];
  return ['get', key];
}

function canonical(value: unknown, isOrdered: boolean): string {
  if (value instanceof Error) return `error ${value.message}`;
  if (Array.isArray(value)) {
    const parts = value.map(String);
    return JSON.stringify(isOrdered ? parts : parts.sort());
  }
  if (typeof value === 'object' && value !== null) return JSON.stringify(Object.entries(value).sort());
  return String(value);
}

/** How dumps are compared. */
export interface Comparison {
  /** Units: ms. How far expiry times may lie apart: MIGRATE hands on what is left of a TTL, and so shifts it a little. Default 0. */
  readonly expirySlackMs?: number;
}

const DIFFERENCES_MAX = 5;

/** The first differences between the sites' dumps; empty: they are equal. */
export function differences(
  dumps: readonly Map<string, string>[],
  { expirySlackMs = 0 }: Comparison = {},
): string[] {
  const keys = new Set(dumps.flatMap((one) => [...one.keys()]));
  const found: string[] = [];
  for (const key of keys) {
    const shown = dumps.map((one) => one.get(key) ?? '-');
    if (new Set(shown).size > 1 && !areNear(shown, expirySlackMs)) found.push(`${key}: ${shown.join(' / ')}`);
    if (found.length >= DIFFERENCES_MAX) break;
  }
  return found;
}

/** Whether texts differ in the times at their ends only, and these not by much. */
function areNear(shown: readonly string[], slackMs: number): boolean {
  const cut = shown.map((text) => text.lastIndexOf(' at '));
  const times = shown.map((text, i) => Number(text.slice((cut[i] ?? 0) + 4)));
  const values = new Set(shown.map((text, i) => text.slice(0, cut[i])));
  return values.size === 1 && Math.max(...times) - Math.min(...times) <= slackMs;
}

/** Waits until all sites answer the same. Errors: Error with the first differences after `timeoutMs`. */
export async function untilEqual(
  ports: readonly number[],
  timeoutMs: number,
  comparison: Comparison = {},
): Promise<readonly Map<string, string>[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const dumps: Map<string, string>[] = [];
    for (const port of ports) dumps.push(await dump(port));
    const found = differences(dumps, comparison);
    if (found.length === 0) return dumps;
    if (Date.now() > deadline) throw new Error(`sites differ after ${timeoutMs} ms:\n${found.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
