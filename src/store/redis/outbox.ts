// The outbox of a Redis store: what this gateway wrote, and what the walker found, as deltas of what it is by then.
//
// 1. A mark in Redis goes only after the queue has accepted a delta of the very state that bears it (unmarking.ts).
// 2. What is taken and not accepted stays marked in Redis; `failed` forgets it here, the walker finds it again.
// 3. What could not be read is remembered on.
// 4. After the store went back (failover to a replica that lacked something, an old RDB) plain SETs that lie here as bytes are sent
//    all the same, and merged into the store again first: it may have lost them.
import { bytesOf, type Clock, isWithin, type Latin1, type Logger, messageOf } from '../../base/index.ts';
import { type DeltaFields, DeltaWriter, encodeDelta, type ValueType } from '../../crdt/index.ts';
import type { Outbox, Taken } from '../store.ts';
import type { Access } from './access.ts';
import { coreOf } from './header-text.ts';
import { type HeldKey, readKeys, stateOfHeld } from './held-key.ts';
import { type PendingWrite, PendingWrites } from './pending-writes.ts';
import { glance } from './register-text.ts';
import { slotOf } from './slots.ts';
import { SlowKeys } from './slow-keys.ts';
import { markAgain } from './remarking.ts';
import { splitName } from './state-text.ts';
import type { StoreScripts } from './store-scripts.ts';
import { type SentMark, Unmarking } from './unmarking.ts';
import type { NotedSet } from './noted-set.ts';
import type { NotedWrite, WriteListener } from './write-replies.ts';

/** Keys of one taking. */
const TAKE_KEYS_MAX = 4096;
/** Keys of one reading: it must not hold up Redis. */
const READ_KEYS_MAX = 256;
/** Units: ms between two tries to read while Redis is away. */
const PAUSE_MS = 250;
const WHOLE = 42;
const PARTIAL = 64;
const PUBLISHED = 33;

export interface RedisOutboxOptions {
  readonly access: Access;
  readonly scripts: StoreScripts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A write touched these keys. */
  readonly written: (keys: readonly Latin1[]) => void;
  /** Whether somebody wants to be told. Default: yes. */
  readonly isHeard?: (() => boolean) | undefined;
  /** A part of the key expires by itself at that time. Units: Unix ms. */
  readonly partial: (key: Latin1, atMs: number) => void;
  /** Present origin of the node of a slot. Default: 1. */
  readonly origin?: ((slot: number) => number) | undefined;
  /** Merges deltas into the own store. Default: nothing. */
  readonly restore?: ((deltas: Buffer) => Promise<unknown>) | undefined;
  /** There is a queue: writes are remembered. Default true. */
  readonly isKeeping?: boolean | undefined;
  /** Units: bytes, for tests. */
  readonly pendingBytesMax?: number | undefined;
}

/** What one taking made of the keys. */
interface Encoded {
  readonly deltas: Buffer;
  readonly marks: readonly SentMark[];
}

const NOTHING: Encoded = { deltas: Buffer.alloc(0), marks: [] };

export class RedisOutbox implements Outbox, WriteListener {
  onMark: (() => void) | undefined;
  /** A script has published a message: this site's subscribers have it, the others do not. Owns: the callee. */
  onPublished: ((channel: Latin1, message: Buffer) => void) | undefined;
  readonly #options: RedisOutboxOptions;
  #writes: PendingWrites;
  readonly #unmarking: Unmarking;
  readonly #slow: SlowKeys;
  /** The store may lack what lies here. */
  #isAhead = false;
  /** Units: Unix ms; nothing is taken before. */
  #pausedUntilMs = 0;

