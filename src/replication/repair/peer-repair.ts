// When this site compares with which other one, and what follows from it.
//
// Invariants
//  W1  A wish ends when a comparison that began after it has succeeded, asked by either side, or when its site is silent: it is
//      `linked` anew when it is heard again.
//  W2  What was old and differed may be missing at others, too: they are compared with next, by both sides.
//  W3  Marks that the outbox dropped (`collapsed`) are given back to it unless every site heard has been compared with.
import { setMaxListeners } from 'node:events';
import {
  below,
  type Clock,
  MqkvError,
  messageOf,
  openScope,
  type Scope,
  type Timer,
} from '../../base/index.ts';
import type { Member } from '../membership.ts';
import type { Repair, RepairContext, RepairReason, RepairStats } from '../repair-hooks.ts';
import { type Compared, compareWith } from './comparing.ts';
import type { PeerWork } from './peer-work.ts';
import type { Outcome } from './wire.ts';
import { isLacking, isThorough, type Wish, Wishes } from './wishes.ts';

/** Units: ms between two looks at the wishes. */
const TICK_MS = 250;
/** Units: ms from a wish to its comparison; a little of it by chance. */
const SOON_MS = 1_000;
/** Units: ms. Of several sites that see one come back, that one asks first, and the others find nothing left to do. */
const OTHERS_FIRST_MS = 12_000;
/** Units: ms from a comparison that brought old things to those with others, and between two such. */
const LEARNED_MS = 3_000;
const LEARNED_PAUSE_MS = 60_000;
/** Units: ms between comparisons with some site without a reason, at most; at least so many in a horizon, before which what nobody misses is to come. */
const SLOW_MS = 10 * 60_000;
const SLOW_IN_HORIZON = 2;
/** Units: ms before a comparison that failed is tried again; the first and the longest. */
const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 60_000;
/** A site heard for less than this is as new as this one. Units: ms. */
const NEW_MS = 5_000;

/** Repair of one site. */
export class PeerRepair implements Repair {
  readonly work: PeerWork;
  readonly #context: RepairContext;
  readonly #clock: Clock;
  readonly #scope: Scope;
  readonly #timer: Timer;
  readonly #wishes = new Wishes();
  readonly #slowEveryMs: number;
  /** Wanted with any site, while none is heard. */
  #anyone: RepairReason | undefined;
  /** All others are to be compared; those heard later count as `linked` anyway. */
  #slowMs: number;
  #collapsed: Uint8Array | undefined;
  #collapsedLeft = new Set<string>();
  #isAsking = false;
  #learnedMs = 0;
  /** When stores were heard first, for W1's order. */
  readonly #heardSinceMs = new Map<string, number>();
  #rounds = 0;
  #failures = 0;
  #keysPulled = 0;
  #keysPushed = 0;
  #slotsDiffering = 0;
  #lastRoundMs = 0;

