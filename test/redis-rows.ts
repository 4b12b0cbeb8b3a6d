// Commands through the write script on a real Redis, beside a plain Redis that gets the same: replies and data must be the same.
import { createHash } from 'node:crypto';
import { bytesOf } from '../src/base/index.ts';
import { keysOf } from '../src/commands/index.ts';
import { DeltaWriter, encodeDelta } from '../src/crdt/index.ts';
import { plainReply, type Reply } from '../src/resp/index.ts';
import { readKeys, stateOfHeld } from '../src/store/redis/held-key.ts';
import { Merging } from '../src/store/redis/merging.ts';
import { assembleWrite } from '../src/store/redis/scripts.ts';
import { slotOf, tagOf } from '../src/store/redis/slots.ts';
import { storeScripts } from '../src/store/redis/store-scripts.ts';
import { openTestAccess, type TestAccess } from '../src/store/redis/testing.ts';
import { openControl, type RedisControl } from './brokers/index.ts';

const SLOTS = 16_384;
const VALUE_BYTES_MAX = '536870912';

/** What one command did. */
export interface Ran {
  readonly reply: unknown;
  /** Empty: nothing was changed. */
  readonly version: string;
  /** Keys and what of them. */
  readonly touched: readonly unknown[];
}

/** A Redis behind the write script. */
export class ScriptedRedis {
  readonly control: RedisControl;
  /** What versions are stamped with. Shape: 8 hex digits. */
  origin = '0000beef';
  readonly #script: { readonly text: string; readonly sha1: string };
  readonly #flags: string;

  private constructor(port: number, flags: string, change: (script: string) => string) {
    this.control = openControl(port);
    const text = change(assembleWrite().text);
    this.#script = { text, sha1: createHash('sha1').update(text).digest('hex') };
    this.#flags = flags;
  }

  static async open(port: number, flags = 'm'): Promise<ScriptedRedis> {
    const redis = await ScriptedRedis.openMore(port, flags);
    await redis.clear();
    return redis;
  }