  constructor(options: RedisOutboxOptions) {
    this.#options = options;
    this.#writes = new PendingWrites(options.pendingBytesMax);
    this.#unmarking = new Unmarking(options.access, options.scripts.unmark, options);
    this.#slow = new SlowKeys(options.clock, (key, version) => {
      this.#writes.add([{ key, what: 'whole' }], version);
      this.#marked();
    });
  }

  get pending(): number {
    return this.#writes.size + this.#slow.size;
  }

  get pendingBytes(): number {
    return this.#writes.bytes;
  }

  /** Writes not remembered here for want of room; the walker sends them. */
  get dropped(): number {
    return this.#writes.dropped;
  }

  /** Hot: a plain SET of this gateway. */
  set(noted: NotedSet): void {
    if (this.#options.isKeeping !== false) this.#writes.set(noted);
    if (this.#options.isHeard?.() ?? true) this.#options.written([noted.key.toString('latin1')]);
    this.#marked();
  }

  /** Any other write of this gateway. */
  write({ version, touched }: NotedWrite): void {
    const writes = touchedOf(touched);
    for (const { key, message } of writes) if (message !== undefined) this.onPublished?.(key, message);
    const keys = writes.filter(({ at, message }) => at === 0 && message === undefined);
    if (keys.length === 0) return;
    if (this.#options.isKeeping !== false && !this.#isHeld(keys, version)) this.#writes.add(keys, version);
    for (const { key, at } of writes) if (at !== 0) this.#options.partial(key, at);
    this.#options.written(keys.map(({ key }) => key));
    this.#marked();
  }

  /** One large key, written as a whole so soon after it was sent that it must wait. */
  #isHeld([first, ...others]: readonly Touched[], version: Latin1): boolean {
    if (first === undefined || others.length > 0 || !isWhole(first.what)) return false;
    return this.#slow.holds(first.key, version);
  }

  /** A marked key that nobody has sent (the walker); what is not remembered already is sent whole. */
  found(key: Latin1, origin: number): void {
    const version = '0'.repeat(16) + hex(origin);
    if (!this.#writes.has(key) && !this.#slow.holds(key, version))
      this.#writes.add([{ key, what: 'whole' }], version);
    this.#marked();
  }

  /** Marks whole keys in Redis, and sends them. Errors: those of the access; then some are marked, and the walker sends them. */
  async remark(keys: readonly Latin1[]): Promise<void> {
    const { access, scripts, isKeeping, origin } = this.#options;
    if (isKeeping === false) return;
    const writes = this.#writes;
    for (const key of await markAgain(access, scripts.mark, keys)) {
      if (writes !== this.#writes) return;
      const version = '0'.repeat(16) + hex(origin?.(slotOf(key)) ?? 1);
      if (!this.#slow.holds(key, version)) this.#writes.add([{ key, what: 'whole' }], version);
    }
    this.#marked();
  }

  /** Forgets all that is not sent: the site has discarded its data. */
  clear(): void {
    this.#writes = new PendingWrites(this.#options.pendingBytesMax);
    this.#slow.close();
  }

  #marked(): void {
    if (this.#writes.size > 0) this.onMark?.();
  }

  async take(maxBytes: number): Promise<Taken | undefined> {
    if (isWithin(this.#options.clock, this.#pausedUntilMs, PAUSE_MS)) return undefined;
    const taken = this.#writes.take(maxBytes, TAKE_KEYS_MAX);
    if (taken === undefined) return undefined;
    const { origin, deltas: plain, writes } = taken;
    if (this.#isAhead) await this.#restore(plain);
    const { deltas, marks } = await this.#encode(writes).catch((error: unknown) => {
      this.#putBack(writes);
      if (plain.length === 0) throw error;
      return NOTHING;
    });
    return {
      origin,
      deltas: deltas.length === 0 ? plain : plain.length === 0 ? deltas : Buffer.concat([plain, deltas]),
      accepted: () => {
        this.#unmarking.addPlain(plain);
        this.#unmarking.add(marks);
      },
      failed: () => {},
    };
  }

  /** The store is not what it was when the writes were acknowledged. */
  wentBack(): void {
    this.#isAhead = this.#writes.size > 0;
  }

  /** Invariant 4. Where it fails, the sites that are sent the deltas have them. */
  async #restore(plain: Buffer): Promise<void> {
    if (this.#writes.size === 0) this.#isAhead = false;
    if (plain.length === 0) return;
    await this.#options.restore?.(plain).catch((error: unknown) => {
      this.#options.logger.debug({ error: messageOf(error) }, 'what the store lost is not restored here');
    });
  }

  /** Redis could not be read: later, each key by itself. */
  #putBack(writes: readonly PendingWrite[]): void {
    for (const { key, what, version } of writes)
      this.#writes.add([{ key, what: what === 'whole' ? what : [...what] }], version);
    this.#pausedUntilMs = this.#options.clock.now() + PAUSE_MS;
  }

  /** Nothing is kept back any more. */
  close(): Promise<void> {
    this.#slow.close();
    return this.settled();
  }

  /** Marks accepted so far have been taken away, or could not be. */
  settled(): Promise<void> {
    return this.#unmarking.flush();
  }

  async #encode(writes: readonly PendingWrite[]): Promise<Encoded> {
    if (writes.length === 0) return NOTHING;
    const marks: SentMark[] = [];
    const held = await this.#read(writes);
    // Another gateway has changed the expiry: then all of the key is to be sent, by whoever comes first.
    const partly = writes.filter(({ key }) => isPartOfWhole(held.get(key)));
    const rest = await this.#read(partly.map((write) => ({ ...write, what: 'whole' })));
    for (const [key, found] of rest) held.set(key, found);
    const writer = new DeltaWriter();
    for (const { key, what } of writes) {
      const found = held.get(key);
      if (found?.headerText === undefined) continue;
      const from = writer.length;
      encodeDelta(writer, bytesOf(key), stateOfHeld(found), fieldsOf(found, what));
      if (isWhole(what === 'whole' ? what : [...what])) this.#slow.sent(key, writer.length - from);
      marks.push(markOf(found));
    }
    return { deltas: Buffer.from(writer.bytes()), marks };
  }

  async #read(writes: readonly PendingWrite[]): Promise<Map<Latin1, HeldKey>> {
    const { access, scripts } = this.#options;
    const open = new Map<number, PendingWrite[]>();
    const parts: PendingWrite[][] = [];
    for (const write of writes) {
      const slot = access.isCluster ? slotOf(write.key) : 0;
      const part = open.get(slot) ?? [];
      if (part.length === 0) parts.push(part);
      part.push(write);
      if (part.length < READ_KEYS_MAX) open.set(slot, part);
      else open.delete(slot);
    }
    const found = new Map<Latin1, HeldKey>();
    await Promise.all(
      parts.map(async (part) => {
        const asked = part.map(({ key, what }) => ({
          key,
          names: what === 'whole' ? ('all' as const) : [...what],
        }));
        for (const held of (await readKeys(access, scripts.read, asked)).keys) found.set(held.key, held);
      }),
    );
    return found;
  }
}

