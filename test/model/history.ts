// Random histories: sites with jumping clocks, commands, transactions, lost, doubled and reordered deliveries.
import { below, bytesOf, type Random, seededRandom } from '../../src/base/index.ts';
import {
  copyState,
  DeltaWriter,
  decodeDeltas,
  encodeDelta,
  type KeyState,
  merge,
} from '../../src/crdt/index.ts';
import { bigOf, checkBounds, crdtView, heldOf, same } from './bridge.ts';
import { textOf } from './definition.ts';
import { stateOf, type Totals, World } from './world.ts';

const KEYS = ['a', 'b'];
const FIELDS = ['f', 'g'];
const PASSES_MS = [1, 5, 5, 100, 200, 200, 1000, 60000];
const JUMPS_MS = [-600000, 600000, -300, 300, -5, 5, -50000, 30000];
const TTLS_MS = [1, 100, 100, 100, 500, 1000, 60000, 700000];
const TEXTS = ['1', '5', 'x', '9223372036854775807', '-7', '0.5', '', '16777216'];
const NUMBERS = ['1', '2', '-1', '3', '9223372036854775000'];
const FLOATS = ['0.25', '-1.5', '2'];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T;
}

/** Command lines by how often they are wanted. */
const COMMANDS: readonly ((r: Random, key: string, other: string) => string[])[] = [
  (r, key) => ['SET', key, pick(r, TEXTS)],
  (r, key) => ['SET', key, pick(r, TEXTS), 'PX', String(pick(r, TTLS_MS))],
  (r, key) => ['SET', key, pick(r, TEXTS), pick(r, ['KEEPTTL', 'NX', 'XX'])],
  (r, key) => [pick(r, ['SETNX', 'GETSET', 'APPEND']), key, pick(r, TEXTS)],
  (r, key) => ['INCRBY', key, pick(r, NUMBERS)],
  (r, key) => ['INCRBY', key, pick(r, NUMBERS)],
  (r, key) => ['INCRBYFLOAT', key, pick(r, FLOATS)],
  (_, key) => ['DEL', key],
  (r, key) => [pick(r, ['DEL', 'GETDEL']), key],
  (r, key) => ['HSET', key, pick(r, FIELDS), pick(r, TEXTS)],
  (r, key) => ['HSET', key, 'f', pick(r, TEXTS), 'g', pick(r, TEXTS)],
  (r, key) => ['HINCRBY', key, pick(r, FIELDS), pick(r, NUMBERS)],
  (r, key) => ['HINCRBY', key, pick(r, FIELDS), pick(r, NUMBERS)],
  (r, key) => ['HINCRBYFLOAT', key, pick(r, FIELDS), pick(r, FLOATS)],
  (r, key) => ['HDEL', key, pick(r, FIELDS)],
  (_, key) => ['HDEL', key, 'f', 'g'],
  (r, key) => ['SADD', key, pick(r, FIELDS)],
  (r, key) => ['SREM', key, pick(r, FIELDS)],
  (_, key) => ['SPOP', key],
  (r, key) => ['ZADD', key, pick(r, FLOATS), pick(r, FIELDS)],
  (r, key) => ['ZINCRBY', key, pick(r, FLOATS), pick(r, FIELDS)],
  (r, key) => ['ZREM', key, pick(r, FIELDS)],
  (r, key) => ['PEXPIRE', key, String(pick(r, TTLS_MS))],
  (r, key) => ['PEXPIRE', key, String(pick(r, TTLS_MS))],
  (r, key) => ['PEXPIRE', key, pick(r, ['0', '-5', '100', '200'])],
  (_, key) => ['PERSIST', key],
  (_, key, other) => ['RENAME', key, other],
  (_, key) => ['PEXPIRE', key, '60000'],
  (r, key) => ['HSET', key, pick(r, FIELDS), '1'],
  (_, key) => ['HINCRBY', key, 'f', '1'],
];
/** Commands that get along with each other, so that a history is not all WRONGTYPE and overwrites. */
const FAVOURITES = [
  [0, 1, 2, 3, 4, 5, 6, 7, 22, 23, 25, 26],
  [9, 10, 11, 12, 13, 14, 14, 15, 22, 23, 24, 25],
  [9, 11, 14, 14, 15, 22, 23],
  [9, 9, 14, 15, 15, 22, 25],
  [4, 5, 4, 5, 0, 7, 22],
  [28, 28, 15, 14, 27],
  [28, 15, 27, 28, 14],
  [29, 29, 14, 28, 7],
  [4, 5, 0, 7],
  [9, 14, 15, 15, 16, 17, 17, 18],
  [16, 16, 17, 18, 19, 20, 20, 21, 22, 23],
];

