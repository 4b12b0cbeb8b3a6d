// Lists and streams as bytes, and as native commands on a real Redis.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Broker,
  openControl,
  type RedisControl,
  requireBroker,
  startRedis,
} from '../../../test/brokers/index.ts';
import { below, seededRandom } from '../../base/index.ts';
import { TYPE_LIST, TYPE_STREAM } from '../../crdt/index.ts';
import { wholeValueCommands, wholeValueOf } from './whole-native.ts';
import {
  decodeList,
  decodeStream,
  encodeList,
  encodeStream,
  idText,
  parseId,
  type StreamValue,
} from './whole-value.ts';

const id = (text: string): bigint => parseId(text) ?? -1n;
const words = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

const STREAM: StreamValue = {
  lastId: id('18446744073709551615-7'),
  entriesAdded: 9n,
  maxDeletedId: id('3-0'),
  entries: [
    { id: id('1-0'), words: words('f', '', 'g', '\xff\0') },
    { id: id('18446744073709551615-7'), words: words('a', 'b') },
  ],
};

describe('bytes', () => {
  it('come back as they were', () => {
    for (const list of [[], words(''), words('a', '', '\0\xff', 'x'.repeat(70_000))])
      expect(decodeList(encodeList(list))).toEqual(list);
    expect(decodeStream(encodeStream(STREAM))).toEqual(STREAM);
    const empty = { ...STREAM, entries: [] };
    expect(decodeStream(encodeStream(empty))).toEqual(empty);
  });

  it('are malformed when cut, longer, or out of order', () => {
    for (const [bytes, decode] of [
      [encodeList(words('ab', 'c')), decodeList],
      [encodeStream(STREAM), decodeStream],
    ] as const) {
      for (let end = 0; end < bytes.length; end++)
        expect(decode(bytes.subarray(0, end)), String(end)).toBe(undefined);
      expect(decode(Buffer.concat([bytes, Buffer.from([0])]))).toBe(undefined);
    }
    const [first, second] = STREAM.entries;
    expect(decodeStream(encodeStream({ ...STREAM, entries: [second, first] }))).toBe(undefined);
    expect(decodeStream(encodeStream({ ...STREAM, lastId: id('5-0') }))).toBe(undefined);
    expect(decodeStream(encodeStream({ ...STREAM, entriesAdded: 1n }))).toBe(undefined);
    expect(decodeStream(encodeStream({ ...STREAM, entries: [{ ...first, words: words('f') }] }))).toBe(
      undefined,
    );
    expect(() => wholeValueCommands(TYPE_LIST, 'k', { bytes: Buffer.alloc(3), held: undefined })).toThrow(
      'malformed',
    );
  });

  it('names ids as Redis does', () => {
    expect(idText(id('12-34'))).toBe('12-34');
    for (const text of ['1', '-', '1-', 'a-b', '18446744073709551616-0'])
      expect(parseId(text)).toBe(undefined);
  });
});

const { skip } = requireBroker('redis-server');

