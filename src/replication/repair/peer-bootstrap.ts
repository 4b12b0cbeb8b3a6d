// The first copy of an empty store, and of one that discarded its data: from whom, when to serve without it, when to go on.
//
// Invariants
//  B1  Data commands are refused only while there is something to wait for: a site from which a copy comes, or may come within a
//      few seconds. Once they are served they are never refused again, but for a discard.
//  B2  `complete` is noted after everything of the copy is merged, and what the copied site had applied is adopted then.
//  B3  Where nobody is complete, one says that it is, and the others copy from it: one that serves already, else the smallest id.
//  B4  Of several gateways before one store one copies; another takes over when it is not heard of for LEASE_MS.
//  B5  Where nobody is complete, the one that is to be copied from, or that is alone, first merges what the queue still keeps.
import { setMaxListeners } from 'node:events';
import {
  type Clock,
  isWithin,
  messageOf,
  MqkvError,
  openScope,
  randomHex,
  type Scope,
  sleep,
} from '../../base/index.ts';
import type { Member } from '../membership.ts';
import type { Bootstrap, RepairContext } from '../repair-hooks.ts';
import { COMPLETE_NOTE, historyOf } from './apart.ts';
import type { AskOptions } from './asking.ts';
import type { PeerWork } from './peer-work.ts';
import { decodeProgress, type Progress, pullFrom } from './pulling.ts';
import { Recalling } from './recalling.ts';
import * as wire from './wire.ts';

/** Units: ms between two looks around, and at whether there is something to wait for. */
const LOOK_MS = 50;
const WATCH_MS = 250;
/** Units: ms without anyone heard after which the site serves. */
const ALONE_MS = 3_000;
/** Units: ms with only empty or loading sites heard. */
const EMPTY_MS = 2_000;
/** Units: ms without any progress after which the site serves. */
const LOST_MS = 5_000;
/** Units: ms between tries at sites that did not answer. */
const RETRY_MS = 500;
/** Units: ms that a gateway's word that it copies holds, and between two such words. */
const LEASE_MS = 5_000;
const LEASE_BEAT_MS = 1_000;
const NOTE = 'bootstrap';

type Standing = 'copied' | 'none' | 'failed';
type Candidate = Pick<Member, 'storeId' | 'loading'>;

/** B3. */
function isBefore(a: Candidate, b: Candidate): boolean {
  return a.loading === b.loading ? a.storeId < b.storeId : b.loading;
}

/** The first copy. */
export class PeerBootstrap implements Bootstrap {
  readonly loaded: Promise<void>;
  readonly #work: PeerWork;
  readonly #context: RepairContext;
  readonly #clock: Clock;
  readonly #recalling: Recalling;
  readonly #scope: Scope;
  /** Names this process to other gateways of the site. */
  readonly #by: string;
  #resolve: () => void = () => {};
  #isClosed = false;
  /** Units: ms by the clock. */
  #startedMs: number;
  #heardMs = 0;
  #progressMs: number;
  #wasSomeoneHeard = false;
  #copiedBytes = 0;
  /** The last one that failed: another one is tried first. */
  #failedStoreId = '';
  /** No connection could be made to any: the queue is tried. */
  #isDirectVain = false;

  constructor(work: PeerWork) {
    this.#work = work;
    this.#context = work.context;
    this.#clock = work.context.clock;
    this.#recalling = new Recalling(work.context);
    this.#by = randomHex(work.context.random, 4);
    this.#startedMs = this.#clock.now();
    this.#progressMs = this.#startedMs;
    this.loaded = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    if (this.#context.serveWhileLoading) this.#serve('--serve-while-loading');
    const { logger } = this.#context;
    this.#scope = openScope((error) => logger.error({ error: messageOf(error) }, 'bootstrap ended'));
    // One listener a request or wait under way.
    setMaxListeners(0, this.#scope.signal);
    this.#scope.run((signal) => this.#run(signal));
  }

  get isLoading(): boolean {
    return this.#work.copy.isLoading;
  }

  get isComplete(): boolean {
    return this.#work.copy.isComplete;
  }

  /** Units: bytes of the copy so far. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#serve('closing');
    this.#work.apart.close();
    await this.#scope.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const notes = await this.#notes(signal);
    this.#work.apart.start(notes);
    if (notes.get(COMPLETE_NOTE) === '1' || (await this.#isAdopted(notes))) await this.#completed({});
    else {
      if (!notes.has(NOTE)) await this.#begin();
      await this.#fill(signal);
    }
    while (!signal.aborted) {
      await sleep(this.#clock, LOOK_MS * 4, signal);
      if (!signal.aborted && this.#work.apart.isUndecided) await this.#decide(signal);
    }
  }

  /** The notes; tried until the store answers. */
  async #notes(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    while (!signal.aborted) {
      try {
        return await this.#context.store.notes.read();
      } catch (error) {
        this.#context.logger.warn({ error: messageOf(error) }, 'notes of the store could not be read');
        await sleep(this.#clock, RETRY_MS, signal);
      }
    }
    return new Map();
  }

  /** A store with data that was never told to be incomplete: a Redis that was there before. */
  async #isAdopted(notes: ReadonlyMap<string, string>): Promise<boolean> {
    return !this.#context.hasQueue || (!notes.has(NOTE) && (await this.#work.heldAtStart));
  }