export interface HistoryTotals extends Totals {
  histories: number;
  transactions: number;
  repairs: number;
  algebra: number;
}

export function emptyTotals(): HistoryTotals {
  return {
    commands: 0,
    deliveries: 0,
    merges: 0,
    conflicts: 0,
    histories: 0,
    transactions: 0,
    repairs: 0,
    algebra: 0,
  };
}

/** Plays the history of a seed. Errors: thrown with the seed and the steps, in the language of the golden cases. */
export function playHistory(seed: number, totals: HistoryTotals): void {
  const history = new History(seed);
  try {
    history.play();
  } catch (error) {
    throw new Error(`seed ${seed}: ${history.script.join(' | ')}\n${String(error)}`, { cause: error });
  }
  totals.histories++;
  for (const name of ['commands', 'deliveries', 'merges', 'conflicts'] as const)
    totals[name] += history.world.totals[name];
  totals.transactions += history.transactions;
  totals.repairs += history.repairs;
  totals.algebra += history.algebra;
}

class History {
  readonly random: Random;
  readonly world: World;
  readonly script: string[] = [];
  readonly favourites: readonly number[];
  readonly keys: readonly string[];
  transactions = 0;
  repairs = 0;
  algebra = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.world = new World(2 + below(this.random, 3));
    this.favourites = pick(this.random, FAVOURITES);
    this.keys = below(this.random, 4) === 0 ? KEYS : ['a'];
  }

  play(): void {
    if (below(this.random, 50) === 0) this.hideTtl();
    const steps = 7 + below(this.random, 12);
    for (let i = 0; i < steps; i++) this.step();
    this.world.check();
    this.checkAlgebra();
    if (below(this.random, 2) === 0) this.converge();
  }

  /** A field written past the end of a TTL by a clock ahead hides it; without the field the TTL shows again. */
  hideTtl(): void {
    this.note('s0 clock 600000', () => this.world.jump(0, 600000));
    this.note('s0 HSET a g 1', () => this.world.run(0, [['HSET', 'a', 'g', '1']]));
    this.note('s1 HSET a f 1; PEXPIRE a 60000', () =>
      this.world.run(1, [
        ['HSET', 'a', 'f', '1'],
        ['PEXPIRE', 'a', '60000'],
      ]),
    );
    this.note('sync', () => this.world.sync());
    this.note('s1 HDEL a g', () => this.world.run(1, [['HDEL', 'a', 'g']]));
  }

  anySite(): number {
    return below(this.random, this.world.sites.length);
  }

  step(): void {
    const dice = below(this.random, 100);
    if (dice < 46) this.commands();
    else if (dice < 60) this.pass();
    else if (dice < 65) this.jump();
    else if (dice < 80) this.deliver();
    else if (dice < 90) this.deliverAll();
    else if (dice < 95) this.note('sync', () => this.world.sync());
    else if (dice < 98) this.free();
    else this.repair();
  }

  note(step: string, act: () => void): void {
    this.script.push(step);
    act();
  }

  commands(): void {
    const site = this.anySite();
    const lines = [this.command()];
    while (below(this.random, 5) === 0) lines.push(this.command());
    if (lines.length > 1) this.transactions++;
    this.note(`s${site} ${lines.map((line) => line.join(' ')).join('; ')}`, () =>
      this.world.run(site, lines),
    );
  }

  command(): string[] {
    const key = pick(this.random, this.keys);
    const any = below(this.random, 8) === 0;
    const index = any ? below(this.random, COMMANDS.length) : pick(this.random, this.favourites);
    return COMMANDS[index]?.(this.random, key, key === 'a' ? 'b' : 'a') ?? [];
  }

  pass(): void {
    const ms = pick(this.random, PASSES_MS);
    this.note(`+${ms}`, () => this.world.pass(ms));
  }

  jump(): void {
    const site = this.anySite();
    const ms = pick(this.random, JUMPS_MS);
    this.note(`s${site} clock ${ms}`, () => this.world.jump(site, ms));
  }

  deliver(): void {
    if (this.world.deltas.length === 0) return;
    const delta = below(this.random, this.world.deltas.length);
    const to = this.anySite();
    this.note(`d${delta + 1}>s${to}`, () => this.world.deliver(delta, to));
  }

  deliverAll(): void {
    const from = this.anySite();
    const to = this.anySite();
    this.note(`s${from}>s${to}`, () => {
      for (const [i, delta] of this.world.deltas.entries())
        if (delta?.site === from) this.world.deliver(i, to);
    });
  }

  free(): void {
    const site = this.anySite();
    this.note(`s${site} free`, () => this.world.freeAll(site));
  }

  repair(): void {
    this.repairs++;
    this.note('repair', () => this.world.repair());
  }

  /** G2: the same deltas, the same data at the same moment, once what was freed too early is repaired. */
  converge(): void {
    this.note('sync', () => this.world.sync());
    this.repair();
    this.world.check();
    for (const laterMs of [0, 300, 100000, 2000000]) {
      for (const key of KEYS) this.checkSame(key, this.world.latestMs + laterMs);
    }
  }

  checkSame(key: string, now: number): void {
    const views = this.world.sites.map((site) => {
      const { type, fields, ttlAt } = crdtView(stateOf(site, key), now);
      return `${type} ${[...fields].map(([f, v]) => `${f}=${String(v)}`).sort()} ${ttlAt}`;
    });
    for (const view of views) same(`what sites show of ${key} at ${now}`, view, views[0] ?? '');
  }

  /** Commutative, associative, idempotent, over deltas and whole states; and their round trip through bytes. */
  checkAlgebra(): void {
    const states = this.statesOf('a');
    if (states.length < 2) return;
    this.algebra++;
    const [x, y, z] = [0, 1, 2].map(() => pick(this.random, states)) as [KeyState, KeyState, KeyState];
    const forward = merged(merged(x, y), z);
    const backward = merged(z, merged(y, x));
    const nested = merged(merged(y, z), x);
    const text = textOf(heldOf(forward));
    same('commuted merge', textOf(heldOf(backward)), text);
    same('regrouped merge', textOf(heldOf(nested)), text);
    same('newest of it', String(bigOf(backward.newest)), String(bigOf(forward.newest)));
    for (const part of [x, y, z, forward])
      same('"changed" when merged again', String(merge(forward, part).changed), 'false');
    same('state merged again', textOf(heldOf(forward)), text);
    checkBounds(forward);
    checkRoundTrip(forward, text);
  }

  statesOf(key: string): KeyState[] {
    const states: KeyState[] = [];
    for (const delta of this.world.deltas) {
      if (delta === undefined || !delta.facts.has(key)) continue;
      for (const d of decodeDeltas(delta.bytes)) if (d.key === key) states.push(d.state);
    }
    for (const site of this.world.sites) if (site.states.has(key)) states.push(stateOf(site, key));
    return states;
  }
}

function merged(a: KeyState, b: KeyState): KeyState {
  const into = copyState(a);
  merge(into, b);
  return into;
}

function checkRoundTrip(s: KeyState, text: string): void {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf('a'), s, 'whole');
  const [delta] = [...decodeDeltas(writer.take())];
  if (delta === undefined) throw new Error('nothing decoded');
  same('state through bytes', textOf(heldOf(delta.state)), text);
  same('newest through bytes', String(bigOf(delta.state.newest)), String(bigOf(s.newest)));
  checkBounds(delta.state);
}
