// Visits slot after slot, each about once a minute, at one gateway of the site at a time: sends marks that were left behind, frees
// keys of which only a part expires, forgets.
import {
  type Clock,
  FORGET_MARGIN_MS,
  type Latin1,
  type Logger,
  messageOf,
  type Random,
  randomHex,
  sleep,
  STABLE_MS,
  type Timer,
} from '../../base/index.ts';
import { ClockGuard } from '../clock-guard.ts';
import type { Access } from './access.ts';
import { Gateways } from './gateways.ts';
import { parseHeader } from './header-text.ts';
import { itemsOf, textOf } from './held-key.ts';
import { type ForgetLimits, planForget, planFree } from './merge-plan.ts';
import type { Merging } from './merging.ts';
import type { RedisOutbox } from './outbox.ts';
import { type Walked, slotGroups, walkSlots } from './slot-walk.ts';
import { slotOf } from './slots.ts';
import type { StoreScripts } from './store-scripts.ts';

const LEASE_KEY = 'mqkv:walker';
/** Units: ms. The lease lasts this long, and is renewed every LEASE_STEP_MS. */
const LEASE_MS = 10_000;
const LEASE_STEP_MS = 3_000;
/** Units: ms. */
const STEP_MS = 100;
const ROUND_MS = 60_000;
/** Units: ms. How long the look at a start takes, about: a gateway killed and started again sends soon what it left. */
const FIRST_ROUND_MS = 5_000;
/** Units: ms. A horizon shorter than this is guarded as this: looks come late under load. */
const GUARDED_MS_MIN = 10 * 60_000;
/** Marks younger than this are their gateway's. Units: ms. */
const MARK_AGE_MS = 2_000;
/** Units: Unix ms after all versions. */
const EVER_MS = 2 ** 48;
/** Old tombstones of living keys are looked for once in so many rounds. */
const TIDY_ROUNDS = 30;

export interface WalkerOptions {
  readonly access: Access;
  readonly scripts: StoreScripts;
  readonly merging: Merging;
  /** undefined: no queue, nothing is marked. */
  readonly outbox: RedisOutbox | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Units: ms. */
  readonly horizonMs: number;
  /** Units: Unix ms; see `Store.stableBeforeMs`. Default: nothing is known. */
  readonly stableBeforeMs?: (() => number) | undefined;
  /** Present origin of the node of a slot. */
  readonly origin: (slot: number) => number;
  readonly partial: (key: Latin1, atMs: number) => void;
}

/** Counters for metrics. */
export interface WalkerStats {
  readonly rounds: number;
  readonly resent: number;
  readonly freed: number;
  readonly forgotten: number;
  /** This gateway walks. */
  readonly isWalking: boolean;
}

/** One gateway's walker. */
export class Walker {
  readonly #options: WalkerOptions;
  readonly #id: string;
  readonly #groups: readonly (readonly number[])[];
  /** Headers that showed nothing when this gateway looked last, by group. */
  readonly #tombstones: Int32Array;
  readonly #gateways: Gateways;
  readonly #timers: readonly Timer[];
  #guard: ClockGuard | undefined;
  /** Redis' clock is not believed: nothing is forgotten. */
  #isUnsure = false;
  readonly #closing = new AbortController();
  #isHolder = false;
  #isBusy = false;
  #next = 0;
  #owed = 0;
  #rounds = 0;
  #resent = 0;
  #freed = 0;
  #forgotten = 0;

