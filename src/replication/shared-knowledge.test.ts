// What gateways of one site tell each other: applied sequences are no gaps, heartbeats reach all.
import { expect, test } from 'vitest';
import { APPLIED_TOLD_MAX, type Clock, silentLogger } from '../base/index.ts';
import type { GatewayBus } from '../store/index.ts';
import type { EnvelopeHeader } from './envelope.ts';
import { SharedKnowledge } from './shared-knowledge.ts';

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
  let tick = (): void => {};
  const clock: Clock = {
    now: () => 0,
    after: () => ({ cancel: () => {} }),
    every: (_ms, task) => {
      tick = task;
      return { cancel: () => {} };
    },
  };
  const applied: [string, number][] = [];
  const heard: [EnvelopeHeader, string][] = [];
  const knowledge = new SharedKnowledge({
    bus,
    clock,
    logger: silentLogger,
    onApplied: (stream, sequence) => applied.push([stream, sequence]),
    onHeartbeat: (header, bytes) => heard.push([header, Buffer.from(bytes).toString()]),
  });
  const hear = ({ kind, bytes }: Sent): void => ears.get(kind)?.(bytes);
  return { knowledge, sent, hear, tick: () => tick(), applied, heard };
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

test('applied sequences are told every second, in ranges', () => {
  const [one, two] = [gateway(), gateway()];
  for (const sequence of [1, 2, 3, 7, 5, 6]) one.knowledge.applied('aa', sequence);
  one.knowledge.applied('bb', 9);
  expect(one.sent).toEqual([]);
  one.tick();
  one.tick();
  expect(one.sent).toHaveLength(1);
  for (const message of one.sent) two.hear(message);
  expect(two.applied).toEqual([
    ...[1, 2, 3, 7, 5, 6].map((sequence): [string, number] => ['aa', sequence]),
    ['bb', 9],
  ]);
});

test('never more ranges in memory than the bound: then they are told at once', () => {
  const one = gateway();
  for (let i = 0; i < APPLIED_TOLD_MAX * 2; i++) one.knowledge.applied('aa', 2 * i + 1);
  expect(one.sent).toHaveLength(2);
});

test('a heartbeat heard by one is heard by all; what is not understood is passed over', () => {
  const [one, two] = [gateway(), gateway()];
  one.knowledge.heard(HEADER, Buffer.from('beat'));
  for (const message of one.sent) two.hear(message);
  expect(two.heard).toEqual([[HEADER, 'beat']]);
  for (const text of ['', 'x', '{"aa":[[0,1]]}', '{"aa":[[1,9999999]]}', '{"aa":1}', '[1]'])
    two.hear({ kind: 'applied', bytes: Buffer.from(text) });
  expect(two.applied).toEqual([]);
});