  /** One more connection to a Redis that has been opened. */
  static async openMore(
    port: number,
    flags: string,
    change: (script: string) => string = (script) => script,
  ): Promise<ScriptedRedis> {
    const redis = new ScriptedRedis(port, flags, change);
    if (flags.includes('3')) await redis.control.call('HELLO', '3');
    await redis.control.call('SCRIPT', 'LOAD', redis.#script.text);
    return redis;
  }

  /** Empties it, and writes what mqkv writes on opening. */
  async clear(): Promise<void> {
    await this.control.call('FLUSHALL');
    const tags = Array.from({ length: SLOTS }, (_, slot) => tagOf(slot)).join('');
    await this.control.call('SET', 'mqkv:tags', tags);
  }

  async run(words: readonly string[], keys = keysOf(args(words))): Promise<Ran> {
    const named = [...new Set(keys)].flatMap((key) => [key, tagOf(slotOf(key))]);
    const unit = ['C', String(named.length / 2), ...named, String(words.length), ...words];
    const result = await this.#evaluate(unit);
    if (result.kind !== 'array') throw new Error(String(plainReply(result)));
    const [entry] = result.items;
    if (entry.kind !== 'array') return { reply: plainReply(entry), version: '', touched: [] };
    const [reply, version, ...touched] = entry.items;
    return { reply: told(reply), version: String(plainReply(version)), touched: touched.map(plainReply) };
  }

  /** The header of a key; undefined: none. */
  async header(key: string): Promise<string | undefined> {
    const slot = `mqkv:{${tagOf(slotOf(key))}}`;
    const short = key.length <= 64 ? await this.control.call('HGET', slot, key) : 'L';
    const text = short === 'L' ? await this.control.call('HGET', `${slot}.`, key) : short;
    return text === null ? undefined : String(text);
  }

  #evaluate(unit: readonly string[]): Promise<Reply> {
    const { sha1 } = this.#script;
    return this.control.reply('EVALSHA', sha1, '0', this.origin, this.#flags, VALUE_BYTES_MAX, ...unit);
  }
}

function args(words: readonly string[]): { argc: number; text(a: number): string } {
  return { argc: words.length, text: (a) => words[a] };
}

/** The reply as the gateway would tell it. */
export function told(reply: Reply): unknown {
  if (reply.kind === 'simple' && reply.text.startsWith('\x01I')) return integer(reply.text.slice(2));
  if (reply.kind === 'simple' && reply.text === '\x01N') return null;
  return reply.kind === 'array' ? reply.items.map(told) : plainReply(reply);
}

function integer(text: string): number | bigint {
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

/** What a plain Redis shows of a key: type, TTL or none, and the value as commands tell it. */
export async function shown(control: RedisControl, key: string): Promise<unknown> {
  const type = String(await control.call('TYPE', key));
  const hasTtl = Number(await control.call('PTTL', key)) > 0;
  return { type, hasTtl, value: await valueOf(control, type, key) };
}

function valueOf(control: RedisControl, type: string, key: string): Promise<unknown> | string {
  switch (type) {
    case 'string':
      return control.call('GET', key).then((text) => withoutCount(String(text)));
    case 'list':
      return control.call('LRANGE', key, 0, -1);
    case 'hash':
      return control.call('HGETALL', key).then((flat) => sortedPairs(flat as string[]));
    case 'set':
      return control.call('SORT', key, 'ALPHA');
    case 'zset':
      return control.call('ZRANGE', key, 0, -1, 'WITHSCORES');
    case 'stream':
      return streamOf(control, key);
    default:
      return type;
  }
}

function sortedPairs(flat: readonly string[]): string[] {
  const pairs = flat.flatMap((field, i) => (i % 2 === 0 ? [`${field}=${flat[i + 1]}`] : []));
  return pairs.sort();
}

/** A HyperLogLog keeps its last count inside: no part of what it holds. */
function withoutCount(text: string): string {
  return text.startsWith('HYLL') ? text.slice(0, 8) + text.slice(16) : text;
}

async function streamOf(control: RedisControl, key: string): Promise<unknown> {
  const info = (await control.call('XINFO', 'STREAM', key)) as unknown[];
  const facts = ['last-generated-id', 'max-deleted-entry-id', 'entries-added'];
  return [await control.call('XRANGE', key, '-', '+'), facts.map((name) => info[info.indexOf(name) + 1])];
}

/** The keys that a Redis holds, mqkv's own left out. */
export async function keysIn(control: RedisControl): Promise<string[]> {
  const all = (await control.call('KEYS', '*')) as string[];
  return all.filter((key) => !key.startsWith('mqkv:')).sort();
}

/** Another site's Redis: it gets what keys hold as deltas, and merges them. */
export class FarRedis {
  readonly control: RedisControl;
  readonly #from: TestAccess;
  readonly #to: TestAccess;
  readonly #merging: Merging;
  readonly #scripts = storeScripts();

  private constructor(port: number, from: TestAccess, to: TestAccess) {
    this.control = openControl(port);
    this.#from = from;
    this.#to = to;
    this.#merging = new Merging(to, this.#scripts, { changed: () => {}, partial: () => {} });
  }

  static async open(fromPort: number, port: number): Promise<FarRedis> {
    return new FarRedis(port, await openTestAccess(fromPort), await openTestAccess(port));
  }

  /** Merges the whole state of keys. */
  async take(names: readonly string[]): Promise<void> {
    const asked = names.map((key) => ({ key, names: 'all' as const }));
    const { keys } = await readKeys(this.#from, this.#scripts.read, asked);
    const writer = new DeltaWriter();
    for (const held of keys)
      if (held.header !== undefined) encodeDelta(writer, bytesOf(held.key), stateOfHeld(held), 'whole');
    await this.#merging.merge(Buffer.from(writer.bytes()));
  }

  async close(): Promise<void> {
    this.control.close();
    await this.#from[Symbol.asyncDispose]();
    await this.#to[Symbol.asyncDispose]();
  }
}