  /** Copies from someone, or serves without; until the copy is complete. */
  async #fill(signal: AbortSignal): Promise<void> {
    const watch = this.#clock.every(WATCH_MS, () => this.#serveIfInVain());
    while (!signal.aborted && !this.isComplete) {
      const standing = await this.#tryStep(signal);
      if (standing !== 'copied') await sleep(this.#clock, standing === 'failed' ? RETRY_MS : LOOK_MS, signal);
    }
    watch.cancel();
  }

  async #tryStep(signal: AbortSignal): Promise<Standing> {
    try {
      return await this.#step(signal);
    } catch (error) {
      this.#context.logger.warn({ error: messageOf(error) }, 'the copy could not be begun');
      return 'failed';
    }
  }

  async #step(signal: AbortSignal): Promise<Standing> {
    const { heard } = this.#work;
    const now = this.#clock.now();
    if (heard.length > 0 && !this.#wasSomeoneHeard) this.#heardMs = now;
    this.#wasSomeoneHeard = heard.length > 0;
    const complete = heard.filter((member) => member.complete && !member.loading);
    if (complete.length > 0) return this.#copyFrom(complete, signal);
    if (heard.length === 0 && now - this.#startedMs >= ALONE_MS) await this.#recalling.run(signal);
    if (heard.length === 0 || now - this.#heardMs < EMPTY_MS) return 'none';
    return this.#declare(heard, signal);
  }

  /** B3. */
  async #declare(heard: readonly Member[], signal: AbortSignal): Promise<Standing> {
    const { store } = this.#context;
    const self = { storeId: store.id, loading: this.isLoading };
    if (heard.some((member) => isBefore(member, self))) return 'none';
    await this.#recalling.run(signal);
    this.#context.logger.info({}, 'no other site is complete: this one counts as complete');
    await this.#completed({});
    return 'copied';
  }

  /** B1. */
  #serveIfInVain(): void {
    if (!this.isLoading) return;
    const now = this.#clock.now();
    const isAlone = !this.#wasSomeoneHeard && now - this.#startedMs >= ALONE_MS;
    if (isAlone) this.#serve('no other site is heard');
    else if (now - this.#progressMs >= LOST_MS) this.#serve('no other site gives its data');
  }

  async #copyFrom(complete: readonly Member[], signal: AbortSignal): Promise<Standing> {
    const progress = await this.#progress(signal);
    if (progress === 'complete') {
      await this.#completed({});
      return 'copied';
    }
    if (progress === 'another') return 'none';
    const others = complete.filter(({ storeId }) => storeId !== this.#failedStoreId);
    const peers = others.length > 0 ? others : complete;
    const held = peers.find(({ storeId }) => storeId === progress?.storeId);
    // Where several may be asked, one to which a connection can be made comes first.
    const way = complete.length > 1 && !this.#isDirectVain ? 'direct' : 'any';
    const peer = held ?? (await this.#nearest(peers, { purpose: 'bootstrap', way, signal }));
    this.#failedStoreId = '';
    this.#isDirectVain = peer === undefined && way === 'direct';
    if (peer === undefined) return 'failed';
    try {
      await this.#copy(peer, held === undefined ? undefined : progress, {
        purpose: 'bootstrap',
        way,
        signal,
      });
      return 'copied';
    } catch (error) {
      this.#failedStoreId = peer.storeId;
      const isVoid = error instanceof MqkvError && error.code === 'BAD_CURSOR';
      if (isVoid) await this.#begin();
      else this.#context.logger.info({ peer: peer.site, error: messageOf(error) }, 'copy broken off');
      return 'failed';
    }
  }

  /** How far a copy is; or that another gateway is at it (B4), or has done it. */
  async #progress(signal: AbortSignal): Promise<Progress | undefined | 'another' | 'complete'> {
    const notes = await this.#notes(signal);
    if (notes.get(COMPLETE_NOTE) === '1') return 'complete';
    const progress = decodeProgress(notes.get(NOTE));
    if (progress === undefined) return undefined;
    const isShared = this.#context.store.bus !== undefined;
    const isAnother = isShared && progress.by !== '' && progress.by !== this.#by;
    if (!isAnother || !isWithin(this.#clock, progress.untilMs, LEASE_MS)) return progress;
    this.#progressMs = this.#clock.now();
    return 'another';
  }

  /** The complete site that answers first. */
  async #nearest(complete: readonly Member[], how: AskOptions): Promise<Member | undefined> {
    const asked = complete.map(async (member) => {
      const { isComplete, isLoading } = await this.#work.status(member, how);
      if (!isComplete || isLoading) throw new MqkvError('PEER_FAILED', `${member.site} is not complete`);
      return member;
    });
    return Promise.any(asked).catch(() => undefined);
  }

  async #copy(peer: Member, progress: Progress | undefined, how: Required<AskOptions>): Promise<void> {
    const { way, signal } = how;
    const { logger } = this.#context;
    const isResumed = progress !== undefined && progress.cursor !== '';
    const applied = isResumed ? progress.applied : (await this.#work.status(peer, how)).applied;
    const cursor = isResumed ? progress.cursor : '';
    logger.info({ peer: peer.site, isResumed }, 'copying the data of another site');
    let at: Pick<Progress, 'cursor' | 'applied'> = { cursor, applied };
    const note = (): Promise<void> =>
      this.#note({ ...at, storeId: peer.storeId, by: this.#by, untilMs: this.#clock.now() + LEASE_MS });
    await note();
    // A page that does not come must not cost the lease, and a lease nobody renews ends.
    const lease = this.#clock.every(LEASE_BEAT_MS, () => void note().catch(() => {}));
    try {
      const bytes = await pullFrom({
        work: this.#work,
        peer,
        from: at,
        way,
        signal,
        note: async (next) => {
          at = next;
          await note();
        },
        onPage: () => {
          this.#progressMs = this.#clock.now();
        },
      });
      lease.cancel();
      if (signal.aborted) return;
      this.#copiedBytes += bytes;
      logger.info({ peer: peer.site, bytes }, 'copied the data of another site');
      await this.#completed(applied);
    } finally {
      lease.cancel();
      this.#progressMs = this.#clock.now();
    }
  }

  /** B2. */
  async #completed(applied: Readonly<Record<string, number>>): Promise<void> {
    const { receiver, store, logger } = this.#context;
    receiver.adopt(applied);
    this.#work.copy.isComplete = true;
    this.#serve('complete');
    this.#context.beat();
    try {
      await store.notes.write({ [COMPLETE_NOTE]: '1', [NOTE]: '' });
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'that the copy is complete could not be noted');
    }
  }

  /** Notes that nothing is copied yet: what the store holds by then is no whole copy. */
  async #begin(): Promise<void> {
    try {
      await this.#note({ storeId: '', cursor: '', applied: {}, by: '', untilMs: 0 });
    } catch (error) {
      this.#context.logger.warn({ error: messageOf(error) }, 'the beginning of the copy could not be noted');
    }
  }

  async #note(progress: Progress): Promise<void> {
    await this.#context.store.notes.write({ [NOTE]: JSON.stringify(progress) });
  }

  #serve(why: string): void {
    if (!this.#work.copy.isLoading) return;
    this.#work.copy.isLoading = false;
    this.#context.logger.info({ why }, 'data is served');
    this.#resolve();
    this.#context.beat();
  }

  /** This site was apart for longer than the horizon (X1 to X3 of apart.ts). */
  async #decide(signal: AbortSignal): Promise<void> {
    const { logger } = this.#context;
    const peer = this.#work.heard.find((member) => member.complete && !member.loading);
    if (peer === undefined) return;
    try {
      const request = wire
        .request(wire.STAY)
        .raw(Buffer.from(historyOf(peer)))
        .done();
      const mayDiscard = await this.#work.apart.decide(peer, async () => {
        const answer = await this.#work.asking.ask(peer, request, { purpose: 'repair', signal });
        const promise = wire.readStay(wire.answered(answer));
        // A whole walk: only where everything else speaks for it.
        if (promise.stays) await this.#context.store.findMarks?.();
        return promise;
      });
      if (mayDiscard) await this.#discard(peer, signal);
      else
        logger.warn(
          { peer: peer.site },
          'apart from all other sites for longer than the horizon: both data are merged; what was deleted meanwhile may come back',
        );
      this.#work.apart.decided();
    } catch (error) {
      logger.info({ peer: peer.site, error: messageOf(error) }, 'not decided yet what becomes of old data');
    }
  }

  async #discard(peer: Member, signal: AbortSignal): Promise<void> {
    const { store, sender, logger } = this.#context;
    const { copy, apart } = this.#work;
    copy.isLoading = !this.#context.serveWhileLoading;
    copy.isComplete = false;
    // What was written in this very moment is not to be lost.
    if (!sender.empty) {
      copy.isLoading = false;
      copy.isComplete = true;
      return;
    }
    logger.warn(
      { peer: peer.site },
      'apart from all other sites for longer than the horizon: the data here is discarded, and theirs copied',
    );
    await store.discard();
    apart.forget();
    this.#startedMs = this.#clock.now();
    this.#progressMs = this.#startedMs;
    apart.decided();
    await this.#begin();
    await this.#fill(signal);
  }
}
