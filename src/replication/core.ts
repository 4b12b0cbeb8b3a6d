// The parts of one site's replication and how they hear of each other: messages, heartbeats, time, a store that goes back.
//
// Invariants
//  C1  When the store goes back, what was applied is read from its notes again, and what was on its way into it is not acknowledged.
//  C2  When others have of this store what it never sent, it has gone back unnoticed: it takes a new origin and a new stream.
import type { Clock, Logger, Timer } from '../base/index.ts';
import { messageOf } from '../base/index.ts';
import { Beats } from './beats.ts';
import type { EnvelopeHeader } from './envelope.ts';
import { encodeHeartbeat, type Heartbeat } from './heartbeat.ts';
import { Keeper } from './keeper.ts';
import { Levels } from './levels.ts';
import { type Member, Membership } from './membership.ts';
import { type Loss, Receiver } from './receiver.ts';
import type { Bootstrap, Repair } from './repair-hooks.ts';
import type { ReplicationOptions } from './replication.ts';
import { Sender } from './sender.ts';
import { SharedKnowledge } from './shared-knowledge.ts';
import { lagsHere, type OwnState, type SiteLag, type SiteState, siteLags, siteStates } from './site-view.ts';
import { Stability } from './stability.ts';
import { TICK_MS } from './stream-window.ts';
import { Streams } from './streams.ts';

/** Ticks between two heartbeats (DESIGN 7), two writings of the notes, two looks at what is stable. */
const BEAT_TICKS = 1_000 / TICK_MS;
/** Ticks between two wishes to have collapsed marks compared. */
const COLLAPSED_TICKS = 10_000 / TICK_MS;
/** Units: ms by which the other gateways hear first what this one has applied, before all answer. */
const TOLD_MS = 5;

/** What MQKV.FREEZE takes. */
export type Freeze = 'in' | 'out' | 'off';

export interface CoreOptions extends ReplicationOptions {
  readonly horizonMs: number;
}

export class Core {
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly membership: Membership;
  readonly levels: Levels;
  readonly beats: Beats;
  readonly #options: CoreOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #streams: Streams;
  readonly #keeper: Keeper;
  readonly #stability = new Stability();
  readonly #shared: SharedKnowledge | undefined;
  readonly #startedAtMs: number;
  /** Places that other sites want to hear of when they are applied (WAIT there). */
  readonly #asked = new Map<string, number>();
  #timer: Timer | undefined;
  #askTimer: Timer | undefined;
  #tick = 0;
  #collapsedTick = -COLLAPSED_TICKS;
  #isRenewing = false;
  /** Readings of the notes under way. */
  #reading = 0;
  repair: Repair | undefined;
  bootstrap: Bootstrap | undefined;

