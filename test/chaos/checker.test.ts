import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import { type Attempt, type Element, History, type Place } from './history.ts';
import type { LossSpan } from './site.ts';

const place = (name: string, lossSpans: LossSpan[] = []): Place => ({ name, kind: 'file', lossSpans });
const [A, B] = [place('a'), place('b')];
/** It lost what it acknowledged from 1,000 to 2,000. */
const LOSSY = place('lossy', [{ fromMs: 1_000, untilMs: 2_000 }]);

function attempt(site: Place, atMs: number, change: Partial<Attempt> = {}): Attempt {
  return { site, kind: 'ok', reply: 'OK', startedMs: atMs - 1, endedMs: atMs, ...change };
}

function element(written: Attempt, change: Partial<Element> = {}): Element {
  return {
    read: ['GET', 'k'],
    value: 'v',
    written,
    removals: [],
    seen: new Map(),
    ttlMs: undefined,
    ...change,
  };
}

/** Kinds of what the checker finds. */
function found(history: History, shown: Readonly<Record<string, string>>): string[] {
  check(history, (read) => shown[read.join(' ')] ?? null);
  return history.anomalies.map(({ kind }) => kind);
}

function ofElement(one: Element, isThere: boolean): string[] {
  const history = new History();
  history.elements.push(one);
  return found(history, isThere ? { 'GET k': 'v' } : {});
}

describe('elements', () => {
  test('an acknowledged write must be there, unless it fell into a loss window unseen', () => {
    expect(ofElement(element(attempt(A, 1_500)), false)).toEqual(['acknowledged write lost']);
    expect(ofElement(element(attempt(LOSSY, 900)), false)).toEqual(['acknowledged write lost']);
    expect(ofElement(element(attempt(LOSSY, 1_500)), false)).toEqual([]);
    const seen = new Map([[B, 1_600]]);
    expect(ofElement(element(attempt(LOSSY, 1_500), { seen }), false)).toEqual(['acknowledged write lost']);
    expect(ofElement(element(attempt(A, 1, { kind: 'unknown' })), false)).toEqual([]);
  });

  test('what was removed, refused or has expired must be gone', () => {
    const removed = (removal: Attempt): Element => element(attempt(A, 1), { removals: [removal] });
    expect(ofElement(removed(attempt(B, 5, { reply: 1 })), true)).toEqual(['came back']);
    expect(ofElement(removed(attempt(B, 5, { reply: 0 })), true)).toEqual([]);
    expect(ofElement(removed(attempt(LOSSY, 1_500, { reply: 1 })), true)).toEqual([]);
    expect(ofElement(element(attempt(A, 1, { kind: 'refused' })), true)).toEqual(['came back']);
    expect(ofElement(element(attempt(A, 1), { ttlMs: 10 }), true)).toEqual(['came back']);
  });
});

test('registers: a value that a kept write has replaced, or that nobody wrote, is an anomaly', () => {
  const history = (): History => {
    const made = new History();
    const { writes } = made.register('r');
    writes.set('a1', attempt(A, 10, { reply: null }));
    writes.set('a2', attempt(A, 20, { reply: 'a1' }));
    writes.set('b1', attempt(B, 15, { reply: 'a1' }));
    return made;
  };
  expect(found(history(), { 'GET r': 'a2' })).toEqual([]);
  expect(found(history(), { 'GET r': 'b1' })).toEqual([]);
  expect(found(history(), { 'GET r': 'a1' })).toEqual(['superseded by a2']);
  expect(found(history(), { 'GET r': 'x' })).toEqual(['a value that nobody wrote']);
  expect(found(history(), {})).toEqual(['acknowledged write lost']);
});

test('counters: between what is kept and what was tried', () => {
  const history = (): History => {
    const made = new History();
    const { increments } = made.counter('c');
    increments.push(attempt(A, 1), attempt(B, 2), attempt(LOSSY, 1_500), attempt(A, 3, { kind: 'unknown' }));
    increments.push(attempt(A, 4, { kind: 'refused' }));
    return made;
  };
  for (const value of ['2', '3', '4']) expect(found(history(), { 'GET c': value })).toEqual([]);
  expect(found(history(), { 'GET c': '1' })).toEqual(['increments lost']);
  expect(found(history(), { 'GET c': '5' })).toEqual(['increments counted twice']);
  const seen = history();
  seen.counter('c').readings.push({ site: B, atMs: 9, value: 3 });
  expect(found(seen, { 'GET c': '2' })).toEqual(['increments lost']);
});
