// The sites of one golden case: real store, command table and replication, on clocks that the case sets.
import {
  bytesOf,
  type Clock,
  HORIZON_MS,
  type Latin1,
  latin1Of,
  type Logger,
  silentLogger,
} from '../../src/base/index.ts';
import {
  DeltaWriter,
  digest,
  encodeDelta,
  type KeyState,
  shownAt,
  shownTtlAt,
  shownType,
  shownValue,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_OTHER,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
} from '../../src/crdt/index.ts';
import {
  encodeEnvelope,
  encodeSection,
  Receiver,
  SECTION_DELTAS,
  Streams,
} from '../../src/replication/index.ts';
import { type CaseStore, openEmbeddedCaseStore, type OpenCaseStore } from './site.ts';

/** Units: ms. Where all clocks start, and how far one may be off. */
const START_MS = 1_200_000;
const SKEW_MS_MAX = 600_000;

/** A site of the case. */
interface Site {
  readonly clock: CaseClock;
  readonly store: CaseStore;
  readonly receiver: Receiver;
  readonly had: Set<number>;
}

/** The delta that a command line made; `message` undefined: it changed nothing. */
interface Made {
  readonly site: number;
  readonly message: Buffer | undefined;
}

class CaseClock implements Clock {
  static readonly nothing = { cancel: () => {} };
  skewMs = 0;
  readonly #world: { readonly trueMs: number };
  constructor(world: { readonly trueMs: number }) {
    this.#world = world;
  }
  now(): number {
    return this.#world.trueMs + this.skewMs;
  }
  after(): { cancel(): void } {
    return CaseClock.nothing;
  }
  every(): { cancel(): void } {
    return CaseClock.nothing;
  }
}

/** All sites of one case. */
export class World {
  trueMs = START_MS;
  #latestShownMs = START_MS;
  #sites: readonly Site[] = [];
  readonly #made: Made[] = [];

  private constructor() {}

  /** Opens a case's sites; by default all in this process' memory. */
  static async open(
    sites: number,
    open: OpenCaseStore = openEmbeddedCaseStore,
    logger: Logger = silentLogger,
  ): Promise<World> {
    const world = new World();
    const opened: Site[] = [];
    for (let index = 0; index < sites; index++) opened.push(await openSite(world, index, { open, logger }));
    world.#sites = opened;
    return world;
  }

