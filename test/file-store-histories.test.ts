// Random histories of a log store on a simulated disk, with a crash at any place: what was acknowledged is there afterwards.
import { describe, expect, it } from 'vitest';
import { below, type Latin1, type Random, seededRandom, silentLogger } from '../src/base/index.ts';
import { executeArgs } from '../src/commands/index.ts';
import {
  compareVersions,
  copyState,
  DeltaWriter,
  encodeDelta,
  free,
  type KeyState,
  NONE,
  originOf,
} from '../src/crdt/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../src/store/embedded/index.ts';
import { type FileStore, type Fsync, openFileStore } from '../src/store/file/index.ts';
import { SimulatedDisk, VirtualClock } from '../src/store/file/testing.ts';

const START_MS = 1_700_000_000_000;
const SEEDS = 300;
/** Every key that the histories name: looking through the whole index would take most of the time. */
const KEYS: readonly Latin1[] = [
  ...Array.from({ length: 8 }, (_, i) => `k${i}`),
  'n0',
  'n1',
  'n2',
  'h0',
  'h1',
  'h2',
  'z',
  's',
];
/** The other site's origin. */
const PEER = 99;
/** Units: ms. What a machine's crash may cost by the policy, and a kill. */
const MACHINE_MS = 1_150;
const KILL_MS = 150;

/** Everything that a start must bring back. */
interface Image {
  readonly atMs: number;
  readonly states: ReadonlyMap<Latin1, KeyState>;
  readonly notes: string;
}

function imageOf(store: FileStore, atMs: number): Image {
  const states = new Map<Latin1, KeyState>();
  for (const key of KEYS) {
    const state = store.embedded.stateOf(key);
    if (state !== undefined) states.set(key, copyState(state));
  }
  return { atMs, states, notes: JSON.stringify([...store.embedded.notes.entries()].sort()) };
}

/** The image as bytes, everything freed by the same clock. */
function textOf({ states, notes }: Image, now: number): string {
  const parts: string[] = [notes];
  for (const [key, state] of [...states].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const freed = copyState(state);
    free(freed, now);
    const writer = new DeltaWriter();
    encodeDelta(writer, Buffer.from(key, 'latin1'), freed, 'sorted');
    parts.push(writer.bytes().toString('base64'));
  }
  return parts.join('\n');
}

/** Registers that this site wrote and the peer has not. What the peer wrote it may have freed, before it heard of a longer life. */
function missingAt(peer: KeyState | undefined, here: KeyState | undefined): string[] {
  const missing: string[] = [];
  for (const [type, fields] of here?.registers ?? []) {
    for (const [field, { v, value, runs }] of fields) {
      const there = peer?.registers.get(type)?.get(field);
      const isOwn = value !== undefined && originOf(v) !== PEER;
      if (isOwn && compareVersions(there?.v ?? NONE, v) < 0) missing.push(field);
      for (const [origin, run] of runs ?? []) {
        if (origin === PEER || compareVersions(there?.runs?.get(origin)?.v ?? there?.v ?? NONE, run.v) >= 0)
          continue;
        missing.push(`${field} of ${origin}`);
      }
    }
  }
  return missing;
}

interface Exercised {
  crashes: number;
  stops: number;
  lost: number;
  torn: number;
  marked: number;
  rewrites: number;
}

/** One site's life over several crashes. */
class History {
  readonly #random: Random;
  readonly #clock = new VirtualClock(START_MS);
  #disk = new SimulatedDisk();
  readonly #fsync: Fsync;
  readonly #exercised: Exercised;
  /** Another site: what it has of this one came through accepted takings. */
  readonly #peer: EmbeddedStore;
  #store: FileStore | undefined;
  #images: Image[] = [];
  /** Index of the last image that was acknowledged as safe. */
  #safe = -1;
  #note = 0;
  /** When the disk did something last. */
  #answeredMs = START_MS;

  constructor(seed: number, exercised: Exercised) {
    this.#random = seededRandom(seed);
    this.#fsync = (['always', 'everysec', 'everysec'] as const)[seed % 3];
    this.#exercised = exercised;
    this.#peer = openEmbeddedStore({ ...this.#around(), origin: PEER, activeExpiry: false });
  }

  #around() {
    return { clock: this.#clock, random: this.#random, logger: silentLogger };
  }

