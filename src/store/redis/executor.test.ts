// The executor over a Redis that only notes what it is sent: order, script calls, what becomes of replies.
import { describe, expect, it } from 'vitest';
import { below, SCRIPT_BYTES_MAX, SCRIPT_UNITS_MAX, seededRandom } from '../../base/index.ts';
import { CommandBatch, encodeCommand, RequestParser } from '../../resp/index.ts';
import { type Executor, openLane, type ReplySink } from '../executor.ts';
import { type ExecutorOptions, openExecutor, type UpstreamRequest } from './executor.ts';
import { prepareSlots, slotOfRange, writeTag } from './hot-slot.ts';
import { replyEnd } from './reply-end.ts';
import { slotKey, slotOf, tagOf } from './slots.ts';
import type { NotedSet } from './noted-set.ts';
import type { NotedWrite } from './write-replies.ts';

const VERSION = '0123456789ab0001cafe0001';

interface Sent {
  readonly request: UpstreamRequest;
  readonly sink: ReplySink;
  readonly args: readonly string[];
}

/** Words of one command. */
function argsOf(bytes: UpstreamRequest['bytes']): string[] {
  const batch = new CommandBatch();
  const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
  expect(new RequestParser().parse(whole, batch)).toBe('done');
  return Array.from({ length: batch.argc(0) }, (_, a) => batch.text(0, a));
}

class Client implements ReplySink {
  text = '';
  replies(bytes: Buffer, count: number): void {
    this.text += bytes.toString('latin1');
    this.#count(bytes, count);
  }
  failed(count: number, written: boolean): void {
    this.text += `(${count} ${written ? 'uncertain' : 'unavailable'})`;
  }
  #count(bytes: Buffer, count: number): void {
    let at = 0;
    for (let i = 0; i < count; i++) at = replyEnd(bytes, at);
    expect(at).toBe(bytes.length);
  }
}