function isPartOfWhole(held: HeldKey | undefined): boolean {
  return held !== undefined && !held.isAll && (held.header?.flags.includes('w') ?? false);
}

/** Which registers the delta carries: those asked for, and the marked ones that were read along. */
function fieldsOf(held: HeldKey, what: PendingWrite['what']): DeltaFields {
  if (what === 'whole' || (held.header?.flags.includes('w') ?? false)) return 'whole';
  const fields: [ValueType, Latin1][] = [];
  for (const [name, { text }] of held.registers)
    if (text !== undefined && (what.has(name) || glance(text).marked)) fields.push(splitName(name));
  const inline = held.header?.register;
  if (inline !== undefined) fields.push([Number(inline.charAt(0)) as ValueType, '']);
  return fields;
}

function markOf(held: HeldKey): SentMark {
  const registers: [Latin1, Latin1][] = [];
  for (const [name, { text }] of held.registers)
    if (text !== undefined && glance(text).marked) registers.push([name, text]);
  const isMarked = held.header?.marked ?? false;
  return { key: held.key, core: isMarked ? coreOf(held.headerText ?? '') : '', registers };
}

interface Touched {
  readonly key: Latin1;
  readonly what: 'whole' | readonly Latin1[];
  /** Units: Unix ms; not 0: no write, but a part that expires alone. */
  readonly at: number;
  /** No write, but a message published to the channel `key`. */
  readonly message?: Buffer;
}

/** The elements behind a unit's version: key ("*" | n field*n | "@" at), channel "!" message. */
function touchedOf(touched: readonly Buffer[]): Touched[] {
  const found: Touched[] = [];
  for (let i = 0; i < touched.length; ) {
    const key = text(touched[i]);
    const what = touched[i + 1];
    i += 2;
    if (what?.[0] === WHOLE) found.push({ key, what: 'whole', at: 0 });
    else if (what?.[0] === PARTIAL) found.push({ key, what: [], at: Number(text(touched[i++])) });
    else if (what?.[0] === PUBLISHED)
      found.push({ key, what: [], at: 0, message: Buffer.from(touched[i++] ?? '') });
    else {
      const count = Number(text(what));
      found.push({ key, what: touched.slice(i, i + count).map(text), at: 0 });
      i += count;
    }
  }
  return found;
}

/** All of the key, or the one register that strings, lists, streams and other values have. */
function isWhole(what: Touched['what']): boolean {
  return what === 'whole' || what.every((name) => '1567'.includes(name));
}

function hex(origin: number): Latin1 {
  return origin.toString(16).padStart(8, '0');
}

function text(bytes: Buffer | undefined): Latin1 {
  return bytes?.toString('latin1') ?? '';
}