  constructor(options: WalkerOptions) {
    this.#options = options;
    this.#id = randomHex(options.random, 8);
    this.#groups = slotGroups(options.access.isCluster);
    this.#tombstones = new Int32Array(this.#groups.length);
    const { clock, access } = options;
    this.#gateways = new Gateways(access, clock, this.#id);
    this.#timers = [
      clock.every(LEASE_STEP_MS, () => void this.#beat()),
      clock.every(STEP_MS, () => void this.#step()),
    ];
    void this.#beat();
    if (options.outbox !== undefined)
      void sleep(clock, MARK_AGE_MS, this.#closing.signal).then(() => this.#look());
  }

  stats(): WalkerStats {
    return {
      rounds: this.#rounds,
      resent: this.#resent,
      freed: this.#freed,
      forgotten: this.#forgotten,
      isWalking: this.#isHolder,
    };
  }

  /** Headers that show nothing; undefined: this gateway does not walk, or has not seen all yet. */
  get tombstones(): number | undefined {
    if (!this.#isHolder || this.#rounds === 0) return undefined;
    return this.#tombstones.reduce((sum, count) => sum + count, 0);
  }

  /** Nothing is held any more. */
  clear(): void {
    this.#tombstones.fill(0);
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers) timer.cancel();
    this.#gateways.leave();
    if (this.#isHolder) this.#options.access.call(slotOf(LEASE_KEY), ['DEL', LEASE_KEY]).catch(() => {});
    this.#isHolder = false;
  }

  /** One whole round now, whoever holds the lease and whatever the clock did. */
  async round(): Promise<void> {
    for (let i = 0; i < this.#groups.length; i++) await this.#visit(i, '1', { isForgetting: true });
    this.#rounds++;
  }

  /** Every mark, however young, becomes pending at this gateway. Errors: those of the access. */
  async findMarks(): Promise<void> {
    for (let i = 0; i < this.#groups.length; i++)
      await this.#visit(i, '0', { isForgetting: false, youngerMs: EVER_MS });
  }

  /**
   * A quick round beside the others, after the start, whoever holds the lease: this gateway may have been killed with marks unsent;
   * and when another gateway was killed.
   */
  async #look(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#closing;
    const step = Math.ceil((this.#groups.length * STEP_MS) / FIRST_ROUND_MS);
    try {
      for (let from = 0; from < this.#groups.length && !signal.aborted; from += step) {
        const end = Math.min(from + step, this.#groups.length);
        for (let i = from; i < end; i++) await this.#visit(i, '0');
        await sleep(clock, STEP_MS, signal);
      }
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'a look for marks ends early, the walker looks later');
    }
  }

  /** Every LEASE_STEP_MS. */
  async #beat(): Promise<void> {
    await this.#lease();
    try {
      await this.#gateways.beat();
      await this.#checkClock();
      if (!this.#isHolder || this.#closing.signal.aborted || (await this.#gateways.killed()) === 0) return;
    } catch {
      return; // Redis is away: later.
    }
    this.#options.logger.info(
      {},
      'another gateway of this Redis was killed: looking for what it left to be sent',
    );
    if (this.#options.outbox !== undefined) await this.#look();
  }

  async #checkClock(): Promise<void> {
    const { access, horizonMs, logger } = this.#options;
    const [seconds] = itemsOf(await access.call(slotOf(LEASE_KEY), ['TIME'], { isRead: true }));
    const now = Number(textOf(seconds)) * 1000;
    this.#guard ??= new ClockGuard(now, Math.max(horizonMs, GUARDED_MS_MIN));
    const isUnsure = !this.#guard.believes(now, LEASE_STEP_MS);
    if (isUnsure && !this.#isUnsure)
      logger.warn({}, "Redis' clock has jumped ahead: nothing is forgotten for now");
    this.#isUnsure = isUnsure;
  }

  /** Takes or renews the lease. */
  async #lease(): Promise<void> {
    const { access } = this.#options;
    const slot = slotOf(LEASE_KEY);
    try {
      const taken = await access.call(slot, ['SET', LEASE_KEY, this.#id, 'NX', 'PX', String(LEASE_MS)]);
      if (taken.kind === 'simple') {
        this.#isHolder = true;
        return;
      }
      this.#isHolder =
        textOf(await access.call(slot, ['GETRANGE', LEASE_KEY, '0', '-1'], { isRead: true })) === this.#id;
      if (this.#isHolder) await access.call(slot, ['PEXPIRE', LEASE_KEY, String(LEASE_MS)]);
    } catch {
      this.#isHolder = false;
    }
  }

  /** As many groups as the time since the last step is worth. */
  async #step(): Promise<void> {
    if (!this.#isHolder || this.#isBusy) return;
    this.#isBusy = true;
    this.#owed = Math.min(this.#owed + (this.#groups.length * STEP_MS) / ROUND_MS, 64);
    try {
      for (; this.#owed >= 1; this.#owed--) {
        await this.#visit(this.#next, this.#rounds % TIDY_ROUNDS === 0 ? '1' : '0');
        this.#next = (this.#next + 1) % this.#groups.length;
        if (this.#next === 0) this.#rounds++;
      }
    } catch (error) {
      this.#options.logger.debug({ error: messageOf(error) }, 'the walker waits for Redis');
    } finally {
      this.#isBusy = false;
    }
  }

  async #visit(
    group: number,
    tidy: '0' | '1',
    { isForgetting = !this.#isUnsure, youngerMs }: { isForgetting?: boolean; youngerMs?: number } = {},
  ): Promise<void> {
    const { access, scripts, clock } = this.#options;
    const now = clock.now();
    const beforeMs = isForgetting ? this.#limits(now).beforeMs : 0;
    const what = { youngerMs: youngerMs ?? now - MARK_AGE_MS, beforeMs, tidy } as const;
    let tombstones = 0;
    const shownNothing = (count: number): void => {
      tombstones += count;
    };
    const slots = this.#groups[group] ?? [];
    for await (const page of walkSlots(access, scripts.walk, { slots, what, shownNothing }))
      await this.#help(page);
    this.#tombstones[group] = tombstones;
  }

  /** What may be forgotten: what is older than the horizon, or stable everywhere and older than STABLE_MS. */
  #limits(now: number): ForgetLimits {
    const { horizonMs, stableBeforeMs } = this.#options;
    const stable = stableBeforeMs?.() ?? 0;
    const early = stable > 0 ? Math.min(now - STABLE_MS - FORGET_MARGIN_MS, stable) : 0;
    const seenBeforeMs = Math.max(0, now - horizonMs);
    return { beforeMs: Math.max(seenBeforeMs, early), seenBeforeMs };
  }

  async #help(page: readonly Walked[]): Promise<void> {
    const { merging } = this.#options;
    const fired: Latin1[] = [];
    const old: Latin1[] = [];
    for (const { key, need, header } of page) {
      if (need === 'm') this.#resend(key);
      else if (need === 'f') fired.push(key);
      else if (need === '@') this.#options.partial(key, parseHeader(header).expiryAt);
      else if (need === 'o' || need === 't') old.push(key);
    }
    if (fired.length > 0) this.#freed += await merging.alter(fired, planFree);
    if (old.length > 0)
      // By Redis' clock: this gateway's may be days ahead.
      this.#forgotten += await merging.alter(old, (held, now) => planForget(held, now, this.#limits(now)));
  }

  #resend(key: Latin1): void {
    const { outbox, origin } = this.#options;
    if (outbox === undefined) return;
    this.#resent++;
    outbox.found(key, origin(slotOf(key)));
  }
}