  constructor(work: PeerWork) {
    this.work = work;
    this.#context = work.context;
    this.#clock = work.context.clock;
    const { logger } = work.context;
    this.#scope = openScope((error) => logger.error({ error: messageOf(error) }, 'repair ended'));
    // One listener a request or wait under way.
    setMaxListeners(0, this.#scope.signal);
    this.#slowEveryMs = Math.min(SLOW_MS, Math.floor(work.context.horizonMs / SLOW_IN_HORIZON));
    this.#slowMs = this.#clock.now() + this.#slowPauseMs();
    this.#timer = this.#clock.every(TICK_MS, () => this.#tick());
    work.onCompared = (storeId, outcome, sinceMs) => this.#compared(storeId, outcome, sinceMs);
    work.isLacking = () => this.pending > 0;
    work.mayHaveGoneBack = () => this.#mayHaveGoneBack;
  }

  get pending(): number {
    const held = this.#wishes.all().filter(isLacking).length;
    return held + (this.#anyone === undefined ? 0 : 1);
  }

  /** What it sent may be gone here, and is not compared yet. */
  get #mayHaveGoneBack(): boolean {
    const reasons = this.#wishes.all().flatMap((wish) => [...wish.reasons]);
    return [...reasons, this.#anyone].some((reason) => reason === 'origin' || reason === 'lost');
  }

  get isLinking(): boolean {
    return this.#wishes.all().some(({ reasons }) => reasons.has('linked'));
  }

  want(reason: RepairReason, storeId?: string): void {
    if (this.#scope.signal.aborted) return;
    if (reason === 'linked') return this.#wantLinked(storeId ?? '');
    const now = this.#clock.now();
    const named = storeId === undefined ? undefined : this.#member(storeId);
    if (reason === 'collapsed') this.#takeCollapsed();
    const members =
      reason === 'collapsed' || reason === 'origin'
        ? this.work.heard
        : named === undefined
          ? this.#complete
          : [named];
    if (members.length === 0) {
      if (reason === 'collapsed') this.#giveBack();
      else this.#anyone = reason;
    }
    const slots = reason === 'collapsed' ? this.#collapsed : undefined;
    members.forEach((member, i) => {
      const dueMs = now + SOON_MS + i * TICK_MS + below(this.#context.random, SOON_MS);
      this.#wishes.add(member.storeId, { reason, dueMs, sinceMs: now, slots });
      if (reason === 'collapsed') this.#collapsedLeft.add(member.storeId);
    });
  }

  stats(): RepairStats {
    const { repair, bootstrap } = this.work.asking.traffic;
    return {
      rounds: this.#rounds,
      failures: this.#failures,
      keysPulled: this.#keysPulled,
      keysPushed: this.#keysPushed,
      slotsDiffering: this.#slotsDiffering,
      bytesSent: repair.bytesSent,
      bytesReceived: repair.bytesReceived,
      bootstrapBytesSent: bootstrap.bytesSent,
      bootstrapBytesReceived: bootstrap.bytesReceived,
      lastRoundMs: this.#lastRoundMs,
    };
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    this.work.close();
    this.#giveBack();
    await this.#scope.close();
  }

  get #complete(): readonly Member[] {
    return this.work.heard.filter(({ complete, loading }) => complete && !loading);
  }

  #member(storeId: string): Member | undefined {
    return this.work.heard.find((member) => member.storeId === storeId);
  }

  /** The one that comes, or comes back, asks; of two that do not know each other the one with the smaller id. */
  #wantLinked(storeId: string): void {
    const now = this.#clock.now();
    const others = this.work.heard.filter((member) => member.storeId !== storeId);
    const isOld = others.some((member) => now - (this.#heardSinceMs.get(member.storeId) ?? now) > NEW_MS);
    this.#heardSinceMs.set(storeId, now);
    const order = this.#context.store.id < storeId ? 0 : 2 * SOON_MS;
    const waitMs = (isOld ? OTHERS_FIRST_MS : order) + SOON_MS + below(this.#context.random, SOON_MS);
    this.#wishes.add(storeId, { reason: 'linked', dueMs: now + waitMs, sinceMs: now, slots: undefined });
  }

  #takeCollapsed(): void {
    this.#giveBack();
    const { outbox } = this.#context.store;
    this.#collapsed = outbox.takeCollapsed?.();
  }

  /** W3. */
  #giveBack(): void {
    if (this.#collapsed !== undefined) this.#context.store.outbox.collapse?.(this.#collapsed);
    this.#collapsed = undefined;
    this.#collapsedLeft.clear();
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#forgetSilent();
    if (this.#anyone !== undefined && this.#complete.length > 0) {
      const reason = this.#anyone;
      this.#anyone = undefined;
      this.want(reason);
    }
    this.#wantSlowly(now);
    if (this.#isAsking || !this.work.isReady) return;
    const due = this.#wishes
      .all()
      .filter(({ dueMs }) => dueMs <= now || dueMs > now + OTHERS_FIRST_MS + RETRY_MS_MAX)
      .sort((a, b) => a.dueMs - b.dueMs)[0];
    if (due === undefined || !this.work.turns.take()) return;
    this.#isAsking = true;
    this.#scope.run(async (signal) => {
      await this.#run(due, signal);
      this.#isAsking = false;
    });
  }

  /** W1. */
  #forgetSilent(): void {
    const heard = new Set(this.work.heard.map(({ storeId }) => storeId));
    for (const storeId of this.#heardSinceMs.keys())
      if (!heard.has(storeId)) this.#heardSinceMs.delete(storeId);
    for (const wish of this.#wishes.all()) {
      if (heard.has(wish.storeId)) continue;
      this.#wishes.drop(wish.storeId);
      if (this.#collapsedLeft.has(wish.storeId)) this.#giveBack();
      // What is missing here another site may have.
      else if (isLacking(wish)) this.#anyone ??= 'lost';
    }
  }

  #wantSlowly(now: number): void {
    if (now < this.#slowMs && this.#slowMs - now <= 2 * this.#slowEveryMs) return;
    this.#slowMs = now + this.#slowPauseMs();
    const complete = this.#complete;
    const chosen = complete[below(this.#context.random, Math.max(1, complete.length))];
    if (chosen === undefined) return;
    this.#wishes.add(chosen.storeId, { reason: 'slow', dueMs: now, sinceMs: now, slots: undefined });
  }

  #slowPauseMs(): number {
    return this.#slowEveryMs / 2 + below(this.#context.random, this.#slowEveryMs);
  }

  /** Another site has compared everything with this one. */
  #compared(storeId: string, { withYoung, isWhole, isOld, applied }: Outcome, sinceMs: number): void {
    const wish = this.#wishes.get(storeId);
    const isSame = isWhole && (withYoung || (wish !== undefined && !isThorough(wish)));
    const member = this.#member(storeId);
    if (isWhole && withYoung) this.#context.receiver.adopt(applied);
    if (isWhole && withYoung && member !== undefined) this.work.apart.compared(member);
    if (wish !== undefined && isSame && wish.sinceMs <= sinceMs) this.#settle(wish);
    if (isOld) this.#learned(storeId);
  }

  /** W2. */
  #learned(from: string): void {
    const now = this.#clock.now();
    const isClockSound = this.#learnedMs <= now;
    const earliestMs = isClockSound ? this.#learnedMs + LEARNED_PAUSE_MS : now;
    const dueMs = Math.max(now + LEARNED_MS, earliestMs) + below(this.#context.random, LEARNED_MS);
    this.#learnedMs = now;
    for (const { storeId } of this.#complete)
      if (storeId !== from)
        this.#wishes.add(storeId, { reason: 'learned', dueMs, sinceMs: now, slots: undefined });
  }

  #settle(wish: Wish): void {
    this.#wishes.drop(wish.storeId);
    if (!this.#collapsedLeft.delete(wish.storeId) || this.#collapsedLeft.size > 0) return;
    this.#collapsed = undefined;
  }

  async #run(wish: Wish, signal: AbortSignal): Promise<void> {
    const { logger } = this.#context;
    const { storeId } = wish;
    const member = this.#member(storeId);
    try {
      if (member !== undefined) await this.#compare(member, wish, signal);
    } catch (error) {
      const isBusy = error instanceof MqkvError && error.code === 'PEER_BUSY';
      if (!isBusy) {
        this.#failures++;
        wish.failures++;
        logger.info(
          { peer: member?.site, error: messageOf(error) },
          'comparison broken off, will be tried again',
        );
      }
      const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(wish.failures, 10));
      wish.dueMs = this.#clock.now() + (isBusy ? SOON_MS : pauseMs) + below(this.#context.random, SOON_MS);
    } finally {
      this.work.turns.release();
    }
  }

  async #compare(member: Member, wish: Wish, signal: AbortSignal): Promise<void> {
    const { store, receiver, logger } = this.#context;
    const { slots } = wish;
    const sinceMs = this.#clock.now();
    const reasons = [...wish.reasons];
    const withYoung = isThorough(wish);
    const isWhole = withYoung && slots === undefined;
    const applied = isWhole ? this.work.vouched(0) : {};
    const status = await this.work.status(member, { purpose: 'repair', signal });
    if (status.isBusy) throw new MqkvError('PEER_BUSY', 'the other site is at another comparison');
    const done = await compareWith({
      store,
      clock: this.#clock,
      nowMs: status.nowMs,
      signal,
      slots,
      withYoung,
      applied,
      ask: (request) =>
        this.work.asking.ask(member, request, {
          purpose: 'repair',
          signal,
        }),
    });
    this.#count(done, this.#clock.now() - sinceMs);
    logger.info({ peer: member.site, reasons, ...done }, 'compared with another site');
    if (isWhole) {
      receiver.adopt(status.applied);
      this.work.apart.compared(member);
    }
    if (done.old > 0) this.#learned(member.storeId);
    // A wish from later than now is of before the clock jumped back.
    const isNewer = wish.sinceMs > sinceMs && wish.sinceMs <= this.#clock.now();
    if (!isNewer && (isWhole || slots !== undefined || !isThorough(wish))) this.#settle(wish);
  }

  #count({ slots, pulled, pushed }: Compared, tookMs: number): void {
    this.#rounds++;
    this.#slotsDiffering += slots;
    this.#keysPulled += pulled;
    this.#keysPushed += pushed;
    this.#lastRoundMs = Math.max(0, tookMs);
  }
}