  async run(): Promise<void> {
    await this.#open();
    for (let life = 0; life < 4; life++) {
      const crashAt = below(this.#random, 3) === 0 ? 60 + below(this.#random, 200) : below(this.#random, 40);
      this.#disk.onOperation = () => {
        this.#answeredMs = this.#clock.time;
      };
      this.#answeredMs = this.#clock.time;
      this.#disk.stopAt = this.#disk.operations + 1 + crashAt;
      const steps = 20 + below(this.#random, 60);
      for (let i = 0; i < steps && !this.#disk.isDown; i++) await this.#step();
      if (!this.#disk.isDown && below(this.#random, 4) === 0) await this.#stop();
      else await this.#crash();
    }
    await this.#store?.close();
  }

  async #open(): Promise<void> {
    this.#store = await openFileStore({
      ...this.#around(),
      disk: this.#disk,
      site: 's',
      fsync: this.#fsync,
      activeExpiry: below(this.#random, 2) === 0,
    });
    this.#images = [imageOf(this.#store, this.#clock.time)];
    this.#safe = 0;
  }

  async #step(): Promise<void> {
    const store = this.#store as FileStore;
    const kind = below(this.#random, 20);
    if (kind < 11) this.#command(store);
    else if (kind < 13) await this.#merge(store);
    else if (kind === 13) store.notes.write({ applied: String(++this.#note) });
    else if (kind < 16) this.#send(store);
    else if (kind === 16 && below(this.#random, 3) === 0) void this.#rewrite(store);
    else await this.#clock.advance([1, 20, 90, 400, 1500][below(this.#random, 5)]);
    const index = this.#images.push(imageOf(store, this.#clock.time)) - 1;
    if (this.#fsync !== 'always') return;
    const settled = store.settled();
    const acknowledge = (): void => {
      if (!this.#disk.isDown && this.#store === store) this.#safe = Math.max(this.#safe, index);
    };
    if (settled === undefined) acknowledge();
    else void settled.then(acknowledge);
  }

  #command(store: FileStore): void {
    const key = `k${below(this.#random, 8)}`;
    const other = `k${below(this.#random, 8)}`;
    const n = String(below(this.#random, 1000));
    const value = below(this.#random, 12) === 0 ? 'x'.repeat(700 + below(this.#random, 3000)) : n;
    const units: string[][][] = [
      [['SET', key, value]],
      [['SET', key, value, 'PX', String(50 + below(this.#random, 3000))]],
      [['DEL', key]],
      [['INCRBY', `n${below(this.#random, 3)}`, n]],
      [['HSET', `h${below(this.#random, 3)}`, `f${below(this.#random, 6)}`, n, 'g', value]],
      [['HDEL', `h${below(this.#random, 3)}`, `f${below(this.#random, 6)}`]],
      [['HINCRBY', `h${below(this.#random, 3)}`, 'c', n]],
      [['PEXPIRE', `h${below(this.#random, 3)}`, String(20 + below(this.#random, 2000))]],
      [['PERSIST', `h${below(this.#random, 3)}`]],
      [['ZINCRBY', 'z', n, `m${below(this.#random, 4)}`]],
      [
        ['SADD', 's', n],
        ['SPOP', 's'],
      ],
      [['MSET', key, value, other, n]],
      [
        ['SET', key, 'a'],
        ['APPEND', key, n],
        ['INCRBY', 'n0', '1'],
        ['SET', other, n],
      ],
      [
        ['SET', key, '7'],
        ['SET', key, '8'],
        ['EXPIRE', key, '100'],
      ],
    ];
    const unit = units[below(this.#random, units.length)];
    const commands = unit.map((command) => command.map((word) => Buffer.from(word)));
    executeArgs(store.keyspace, commands, { now: this.#clock.now(), random: this.#random });
  }

  /** The peer writes, and this site hears of it. */
  async #merge(store: FileStore): Promise<void> {
    const n = String(below(this.#random, 1000));
    const commands = [
      ['SET', `k${below(this.#random, 8)}`, n],
      ['INCRBY', `n${below(this.#random, 3)}`, n],
      ['HSET', `h${below(this.#random, 3)}`, `f${below(this.#random, 6)}`, n],
      ['DEL', `k${below(this.#random, 8)}`],
      ['PEXPIRE', `h${below(this.#random, 3)}`, '5000'],
    ].slice(below(this.#random, 4));
    const args = commands.map((command) => command.map((word) => Buffer.from(word)));
    executeArgs(this.#peer.keyspace, args, { now: this.#clock.now() });
    const deltas = this.#peer.outbox.takeDeltas(1e9);
    if (deltas === undefined) return;
    const merged = store.merge(deltas);
    if (!(merged instanceof Promise)) return;
    merged.catch(() => {});
  }

  #send(store: FileStore): void {
    const taken = store.outbox.take(200 + below(this.#random, 2000));
    if (taken === undefined) return;
    const { deltas } = taken;
    const after = below(this.#random, 3000);
    if (below(this.#random, 6) === 0) return; // never answered
    this.#clock.after(after, () => {
      if (this.#store !== store || this.#disk.isDown) return;
      this.#peer.merge(deltas);
      taken.accepted();
    });
  }

  async #rewrite(store: FileStore): Promise<void> {
    const before = store.logStats().rewrites;
    await store.rewrite();
    this.#exercised.rewrites += store.logStats().rewrites - before;
  }

  async #stop(): Promise<void> {
    const store = this.#store as FileStore;
    this.#disk.stopAt = Number.POSITIVE_INFINITY;
    const image = imageOf(store, 0);
    const { origin, id } = store;
    await this.#closed(store);
    await this.#open();
    this.#exercised.stops++;
    expect(textOf(imageOf(this.#store as FileStore, 0), this.#clock.time)).toBe(
      textOf(image, this.#clock.time),
    );
    expect(this.#store).toMatchObject({ origin, id });
    await this.#checkMarks();
  }

  async #closed(store: FileStore): Promise<void> {
    let isDone = false;
    const closing = store.close().then(() => {
      isDone = true;
    });
    while (!isDone) await this.#clock.advance(1);
    await closing;
    this.#clock.drop();
  }

  async #crash(): Promise<void> {
    const before = this.#store as FileStore;
    const { origin, id } = before;
    const images = this.#images;
    const what = below(this.#random, 3) === 0 ? 'process' : 'machine';
    const crashMs = this.#disk.isDown ? this.#answeredMs : this.#clock.time;
    this.#clock.drop();
    this.#disk = this.#disk.crash(this.#random, what);
    this.#exercised.crashes++;
    this.#clock.time += below(this.#random, 500);
    const safe = this.#safe;
    await this.#open();
    const store = this.#store as FileStore;
    const window = what === 'process' ? KILL_MS : MACHINE_MS;
    const now = this.#clock.time;
    const recovered = textOf(imageOf(store, 0), now);
    let found = images.length - 1;
    while (found >= 0 && textOf(images[found], now) !== recovered) found--;
    const least = Math.max(
      safe,
      images.findLastIndex(({ atMs }) => atMs <= crashMs - window),
    );
    expect({ isOneOfBefore: found >= 0, found: found >= least }).toEqual({
      isOneOfBefore: true,
      found: true,
    });
    if (found < images.length - 1) this.#exercised.lost++;
    expect(store.id).toBe(id);
    expect(store.origin).not.toBe(origin);
    await this.#checkMarks();
  }

  /** With what is marked the peer has everything that this site has. */
  async #checkMarks(): Promise<void> {
    const store = this.#store as FileStore;
    for (;;) {
      const taken = store.outbox.take(1e9);
      if (taken === undefined) break;
      this.#exercised.marked++;
      this.#peer.merge(taken.deltas);
      taken.accepted();
    }
    // What the crash took of the peer's own comes back from it, as by repair.
    const { deltas } = await this.#peer.states(KEYS, 1e9);
    void Promise.resolve(store.merge(deltas)).catch(() => {});
    this.#peer.freeExpired(this.#clock.time);
    store.embedded.freeExpired(this.#clock.time);
    for (const key of KEYS) {
      const missing = missingAt(this.#peer.stateOf(key), store.embedded.stateOf(key));
      expect({ key, missing }).toEqual({ key, missing: [] });
    }
    this.#images.push(imageOf(store, this.#clock.time));
  }
}

describe('a log store over random histories with crashes', () => {
  const exercised: Exercised = { crashes: 0, stops: 0, lost: 0, torn: 0, marked: 0, rewrites: 0 };
  const only = process.env['SEED'];
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)];
  it(`is what it was at a moment no older than its window (${seeds.length} seeds)`, async () => {
    for (const seed of seeds) {
      await new History(seed, exercised).run().catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      });
    }
    if (only !== undefined) return;
    expect(exercised.crashes).toBeGreaterThan(600);
    expect(exercised.stops).toBeGreaterThan(30);
    expect(exercised.lost).toBeGreaterThan(100);
    expect(exercised.marked).toBeGreaterThan(200);
    expect(exercised.rewrites).toBeGreaterThan(100);
  }, 120_000);
});
