// The parts of one site's replication and how they hear of each other: messages, heartbeats, time, a store that goes back.
import type { Clock, Logger, Timer } from '../base/index.ts';
import { Asked } from './asked.ts';
import { Beats } from './beats.ts';
import type { EnvelopeHeader } from './envelope.ts';
import { encodeHeartbeat, type Heartbeat } from './heartbeat.ts';
import { History } from './history.ts';
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

/** Ticks between two looks at what is not here for certain, and for which a stream counts as heard. */
const DOUBT_TICKS = 60_000 / TICK_MS;
/** Ticks between two heartbeats (DESIGN 7), two writings of the notes, two looks at what is stable. */
const BEAT_TICKS = 1_000 / TICK_MS;
/** Ticks between two wishes to have collapsed marks compared. */
const COLLAPSED_TICKS = 10_000 / TICK_MS;

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
  readonly #asked: Asked;
  readonly #history: History;
  #timer: Timer | undefined;
  #tick = 0;
  #collapsedTick = -COLLAPSED_TICKS;
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
      site,
      storeId: store.id,
      startedAtMs: this.#startedAtMs,
      clock,
      logger,
      horizonMs,
      onHeard: (heartbeat, header) => this.#heard(heartbeat, header),
      onLinked: (member) => this.#linked(member),
      onRivalLeft: () => this.repair?.want('gap'),
    });
    this.receiver = new Receiver({
      site,
      store,
      streams: this.#streams,
      clock,
      logger,
      horizonMs,
      onPublish: options.onPublish,
      onHeartbeat: (header, bytes) => {
        this.membership.hear(header, bytes);
        this.#shared?.heard(header, bytes);
      },
      onApplied: (stream) => this.#asked.applied(stream),
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
    this.#asked = new Asked({
      clock,
      streams: this.#streams,
      shared: () => this.#shared,
      beat: () => this.beats.soon(),
    });
    this.#history = new History({
      store,
      logger,
      sender: this.sender,
      receiver: this.receiver,
      streams: this.#streams,
      keeper: this.#keeper,
      onBack: () => this.repair?.want('origin'),
    });
  }

  /** Reads the notes, and notes this process' stream before anything of it is sent. */
  async read(): Promise<void> {
    await this.#keeper.read();
    await this.#keeper.write();
  }

  start(): void {
    this.#history.watch();
    if (this.#keeper.wasLacking) this.repair?.want('lost');
    this.#timer = this.#clock.every(TICK_MS, () => this.#onTick());
    this.beats.now();
  }

  /** Nothing happens by itself any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#asked.close();
    this.#shared?.close();
    this.levels.close();
    this.#history.close();
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

  /**
   * Copied data is missing until it is loaded, lost messages until they are repaired, and what a rival takes until it has left: no
   * other site may forget meanwhile what this one has not heard of.
   */
  get #isLacking(): boolean {
    return (this.repair?.pending ?? 0) > 0 || this.membership.hasRival;
  }

  get #isLoading(): boolean {
    return this.bootstrap?.isLoading === true || this.bootstrap?.isComplete === false;
  }

  /** Last sequences of the store's own streams. */
  ownSequences(): Record<string, number> {
    return this.#keeper.ownSequences();
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
    const isAsking = !this.#isLoading && !this.#history.isReading;
    const isDue = this.#streams.tick(isAsking);
    this.#wantCollapsed();
    if (this.#tick % BEAT_TICKS !== 0) {
      if (isDue) this.beats.soon();
      return;
    }
    this.#judgeStability();
    if (this.#tick % DOUBT_TICKS === 0 && !this.#isLacking) this.#wantDoubtful();
    if (!this.#history.isReading) void this.#keeper.write();
    this.beats.now();
  }

  #judgeStability(): void {
    const { site, store } = this.#options;
    const self = {
      site,
      atMs: this.#clock.now(),
      streams: { [this.sender.stream]: this.sender.acceptedSequence },
      isEmpty: this.sender.empty,
      isLacking: this.#isLacking || this.#isLoading || this.repair?.isLinking === true,
      applied: (stream: string) => this.#streams.appliedOf(stream),
    };
    const { membership } = this;
    store.stableBeforeMs = this.#stability.stableBeforeMs(self, membership.members(), membership.records());
  }

  /** What a site's messages carried is not here for certain, though everything wished for was compared: it lacked something itself. */
  #wantDoubtful(): void {
    for (const site of this.#streams.doubtfulSites(DOUBT_TICKS))
      if (this.membership.storeOf(site) !== undefined) this.#lost('gap', site);
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
    this.#history.heard(heartbeat);
    for (const [stream, upTo] of Object.entries(heartbeat.asks)) this.#asked.ask(stream, upTo);
    this.levels.heard();
  }

  #linked({ site, storeId, address }: Member): void {
    this.#logger.info({ other: site, storeId, address }, 'a site is heard');
    this.repair?.want('linked', storeId);
  }

  #lost(loss: Loss, site: string): void {
    this.repair?.want(loss, this.membership.storeOf(site));
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
        this.#asked.applied(stream);
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
