// What gateways of one site tell each other: applied and staged sequences are no gaps, heartbeats reach all.
import { expect, test } from 'vitest';
import { HELD_TOLD_MAX, silentLogger } from '../base/index.ts';
import type { GatewayBus } from '../store/index.ts';
import type { EnvelopeHeader } from './envelope.ts';
import type { Range } from './sequence-set.ts';
import { SharedKnowledge } from './shared-knowledge.ts';
import { TestClock } from './testing.ts';

interface Sent {
  readonly kind: string;
  readonly bytes: Buffer;
}

function gateway() {
  const sent: Sent[] = [];
  const ears = new Map<string, (bytes: Buffer) => void>();
  const bus: GatewayBus = {
    send: (kind, bytes) => void sent.push({ kind, bytes }),
    on: (kind, hear) => void ears.set(kind, hear),
  };
  const clock = new TestClock();
  const applied: [string, number, number][] = [];
  const held: [string, number, number][] = [];
  const heard: [EnvelopeHeader, string][] = [];
  const known: Record<string, Range[]> = {};
  const asked: number[] = [];
  const knowledge = new SharedKnowledge({
    bus,
    clock,
    logger: silentLogger,
    onApplied: (stream, from, to) => applied.push([stream, from, to]),
    onHeld: (stream, first, sequence) => held.push([stream, first, sequence]),
    onHeartbeat: (header, bytes) => heard.push([header, Buffer.from(bytes).toString()]),
    known: (ticks) => {
      asked.push(ticks);
      return known;
    },
  });
  const hear = ({ kind, bytes }: Sent): void => ears.get(kind)?.(bytes);
  return { knowledge, sent, hear, clock, applied, held, heard, known, asked };
}

const HEADER = {
  site: 'far',
  origin: 7,
  stream: '00000000000000aa',
  sequence: 3,
  timeMs: 5,
  fragment: 0,
  fragments: 1,
};

test('what is applied and staged is told every second, in ranges; what is applied again and again', async () => {
  const [one, two] = [gateway(), gateway()];
  expect(one.sent.splice(0).map(({ kind }) => kind)).toEqual(['hello']);
  one.known['aa'] = [
    [1, 7],
    [9, 9],
  ];
  one.known['new'] = [[1, 0]];
  one.knowledge.held('bb', 3, 5);
  expect(one.sent).toEqual([]);
  await one.clock.advance(2_000);
  for (const message of one.sent) two.hear(message);
  expect(one.sent.map(({ kind }) => kind)).toEqual(['applied', 'held', 'applied']);
  expect(two.applied.slice(0, 2)).toEqual([
    ['aa', 1, 7],
    ['aa', 9, 9],
  ]);
  expect([two.applied.length, two.held]).toEqual([4, [['bb', 3, 5]]]);
  one.knowledge.close();
  expect(one.clock.timers).toBe(0);
});

test('a gateway that comes is told all', () => {
  const one = gateway();
  one.known['aa'] = [[1, 7]];
  one.hear({ kind: 'hello', bytes: Buffer.alloc(0) });
  expect(one.sent.map(({ kind }) => kind)).toEqual(['hello', 'applied']);
  expect(one.asked).toEqual([Number.POSITIVE_INFINITY]);
});

test('never more staged ranges in memory than the bound: then they are told at once', () => {
  const one = gateway();
  for (let i = 0; i < HELD_TOLD_MAX * 2; i++) one.knowledge.held('aa', 2 * i + 1, 2 * i + 1);
  expect(one.sent.filter(({ kind }) => kind === 'held')).toHaveLength(2);
});

test('a heartbeat heard by one is heard by all; what is not understood is passed over', () => {
  const [one, two] = [gateway(), gateway()];
  one.knowledge.heard(HEADER, Buffer.from('beat'));
  for (const message of one.sent) two.hear(message);
  expect(two.heard).toEqual([[HEADER, 'beat']]);
  for (const text of ['', 'x', '{"aa":[[0,1]]}', '{"aa":[[3,2]]}', '{"aa":[["1",2]]}', '{"aa":1}', '[1]'])
    two.hear({ kind: 'applied', bytes: Buffer.from(text) });
  expect(two.applied).toEqual([]);
});
