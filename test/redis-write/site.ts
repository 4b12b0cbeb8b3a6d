// One site's Redis driven by the write script alone, as the executor drives it; its texts read back as states.
import type { Latin1 } from '../../src/base/index.ts';
import { bytesOf } from '../../src/base/index.ts';
import { namedKeysOf } from './keys.ts';
import type { KeyState, Value, ValueType } from '../../src/crdt/index.ts';
import { type Header, parseHeader } from '../../src/store/redis/header-text.ts';
import { assembleWrite, loadScripts, type Script, withTestClock } from '../../src/store/redis/scripts.ts';
import { slotKey, slotOf, tagOf } from '../../src/store/redis/slots.ts';
import { readState } from '../../src/store/redis/state-text.ts';
import { RawPeer } from '../differential/peers.ts';
import type { Node } from '../differential/replies.ts';
import type { Words } from '../differential/streams.ts';

/** One unit's entry in the script's result. */
export interface UnitResult {
  /** The whole entry. */
  readonly entry: Node;
  /** The client's reply. */
  readonly reply: Node;
  /** '' where nothing changed. */
  readonly version: string;
  /** Key, and '*', '@' with a time, or fields. Shape: texts. */
  readonly touched: readonly string[];
}

interface SiteOptions {
  readonly testClock: boolean;
  readonly origin?: string;
  readonly change?: (script: Script) => Script;
}

/** Text of a reply: a bulk's bytes, a status or integer without its sign. */
export function textOf(node: Node): string {
  if (node.head.startsWith('$-1') || node.head === '_') return '';
  return node.head[0] === '$' ? node.head.slice(node.head.indexOf('\r\n') + 2, -2) : node.head.slice(1);
}

/** The bytes of a reply that holds others, as the differential tests compare them. */
export class RedisSite {
  readonly peer: RawPeer;
  readonly #script: Script;
  origin: string;
  flags = 'm';
  maxValueBytes = 536_870_912;

  private constructor(peer: RawPeer, script: Script, origin: string) {
    this.peer = peer;
    this.#script = script;
    this.origin = origin;
  }

  /** `testClock`: time is what `setClock` says, and nothing expires natively. `change`: replaces the script. */
  static async open(
    port: number,
    { testClock, origin = '00000001', change = (written) => written }: SiteOptions,
  ) {
    const peer = await RawPeer.open(port);
    const script = change(testClock ? withTestClock(assembleWrite()) : assembleWrite());
    const site = new RedisSite(peer, script, origin);
    await loadScripts((args) => site.call(args), [script]);
    const tags = Array.from({ length: 16_384 }, (_, slot) => tagOf(slot)).join('');
    await site.call(['SET', 'mqkv:tags', tags]);
    return site;
  }

  async call(words: Words): Promise<Node> {
    const [reply] = await this.peer.exchange([words]);
    return reply;
  }

  async setClock(now: number): Promise<void> {
    await this.call(['SET', 'mqkv:clock', String(now)]);
  }

  /** Runs units in one call of the script. */
  async run(...units: readonly Words[]): Promise<UnitResult[]> {
    const words = ['EVALSHA', this.#script.sha1, '0', this.origin, this.flags, String(this.maxValueBytes)];
    const reply = await this.call([...words, ...units.flat()]);
    if (reply.head[0] !== '*') throw new Error(reply.head);
    return reply.items.map(resultOf);
  }

  /** One command as a unit. */
  async command(words: Words): Promise<UnitResult> {
    const [result] = await this.run(commandUnit(words));
    return result;
  }

  /** The state that lies in Redis; undefined: none. */
  async state(key: Latin1): Promise<KeyState | undefined> {
    const header = await this.header(key);
    if (header === undefined) return undefined;
    const parsed = parseHeader(header);
    const registers = await this.pairs(['HGETALL', `${slotKey(slotOf(key))}:${key}`]);
    return readState(parsed, registers, await this.#natives(key, parsed));
  }

  /** The header text, wherever it lies. */
  async header(key: Latin1): Promise<string | undefined> {
    const slot = slotKey(slotOf(key));
    const [small, large] = await this.peer.exchange([
      ['HGET', slot, key],
      ['HGET', `${slot}.`, key],
    ]);
    const isLarge = key.length > 64 || textOf(small) === 'L';
    const text = textOf(isLarge ? large : small);
    return text === '' ? undefined : text;
  }

  async pairs(words: Words): Promise<Map<string, string>> {
    const { items } = await this.call(words);
    const found = new Map<string, string>();
    for (let i = 0; i < items.length; i += 2) found.set(textOf(items[i]), textOf(items[i + 1]));
    return found;
  }

  async #natives(
    key: Latin1,
    { type }: Header,
  ): Promise<(type: ValueType, field: Latin1) => Value | undefined> {
    const shown = textOf(await this.call(['TYPE', key]));
    const names = ['none', 'string', 'hash', 'set', 'zset', 'list', 'stream'];
    if (shown !== names[type]) return () => undefined;
    const values = new Map<string, Value>();
    if (type === 1) values.set('', bytesOf(textOf(await this.call(['GET', key]))));
    if (type === 2) for (const [f, value] of await this.pairs(['HGETALL', key])) values.set(f, value);
    if (type === 3) for (const f of (await this.call(['SMEMBERS', key])).items) values.set(textOf(f), true);
    if (type === 4)
      for (const [f, score] of await this.pairs(['ZRANGE', key, '0', '-1', 'WITHSCORES']))
        values.set(f, scoreOf(score));
    return (of, field) => (of === type ? values.get(field) : undefined);
  }

  close(): void {
    this.peer.close();
  }
}

function scoreOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

function resultOf(entry: Node): UnitResult {
  if (entry.head[0] !== '*') {
    const isPlain = entry.head[0] === '$';
    const reply = isPlain ? { head: '+OK', items: [] } : entry;
    return { entry, reply, version: isPlain ? textOf(entry).slice(0, 24) : '', touched: [] };
  }
  const [reply, version, ...touched] = entry.items;
  return { entry, reply, version: textOf(version), touched: touched.map(textOf) };
}

function named(keys: readonly string[]): string[] {
  return [String(keys.length), ...keys.flatMap((key) => [key, tagOf(slotOf(key))])];
}

/** The words of a C unit. */
export function commandUnit(words: Words): string[] {
  return ['C', ...named(namedKeysOf(words)), String(words.length), ...words];
}

/** The words of a T unit. `watches`: keys and their versions. */
export function transactionUnit(
  commands: readonly Words[],
  watches: readonly (readonly [string, string])[] = [],
): string[] {
  const keys = [...new Set([...commands.flatMap(namedKeysOf), ...watches.map(([key]) => key)])];
  const all = commands.flatMap((words) => [String(words.length), ...words]);
  return ['T', ...named(keys), String(commands.length), String(watches.length), ...watches.flat(), ...all];
}