function opened(
  options: Partial<ExecutorOptions> = {},
  isCluster = false,
): { executor: Executor; sent: Sent[] } {
  const sent: Sent[] = [];
  const upstream = {
    isCluster,
    send: (request: UpstreamRequest, sink: ReplySink) =>
      void sent.push({ request, sink, args: argsOf(request.bytes) }),
  };
  const script = { sha1: 's'.repeat(40), text: 'return {}' };
  return {
    sent,
    executor: openExecutor({ upstream, script, origin: () => 0xcafe0001, maxValueBytes: 1000, ...options }),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function read(
  executor: Executor,
  lane: ReturnType<typeof openLane>,
  key: string,
  sink: ReplySink = new Client(),
): void {
  executor.read(lane, { bytes: encodeCommand(['GET', key]), count: 1, slot: 0, protocol: 2 }, sink);
}

interface Set {
  readonly key: string;
  readonly value: string;
  readonly ttlMs?: number;
  readonly protocol?: 2 | 3;
}

function set(
  executor: Executor,
  lane: ReturnType<typeof openLane>,
  given: Set,
  sink: ReplySink = new Client(),
): void {
  const { key, value, ttlMs = 0, protocol = 2 } = given;
  const source = Buffer.from(key + value, 'latin1');
  const run = executor.writes(lane, { slot: slotOf(key), protocol }, sink);
  run.set(source, 0, key.length, key.length, source.length, ttlMs);
}

describe('the order of a lane', () => {
  it('sends reads at once, writes at the end of the turn, and reads after writes behind them', async () => {
    const { executor, sent } = opened();
    const [a, b] = [openLane(), openLane()];
    read(executor, a, 'r1');
    set(executor, a, { key: 'w1', value: '1' });
    read(executor, a, 'r2');
    set(executor, a, { key: 'w2', value: '2' });
    read(executor, b, 'r3');
    set(executor, b, { key: 'w3', value: '3' });
    expect(sent.map(({ args }) => args[1])).toEqual(['r1', 'r3']);
    await turn();
    const words = sent.map(({ args }) => args.filter((word) => /^[rw]\d$/.test(word)));
    expect(words).toEqual([['r1'], ['r3'], ['w1', 'w3'], ['r2'], ['w2']]);
    read(executor, a, 'r4');
    expect(sent.at(-1)?.args).toEqual(['GET', 'r4']);
  });

  it('uses a call for each protocol, and on a cluster for each slot', async () => {
    const { executor, sent } = opened();
    set(executor, openLane(), { key: 'a', value: '1' });
    set(executor, openLane(), { key: 'b', value: '2', protocol: 3 });
    set(executor, openLane(), { key: 'c', value: '3' });
    await turn();
    expect(sent.map(({ args, request }) => [request.protocol, args[4]])).toEqual([
      [2, ''],
      [3, '3'],
    ]);
    const cluster = opened({}, true);
    for (const key of ['{x}1', 'y', '{x}2']) set(cluster.executor, openLane(), { key, value: 'v' });
    await turn();
    const x = tagOf(slotOf('x'));
    expect(cluster.sent.map(({ request }) => request.slot)).toEqual([slotOf('x'), slotOf('y')]);
    expect(cluster.sent[0].args.slice(2, 9)).toEqual([
      '6',
      `mqkv:{${x}}`,
      `mqkv:{${x}}.`,
      '{x}1',
      `mqkv:{${x}}:{x}1`,
      '{x}2',
      `mqkv:{${x}}:{x}2`,
    ]);
  });
});

describe('a script call', () => {
  it('holds units as the script reads them', async () => {
    const { executor, sent } = opened({ marks: true });
    const lane = openLane();
    set(executor, lane, { key: 'k\0é', value: 'v'.repeat(300) });
    set(executor, lane, { key: '', value: '', ttlMs: 1500 });
    const run = executor.writes(lane, { slot: 0, protocol: 2 }, new Client());
    const bulks = (words: readonly string[]): Buffer => {
      const bytes = encodeCommand(words);
      return bytes.subarray(bytes.indexOf(10) + 1);
    };
    run.command({
      keys: [Buffer.from('h')],
      argc: 4,
      args: bulks(['HSET', 'h', 'f', 'v']),
      isNullArray: false,
    });
    run.transaction({
      keys: [Buffer.from('a')],
      commands: [{ argc: 2, args: bulks(['INCR', 'a']) }],
      watches: [{ key: Buffer.from('w'), version: VERSION }],
    });
    await turn();
    const tag = (key: string): string => tagOf(slotOf(key));
    const units = [
      [slotKey(slotOf('k\0é')), 'k\0é', 'v'.repeat(300)],
      ['x', slotKey(slotOf('')), '', '', '1500'],
      ['C', '1', 'h', tag('h'), '4', 'HSET', 'h', 'f', 'v'],
      ['T', '1', 'a', tag('a'), '1', '1', 'w', VERSION, '2', 'INCR', 'a'],
    ].flat();
    expect(sent[0].args).toEqual(['EVALSHA', 's'.repeat(40), '0', 'cafe0001', 'm', '1000', ...units]);
    const again = argsOf(sent[0].request.evalBytes?.(0xbeef) ?? []);
    expect(again).toEqual(['EVAL', 'return {}', '0', '0000beef', 'm', '1000', ...units]);
  });

  it('is bounded in units and in bytes; one large unit goes alone', async () => {
    const { executor, sent } = opened();
    const lane = openLane();
    const run = executor.writes(lane, { slot: 0, protocol: 2 }, new Client());
    const source = Buffer.alloc(3 * SCRIPT_BYTES_MAX, 'v');
    for (let i = 0; i < SCRIPT_UNITS_MAX * 2 + 1; i++) run.set(source, 0, 3, 3, 5, 0);
    const units = (): number[] =>
      sent.map(({ args }) => args.filter((word) => word.startsWith('mqkv:{')).length);
    expect(units()).toEqual([SCRIPT_UNITS_MAX, SCRIPT_UNITS_MAX]);
    for (let i = 0; i < 5; i++) run.set(source, 0, 3, 0, 400_000, 0);
    run.set(source, 0, 3, 0, source.length, 0);
    run.set(source, 0, 3, 3, 5, 0);
    await turn();
    expect(units()).toEqual([SCRIPT_UNITS_MAX, SCRIPT_UNITS_MAX, 3, 2, 1, 1, 1]);
    for (const { args } of sent.filter(({ args }) => args.length > 11))
      expect(args.join('').length).toBeLessThan(SCRIPT_BYTES_MAX + 100_000);
  });
});

describe('replies', () => {
  it('become what the commands themselves would say, and are noted', async () => {
    const sets: string[] = [];
    const writes: string[] = [];
    const noted = {
      set: ({ version, key, value, at }: NotedSet) => void sets.push(`${version} ${key}=${value} ${at}`),
      write: ({ version, touched }: NotedWrite) => void writes.push(`${version} ${touched.join(' ')}`),
    };
    const { executor, sent } = opened({ noted });
    const [a, b] = [new Client(), new Client()];
    set(executor, openLane(), { key: 'k', value: 'v' }, a);
    const lane = openLane();
    set(executor, lane, { key: 'x', value: 'y', ttlMs: 10 }, b);
    set(executor, lane, { key: 'bad', value: 'z' }, b);
    const run = executor.writes(lane, { slot: 0, protocol: 2 }, b);
    const unit = { keys: [], argc: 1, args: Buffer.from('$1\r\nX\r\n'), isNullArray: false };
    for (let i = 0; i < 3; i++) run.command(unit);
    run.command({ ...unit, isNullArray: true });
    run.transaction({ keys: [], commands: [], watches: [] });
    run.transaction({ keys: [], commands: [], watches: [] });
    await turn();
    const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
    const entries = [
      bulk(VERSION),
      bulk(`${VERSION}0000000003e8`),
      '-WRONGTYPE no\r\n',
      `*6\r\n:1\r\n${bulk(VERSION)}${bulk('h')}${bulk('1')}${bulk('2f')}${bulk('more')}`,
      `*2\r\n+\x01I9007199254740993\r\n${bulk('')}`,
      `*2\r\n$-1\r\n${bulk('')}`,
      `*2\r\n$-1\r\n${bulk('')}`,
      `*4\r\n*3\r\n+OK\r\n+\x01I-9223372036854775808\r\n+\x01N\r\n${bulk(VERSION)}${bulk('a')}${bulk('*')}`,
      `*2\r\n$-1\r\n${bulk('')}`,
    ];
    sent[0].sink.replies(Buffer.from(`*${entries.length}\r\n${entries.join('')}`, 'latin1'), 1, -1);
    expect(a.text).toBe('+OK\r\n');
    expect(b.text).toBe(
      '+OK\r\n-WRONGTYPE no\r\n:1\r\n:9007199254740993\r\n$-1\r\n*-1\r\n*3\r\n+OK\r\n:-9223372036854775808\r\n*-1\r\n*-1\r\n',
    );
    expect(sets).toEqual([`${VERSION} k=v 0`, `${VERSION} x=y 1000`]);
    expect(writes).toEqual([`${VERSION} h 1 2f more`, `${VERSION} a *`]);
  });

  it('are errors for every unit when the whole call fails', async () => {
    const { executor, sent } = opened();
    const [a, b] = [new Client(), new Client()];
    set(executor, openLane(), { key: 'k', value: 'v' }, a);
    const lane = openLane();
    for (let i = 0; i < 2; i++) set(executor, lane, { key: 'x', value: 'y' }, b);
    await turn();
    sent[0].sink.replies(Buffer.from('-OOM no\r\n'), 1, 0);
    expect([a.text, b.text]).toEqual(['-OOM no\r\n', '-OOM no\r\n-OOM no\r\n']);
    set(executor, lane, { key: 'x', value: 'y' }, a);
    await turn();
    sent[1].sink.failed(1, true);
    expect(a.text).toBe('-OOM no\r\n(1 uncertain)');
  });
});

describe('slots of byte ranges', () => {
  it('are those of the keys, with their tags', () => {
    prepareSlots();
    const random = seededRandom(3);
    let braces = 0;
    for (let i = 0; i < 5000; i++) {
      const key = Buffer.from(
        Array.from({ length: below(random, 30) }, () =>
          below(random, 6) === 0 ? 123 + 2 * below(random, 2) : below(random, 256),
        ),
      );
      if (key.includes(123)) braces++;
      const source = Buffer.concat([Buffer.from('head{'), key, Buffer.from('}tail')]);
      const slot = slotOfRange(source, 5, 5 + key.length);
      expect(slot).toBe(slotOf(key));
      const tag = Buffer.alloc(5);
      writeTag(tag, 1, slot);
      expect(tag.toString('latin1', 1, 4)).toBe(tagOf(slot));
    }
    expect(braces).toBeGreaterThan(1000);
  });
});