  async close(): Promise<void> {
    for (const { store } of this.#sites) await store.close();
  }

  /** Runs the commands of one line as one unit. Errors: Error for a command that no site would understand. */
  async command(index: number, commands: readonly (readonly string[])[]): Promise<void> {
    const site = await this.#siteNow(index);
    const args = commands.map((command) => command.map((word) => Buffer.from(word)));
    const replies = await site.store.run(args, site.clock.now());
    const broken = replies
      .toString('latin1')
      .match(/(?:^|\n)-ERR (unknown command|unknown subcommand|'[^']*' is not)[^\r]*/);
    if (broken) throw new Error(broken[0].trim());
    const number = this.#made.length + 1;
    const deltas = await site.store.take();
    this.#made.push({ site: index, message: deltas === undefined ? undefined : seal(index, number, deltas) });
    site.had.add(number);
  }

  /** The delta of the n-th command line reaches a site. */
  async deliver(number: number, to: number): Promise<void> {
    const made = this.#made[number - 1];
    if (made === undefined) throw new Error(`d${number}: there is no such command line yet`);
    const site = await this.#siteNow(to);
    site.had.add(number);
    if (made.site !== to && made.message !== undefined) await site.receiver.apply(made.message);
  }

  /** All deltas that one site has made so far reach another. */
  async deliverAll(from: number, to: number): Promise<void> {
    for (const [index, made] of this.#made.entries())
      if (made.site === from) await this.deliver(index + 1, to);
  }

  /** Every site gets every delta that it has not had, in the order they were made. */
  async sync(): Promise<void> {
    for (let number = 1; number <= this.#made.length; number++) {
      for (const [index, site] of this.#sites.entries())
        if (!site.had.has(number)) await this.deliver(number, index);
    }
  }

  /** Anti-entropy between all pairs until nothing differs. Errors: Error when it does not end. */
  async repair(): Promise<void> {
    for (const index of this.#sites.keys()) await this.#siteNow(index);
    for (let round = 0; round < 64; round++) {
      let differences = 0;
      for (const [i, left] of this.#sites.entries()) {
        for (const right of this.#sites.slice(i + 1))
          differences += await repairPair(left, right, this.#latestShownMs);
      }
      if (differences === 0) return;
    }
    throw new Error('repair does not come to an end');
  }

  pass(ms: number): void {
    this.trueMs += ms;
    this.#note();
  }

  jump(index: number, ms: number): void {
    const { clock } = this.#site(index);
    clock.skewMs = Math.max(-SKEW_MS_MAX, Math.min(SKEW_MS_MAX, clock.skewMs + ms));
    this.#note();
  }

  async free(index: number): Promise<void> {
    const { store, clock } = await this.#siteNow(index);
    await store.freeExpired(clock.now());
  }

  /** What a site shows of a key, in the case language. */
  async view(index: number, key: string): Promise<string> {
    const { store, clock } = await this.#siteNow(index);
    const held = await store.stateOf(latin1Of(Buffer.from(key)));
    if (held === undefined) return '-';
    const now = clock.now();
    const state = shownAt(held, now);
    const type = shownType(held, now);
    if (type === 0) return '-';
    const fields: [string, unknown][] = [];
    for (const [field, register] of state.registers.get(type) ?? []) {
      const value = shownValue(register, type);
      if (value !== undefined)
        fields.push([
          textOf(field),
          typeof value === 'string'
            ? textOf(value)
            : Buffer.isBuffer(value)
              ? value.toString()
              : type === TYPE_SET
                ? 1
                : value,
        ]);
    }
    const ttlAt = shownTtlAt(held, now);
    return viewText(NAMES[type], fields, ttlAt === 0 ? undefined : ttlAt - now);
  }

  get sites(): number {
    return this.#sites.length;
  }

  #site(index: number): Site {
    const site = this.#sites[index];
    if (site === undefined) throw new Error(`there is no site s${index}`);
    return site;
  }

  /** The site, its store's clock set. */
  async #siteNow(index: number): Promise<Site> {
    const site = this.#site(index);
    await site.store.setNow(site.clock.now());
    return site;
  }

  #note(): void {
    for (const { clock } of this.#sites) this.#latestShownMs = Math.max(this.#latestShownMs, clock.now());
  }
}

const NAMES = {
  [TYPE_STRING]: 'string',
  [TYPE_HASH]: 'hash',
  [TYPE_SET]: 'set',
  [TYPE_ZSET]: 'zset',
  [TYPE_LIST]: 'list',
  [TYPE_STREAM]: 'stream',
  [TYPE_OTHER]: 'other',
} as const;

function textOf(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}

/** A view as the case language writes it, fields in code-unit order. */
export function viewText(
  type: string,
  fields: readonly (readonly [string, unknown])[],
  ttlMs: number | undefined,
): string {
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : 1));
  const body = sorted.map(
    ([field, value]) =>
      `${JSON.stringify(field)}:${typeof value === 'number' ? numberText(value) : JSON.stringify(value)}`,
  );
  return `${type} {${body.join(',')}}${ttlMs === undefined ? '' : ` ttl ${ttlMs}`}`;
}

/** JSON has no infinite numbers: `null` stands for both. */
function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}

async function openSite(
  world: World,
  index: number,
  { open, logger }: { readonly open: OpenCaseStore; readonly logger: Logger },
): Promise<Site> {
  const clock = new CaseClock(world);
  const store = await open(index, { clock, origin: index + 1, logger });
  const horizonMs = HORIZON_MS;
  const receiver = new Receiver({
    site: `s${index}`,
    store: store.store,
    clock,
    logger,
    horizonMs,
    streams: new Streams({
      clock,
      horizonMs,
      onLost: () => {},
    }),
    onPublish: () => {},
    onHeartbeat: () => {},
  });
  return { clock, store, receiver, had: new Set() };
}

function seal(site: number, sequence: number, deltas: Buffer): Buffer {
  const header = {
    site: `s${site}`,
    origin: site + 1,
    // A loose one: cases deliver a delta again under the same number.
    stream: '00000000000000aa',
    sequence,
    timeMs: 0,
    fragment: 0,
    fragments: 1,
  };
  return encodeEnvelope(header, encodeSection({ kind: SECTION_DELTAS, bytes: deltas }));
}

/** Exchanges the keys that differ. Result: how many did. */
async function repairPair(left: Site, right: Site, atMs: number): Promise<number> {
  const keys = new Set([...(await left.store.allKeys()), ...(await right.store.allKeys())]);
  let differences = 0;
  for (const key of keys) {
    const [a, b] = [await left.store.stateOf(key), await right.store.stateOf(key)];
    if (digestOf(a, atMs) === digestOf(b, atMs)) continue;
    differences++;
    const forRight = a === undefined ? undefined : whole(key, a);
    if (b !== undefined) await left.store.store.merge(whole(key, b));
    if (forRight !== undefined) await right.store.store.merge(forRight);
  }
  return differences;
}

function digestOf(state: KeyState | undefined, atMs: number): string {
  return state === undefined ? '' : digest(state, atMs);
}

function whole(key: Latin1, state: KeyState): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf(key), state, 'whole');
  return Buffer.from(writer.bytes());
}