describe.skipIf(skip)(`on a Redis ${skip || ''}`, () => {
  let server: Broker;
  let redis: RedisControl;

  beforeAll(async () => {
    server = await startRedis();
    redis = openControl(server.port);
  });
  afterAll(async () => {
    redis?.close();
    await server?.stop();
  });

  async function held(type: 5 | 6, key: string): Promise<Buffer> {
    const items =
      type === TYPE_LIST
        ? await redis.reply('LRANGE', key, 0, -1)
        : ({
            kind: 'array',
            items: [await redis.reply('XRANGE', key, '-', '+'), await redis.reply('XINFO', 'STREAM', key)],
          } as const);
    return wholeValueOf(type, items) ?? Buffer.alloc(0);
  }

  /** Makes the key hold the value. Result: the commands' names. */
  async function make(type: 5 | 6, bytes: Buffer, old: Buffer | undefined): Promise<string[]> {
    const commands = wholeValueCommands(type, 'k', { bytes, held: old });
    for (const command of commands)
      await redis.call(...command.map((arg) => (typeof arg === 'string' ? arg : arg)));
    expect(await held(type, 'k')).toEqual(bytes);
    return commands.map(([name]) => String(name));
  }

  it('makes lists, only pushing where that is enough', async () => {
    const of = (text: string): Buffer => encodeList(words(...text));
    await redis.call('DEL', 'k');
    expect(await make(TYPE_LIST, of('abc'), undefined)).toEqual(['DEL', 'RPUSH']);
    expect(await make(TYPE_LIST, of('abcde'), of('abc'))).toEqual(['RPUSH']);
    expect(await make(TYPE_LIST, of('xyabcde'), of('abcde'))).toEqual(['LPUSH']);
    expect(await make(TYPE_LIST, of('xyabcde'), of('xyabcde'))).toEqual([]);
    expect(await make(TYPE_LIST, of('yabcde'), of('xyabcde'))).toEqual(['DEL', 'RPUSH']);
    const long = Array.from({ length: 2500 }, (_, i) => Buffer.from(`e${i}`));
    expect(await make(TYPE_LIST, encodeList(long), of('yabcde'))).toEqual(['DEL', 'RPUSH', 'RPUSH', 'RPUSH']);
  });

  it('makes streams with their counts, empty ones too', async () => {
    await redis.call('DEL', 'k');
    await make(TYPE_STREAM, encodeStream(STREAM), undefined);
    await make(TYPE_STREAM, encodeStream({ ...STREAM, entries: [], lastId: id('2-0') }), undefined);
    await make(
      TYPE_STREAM,
      encodeStream({ lastId: 0n, entriesAdded: 0n, maxDeletedId: 0n, entries: [] }),
      undefined,
    );
  });

  it('changes streams of any kind into each other, and their groups stay', async () => {
    const random = seededRandom(11);
    const seen: Record<string, number> = {};
    await redis.call('DEL', 'k');
    await redis.call('XADD', 'k', '1-0', 'f', 'v');
    await redis.call('XGROUP', 'CREATE', 'k', 'g', '0');
    let old = await held(TYPE_STREAM, 'k');
    let lost = 0;
    for (let round = 0; round < 400; round++) {
      const before = decodeStream(old);
      const next = randomStream(random, before);
      const names = await make(TYPE_STREAM, encodeStream(next), old);
      for (const name of names) seen[name] = (seen[name] ?? 0) + 1;
      const groups = (await redis.call('XINFO', 'GROUPS', 'k')) as unknown[];
      const mustGo = before?.maxDeletedId !== 0n && next.maxDeletedId === 0n;
      expect(groups.length, `round ${round}`).toBe(mustGo ? 0 : 1);
      if (mustGo) {
        lost++;
        await redis.call('XGROUP', 'CREATE', 'k', 'g', '0');
      }
      old = await held(TYPE_STREAM, 'k');
    }
    for (const name of ['DEL', 'XTRIM', 'XDEL', 'XADD', 'XSETID'])
      expect(seen[name], name).toBeGreaterThan(10);
    expect(lost).toBeGreaterThan(3);
    expect(lost).toBeLessThan(200);
  });
});

/** Near the old one, as other sites' are: entries gone at the front or in the middle, others added behind or between. */
function randomStream(random: ReturnType<typeof seededRandom>, old: StreamValue | undefined): StreamValue {
  const entries = new Map((old?.entries ?? []).map((entry) => [entry.id, entry]));
  const ids = [...entries.keys()];
  const kind = below(random, 4);
  if (kind === 0) for (const gone of ids.slice(0, below(random, 3))) entries.delete(gone);
  if (kind === 1 && ids.length > 0) entries.delete(ids[below(random, ids.length)]);
  if (kind === 2)
    entries.set(id(`${1 + below(random, 50)}-0`), { id: 0n, words: words('mid', String(below(random, 3))) });
  const top = [...entries.keys()].reduce((a, b) => (a > b ? a : b), old?.lastId ?? 0n);
  for (let n = below(random, 3); n > 0; n--) {
    const next = top + (BigInt(n) << 64n);
    entries.set(next, { id: next, words: words('f', String(below(random, 100))) });
  }
  const all = [...entries]
    .map(([at, entry]) => ({ ...entry, id: at }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const trimmed = all.slice(-8);
  const lastId = trimmed.reduce((a, { id: b }) => (a > b ? a : b), below(random, 3) === 0 ? top + 5n : 0n);
  const maxDeletedId =
    below(random, 6) === 0 ? 0n : below(random, 2) === 0 ? (old?.maxDeletedId ?? 0n) : id('2-0');
  return { lastId, entriesAdded: BigInt(trimmed.length + below(random, 5)), maxDeletedId, entries: trimmed };
}