  constructor(options: CoreOptions) {
    const { site, store, clock, logger, horizonMs } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#startedAtMs = clock.now();
    this.#streams = new Streams({
      clock,
      horizonMs,
      onLost: (_stream, { site: from }) => this.#lost('gap', from),
    });
    this.sender = new Sender({ ...options, messageAgeMaxMs: horizonMs / 4 });
    this.beats = new Beats(clock, () => this.sender.heartbeat(encodeHeartbeat(this.#heartbeat())));
    this.membership = new Membership({
      ...{ site, storeId: store.id, startedAtMs: this.#startedAtMs, clock, logger, horizonMs },
      onHeard: (heartbeat, header) => this.#heard(heartbeat, header),
      onLinked: (member) => this.#linked(member),
    });
    this.receiver = new Receiver({
      ...{ site, store, streams: this.#streams, clock, logger, horizonMs },
      onPublish: options.onPublish,
      onHeartbeat: (header, bytes) => {
        this.membership.hear(header, bytes);
        this.#shared?.heard(header, bytes);
      },
      onApplied: (stream) => this.#applied(stream),
      onHeld: (stream, first, sequence) => this.#shared?.held(stream, first, sequence),
      onLost: (loss, from) => this.#lost(loss, from),
    });
    this.levels = new Levels({
      sender: this.sender,
      membership: this.membership,
      clock,
      beat: () => this.beats.soon(),
    });
    this.#keeper = new Keeper({
      store,
      logger,
      parts: [this.#streams, this.membership],
      own: () => this.#ownStream(),
      isLacking: () => this.#isLacking,
    });
    this.#shared = this.#openShared();
  }

  /** Reads the notes, and notes this process' stream before anything of it is sent. */
  async read(): Promise<void> {
    await this.#keeper.read();
    await this.#keeper.write();
  }

  start(): void {
    const { store } = this.#options;
    store.onOrigin = () => {
      if (!this.#isRenewing) void this.#wentBack();
    };
    if (this.#keeper.wasLacking) this.repair?.want('lost');
    this.#timer = this.#clock.every(TICK_MS, () => this.#onTick());
    this.beats.now();
  }

  /** Nothing happens by itself any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#askTimer?.cancel();
    this.#shared?.close();
    this.levels.close();
    this.#options.store.onOrigin = undefined;
  }

  /** Publishes what is pending, then notes what is applied and sent. */
  async close(timeoutMs: number): Promise<boolean> {
    const all = await this.sender.close(timeoutMs);
    this.beats.close();
    this.receiver.close();
    await this.#keeper.writeLast();
    return all;
  }

  freeze(what: Freeze, isTold: boolean): void {
    if (what === 'in') this.receiver.isFrozen = true;
    else if (what === 'out') this.sender.isFrozen = true;
    else {
      this.receiver.isFrozen = false;
      this.sender.isFrozen = false;
      this.beats.soon();
    }
    if (isTold) this.#shared?.freeze(what);
    this.#logger.info({ freeze: what }, 'replication stands still, or goes on');
  }

  sites(): SiteState[] {
    return siteStates(this.#ownState(), this.membership);
  }

  lags(): SiteLag[] {
    return siteLags(this.#ownState(), this.membership, this.#streams);
  }

  /** Copied data is missing until it is loaded, lost messages until they are repaired. */
  get #isLacking(): boolean {
    return (this.repair?.pending ?? 0) > 0;
  }

  get #isLoading(): boolean {
    return this.bootstrap?.isLoading === true || this.bootstrap?.isComplete === false;
  }

  #ownStream(): { stream: string; sequence: number; origin: number; startedAtMs: number } {
    const { stream, lastSequence: sequence } = this.sender;
    return { stream, sequence, origin: this.#options.store.origin, startedAtMs: this.#startedAtMs };
  }

  #ownState(): OwnState {
    const { site, store, address } = this.#options;
    return {
      site,
      storeId: store.id,
      address: address(),
      origins: store.origins ?? [store.origin],
      startedAtMs: this.#startedAtMs,
      outboxEmpty: this.sender.empty,
      complete: this.bootstrap?.isComplete !== false,
      loading: this.bootstrap?.isLoading === true,
      lacking: this.#isLacking,
      streams: { [this.sender.stream]: this.sender.acceptedSequence },
      applied: this.#streams.recent().applied,
    };
  }

  #heartbeat(): Omit<Heartbeat, 'formats'> {
    return {
      ...this.#ownState(),
      origin: this.#options.store.origin,
      lastSequence: this.sender.acceptedSequence,
      sources: this.#streams.recent().sources,
      missing: this.#streams.missing(),
      heard: lagsHere(this.membership, this.#streams),
      delays: this.membership.delays(),
      asks: this.levels.asks(),
    };
  }

  #onTick(): void {
    this.#tick++;
    this.membership.tick();
    const isAsking = !this.#isLoading && this.#reading === 0;
    const isDue = this.#streams.tick(isAsking);
    this.#wantCollapsed();
    if (this.#tick % BEAT_TICKS !== 0) {
      if (isDue) this.beats.soon();
      return;
    }
    this.#judgeStability();
    void this.#keeper.write();
    this.beats.now();
  }

  #judgeStability(): void {
    const { site, store } = this.#options;
    const self = {
      site,
      atMs: this.#clock.now(),
      streams: { [this.sender.stream]: this.sender.acceptedSequence },
      isEmpty: this.sender.empty,
      isLacking: this.#isLacking || this.#isLoading,
      applied: (stream: string) => this.#streams.appliedOf(stream),
    };
    const { membership } = this;
    store.stableBeforeMs = this.#stability.stableBeforeMs(self, membership.members(), membership.records());
  }

  /** The outbox dropped marks while the queue was away: when it is back, these slots are compared. */
  #wantCollapsed(): void {
    const { outbox } = this.#options.store;
    if (outbox.collapsed === undefined || !this.sender.isAccepting || this.sender.isFrozen) return;
    if (this.#tick - this.#collapsedTick < COLLAPSED_TICKS) return;
    this.#collapsedTick = this.#tick;
    this.repair?.want('collapsed');
  }

  #heard(heartbeat: Heartbeat, header: EnvelopeHeader): void {
    for (const [stream, upTo] of Object.entries(toldBy(heartbeat, header))) {
      const window = this.#streams.tell(stream, upTo);
      window.site = heartbeat.site;
    }
    const missing = heartbeat.missing[this.sender.stream];
    if (missing !== undefined) this.sender.answerMissing(missing);
    this.#noticeUnsent(heartbeat);
    for (const [stream, upTo] of Object.entries(heartbeat.asks)) this.#ask(stream, upTo);
    this.levels.heard();
  }

  #linked({ site, storeId, address }: Member): void {
    this.#logger.info({ site, storeId, address }, 'a site is heard');
    this.repair?.want('linked', storeId);
  }

  #lost(loss: Loss, site: string): void {
    this.repair?.want(loss, this.membership.storeOf(site));
  }

  /** Another site wants to hear when this is applied. */
  #ask(stream: string, upTo: number): void {
    if (this.#streams.size === 0 || (this.#asked.get(stream) ?? 0) >= upTo) return;
    this.#asked.set(stream, upTo);
    this.#applied(stream);
  }

  #applied(stream: string): void {
    const upTo = this.#asked.get(stream);
    if (upTo === undefined || this.#streams.appliedOf(stream) < upTo) return;
    this.#asked.delete(stream);
    if (this.#shared === undefined) return this.beats.soon();
    this.#shared.tell();
    this.#askTimer ??= this.#clock.after(TOLD_MS, () => {
      this.#askTimer = undefined;
      this.beats.soon();
    });
  }

  /** C2. */
  #noticeUnsent({ site, applied, sources }: Heartbeat): void {
    const { store } = this.#options;
    for (const [stream, origin] of Object.entries(sources)) {
      if (!store.isOwn(origin)) continue;
      const upTo = applied[stream] ?? 0;
      if (this.#hasSent(stream, upTo)) continue;
      if (this.#shared !== undefined && stream !== this.sender.stream) void this.#checkUnsent(stream, upTo);
      else this.#renew(site, stream, upTo);
    }
  }

  /** Another gateway's process may have written its stream down since the notes were read. */
  async #checkUnsent(stream: string, upTo: number): Promise<void> {
    if (this.#reading > 0) return;
    await this.#readNotes();
    if (!this.#hasSent(stream, upTo)) this.#renew('', stream, upTo);
  }

  #hasSent(stream: string, upTo: number): boolean {
    const own = this.#keeper.ownStream(stream);
    if (own === undefined) return false;
    // A gateway that was killed has sent more than it noted.
    return own.sequence >= upTo || (this.#shared !== undefined && stream !== this.sender.stream);
  }

  #renew(site: string, stream: string, upTo: number): void {
    this.#logger.warn(
      { site, stream, sequence: upTo },
      'another site has of this store what it never sent: the store has gone back, and takes a new origin',
    );
    this.#keeper.addOwn(stream, { sequence: upTo, origin: 0, startedAtMs: 0 });
    this.#isRenewing = true;
    this.#options.store.renewOrigin();
    this.#isRenewing = false;
    if (stream === this.sender.stream) this.sender.renewStream();
    this.repair?.want('origin');
  }

  /** C1. */
  async #wentBack(): Promise<void> {
    this.receiver.epoch++;
    this.#streams.reset();
    this.#keeper.reset();
    this.#logger.warn(
      { origin: this.#options.store.origin },
      'the store may have gone back: all is compared',
    );
    await this.#readNotes();
    this.repair?.want('origin');
  }

  async #readNotes(): Promise<void> {
    this.#reading++;
    try {
      await this.#keeper.read();
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, 'notes of replication could not be read');
    }
    this.#reading--;
  }

  #openShared(): SharedKnowledge | undefined {
    const { store, clock, logger } = this.#options;
    if (store.bus === undefined) return undefined;
    return new SharedKnowledge({
      bus: store.bus,
      clock,
      logger,
      onHeartbeat: (header, bytes) => this.membership.hear(header, bytes),
      onApplied: (stream, from, to) => {
        this.#streams.note(stream, from, to);
        this.#applied(stream);
      },
      onHeld: (stream, first, sequence) => this.#streams.hold(stream, first, sequence),
      known: (ticks) => this.#streams.recentRanges(ticks),
      onFreeze: (what) => {
        if (what === 'in' || what === 'out' || what === 'off') this.freeze(what, false);
      },
    });
  }
}

/** What a heartbeat says of its process' streams; an older build's is itself part of one. */
function toldBy(
  { streams, lastSequence }: Heartbeat,
  { stream }: EnvelopeHeader,
): Readonly<Record<string, number>> {
  return Object.keys(streams).length > 0 ? streams : { [stream]: lastSequence };
}
