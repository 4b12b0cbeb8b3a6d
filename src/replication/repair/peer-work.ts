// What repair and bootstrap of one site share: the ways to other sites, the answers to them, and what state the copy is in.
import type { Store } from '../../store/index.ts';
import type { Asker, PeerAddress } from '../peer-port.ts';
import type { RepairContext } from '../repair-hooks.ts';
import type { Member } from '../membership.ts';
import { Answering } from './answering.ts';
import { Apart } from './apart.ts';
import { Asking, type AskOptions, FRAME_BYTES } from './asking.ts';
import { QueuePort } from './queue-port.ts';
import { Turns } from './turns.ts';
import * as wire from './wire.ts';

/** Units: ms of silence after which a site is not asked: it is `linked` anew when it is heard again. */
export const SILENT_MS = 10_000;

/** How the site's copy stands. */
export interface CopyState {
  isComplete: boolean;
  isLoading: boolean;
}

/** One site's ways to others and from them. */
export class PeerWork {
  readonly context: RepairContext;
  readonly turns: Turns;
  readonly asking: Asking;
  readonly apart: Apart;
  readonly copy: CopyState = { isComplete: false, isLoading: true };
  /** The store held keys before anything of other sites could arrive. */
  readonly heldAtStart: Promise<boolean>;
  /** Another site has compared everything with this one. */
  onCompared: ((storeId: string, outcome: wire.Outcome, sinceMs: number) => void) | undefined;
  /** Something is known to be missing here. */
  isLacking: () => boolean = () => false;
  /** The store may lack what it sent. */
  mayHaveGoneBack: () => boolean = () => false;
  readonly #answering: Answering;
  readonly #queue: QueuePort;

  constructor(context: RepairContext) {
    this.context = context;
    const { site, store, clock, random, port, sender, receiver } = context;
    this.heldAtStart = holdsAny(store);
    this.turns = new Turns(clock);
    this.apart = new Apart(context, () => this.copy.isComplete);
    this.#answering = new Answering({
      store,
      clock,
      turns: this.turns,
      status: (ageMs) => this.#status(ageMs),
      isReady: () => this.isReady,
      stay: (from, history) => this.apart.stay(from.storeId, history),
      vouched: () => this.vouched(0),
      onCompared: ({ storeId }, outcome, sinceMs) => this.onCompared?.(storeId, outcome, sinceMs),
    });
    const answer = (from: Asker, request: Buffer): Promise<Buffer> => this.#answer(from, request);
    const self = { site, storeId: store.id };
    this.#queue = new QueuePort({ self, sender, receiver, clock, answer }, random.uint32());
    this.asking = new Asking({ port, queue: this.#queue, clock });
    if (port !== undefined) port.answer = answer;
  }

  /** This site compares and is compared: its copy is there, and it is not about to be discarded. */
  get isReady(): boolean {
    return this.copy.isComplete && !this.apart.isUndecided && !this.context.membership.duplicate;
  }

  /** Sites that are heard now. */
  get heard(): readonly Member[] {
    const { membership } = this.context;
    return membership.members().filter(({ silentMs, isNoted }) => silentMs <= SILENT_MS && !isNoted);
  }

  /** Asks a site how it stands. Errors: those of `PeerPort.ask`. Units: ms. */
  async status(to: PeerAddress, how: AskOptions, ageMs = 0): Promise<wire.PeerStatus> {
    const answer = await this.asking.ask(to, wire.request(wire.STATUS).u32(ageMs).done(), how);
    return wire.decodeStatus(wire.answered(answer));
  }

  close(): void {
    const { port } = this.context;
    if (port !== undefined) port.answer = undefined;
    this.#queue.close();
    this.#answering.close();
  }

  /** What is here for certain: of other sites' streams, and of the store's own, whose old messages may still lie in a queue. */
  vouched(ageMs: number): Readonly<Record<string, number>> {
    const { receiver, ownSequences } = this.context;
    if (ageMs > 0) return receiver.appliedBefore(ageMs);
    return this.mayHaveGoneBack() ? receiver.applied() : { ...receiver.applied(), ...ownSequences() };
  }

  #status(ageMs: number): Omit<wire.PeerStatus, 'isBusy'> {
    const { store, clock } = this.context;
    return {
      nowMs: clock.now(),
      isComplete: this.copy.isComplete,
      isLoading: this.copy.isLoading,
      isLacking: this.isLacking(),
      keys: Math.max(0, store.stats().keys),
      applied: this.vouched(ageMs),
    };
  }

  async #answer(from: Asker, request: Buffer): Promise<Buffer> {
    const traffic = this.asking.traffic[request[0] === wire.PAGE ? 'bootstrap' : 'repair'];
    traffic.bytesReceived += request.length + FRAME_BYTES;
    const answer = await this.#answering.answer(from, request);
    traffic.bytesSent += answer.length + FRAME_BYTES;
    return answer;
  }
}

/** Whether there is anything. Asked of the data: a Redis store may not have counted its keys yet. */
async function holdsAny(store: Store): Promise<boolean> {
  try {
    return (await store.page('', 1)).deltas.length > 0;
  } catch {
    const { keys, tombstones } = store.stats();
    return keys + tombstones > 0;
  }
}
