// Requests and answers through the queue: where no connection can be made. Everyone hears them, the named store takes them.
//
//   ask    := storeId:16 asker:16 site:len8 id:u32 bytes          section SECTION_ASK
//   answer := storeId:16 id:u32 0:u8 bytes | 1:u8 text            section SECTION_ANSWER     storeId: who shall hear it, 16 characters
import {
  type Clock,
  MqkvError,
  messageOf,
  PEER_REQUESTS_MAX,
  QUEUE_REPAIR_BYTES_PER_SECOND,
  sleep,
} from '../../base/index.ts';
import { SECTION_ANSWER, SECTION_ASK, type Section } from '../envelope.ts';
import type { Asker, PeerAddress } from '../peer-port.ts';
import type { Receiver } from '../receiver.ts';
import type { Sender } from '../sender.ts';
import { Pace } from './pace.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Units: ms until a request through the queue counts as lost. */
const ANSWER_MS = 15_000;
const ID_BYTES = 16;

export interface QueuePortOptions {
  readonly self: Asker;
  readonly sender: Pick<Sender, 'peerMessage'>;
  readonly receiver: Pick<Receiver, 'onPeerSection'>;
  readonly clock: Clock;
  /** Units: bytes a request or answer may have at most beside others of the queue; larger ones are sent in the queue's own pieces. */
  readonly answer: (from: Asker, request: Buffer) => Promise<Buffer>;
}

interface Wait {
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: MqkvError) => void;
}

/** The queue as a way to other sites. */
export class QueuePort {
  readonly #options: QueuePortOptions;
  readonly #waits = new Map<number, Wait>();
  readonly #pace: Pace;
  #nextId: number;
  #answering = 0;
  #isClosed = false;

  constructor(options: QueuePortOptions, firstId: number) {
    this.#options = options;
    // Gateways of one site share a channel: what comes for another one's request must not fit one of ours.
    this.#nextId = firstId;
    this.#pace = new Pace(options.clock, QUEUE_REPAIR_BYTES_PER_SECOND);
    options.receiver.onPeerSection = (_header, section) => this.#hear(section);
  }

  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waits.values())
      reject(new MqkvError('PEER_UNREACHABLE', 'this site is closing'));
    this.#waits.clear();
  }

  /** Errors: MqkvError `PEER_UNREACHABLE`, `PEER_FAILED`. */
  async ask(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    if (this.#isClosed) throw new MqkvError('PEER_UNREACHABLE', 'this site is closing');
    const { self, clock } = this.#options;
    this.#nextId = (this.#nextId + 1) >>> 0;
    const id = this.#nextId;
    const message = new WireWriter(request.length + 64).raw(idBytes(to.storeId)).raw(idBytes(self.storeId));
    message.u8(self.site.length).raw(Buffer.from(self.site, 'latin1')).u32(id).raw(request);
    const answer = this.#wait(id);
    const limit = new AbortController();
    const giveUp = (): void => limit.abort();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await this.#send(SECTION_ASK, message.done());
      return await Promise.race([answer, lost(clock, limit.signal)]);
    } finally {
      signal?.removeEventListener('abort', giveUp);
      limit.abort();
      this.#waits.delete(id);
    }
  }

  #wait(id: number): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve, reject) => this.#waits.set(id, { resolve, reject }));
    answer.catch(() => {});
    return answer;
  }

  async #send(kind: typeof SECTION_ASK | typeof SECTION_ANSWER, bytes: Buffer): Promise<void> {
    await this.#pace.spend(bytes.length);
    if (!(await this.#options.sender.peerMessage(kind, bytes)))
      throw new MqkvError('PEER_UNREACHABLE', 'the queue does not take it');
  }

  #hear({ kind, bytes }: Section): void {
    if (this.#isClosed || bytes.length < ID_BYTES) return;
    const message = Buffer.from(bytes);
    if (message.toString('latin1', 0, ID_BYTES) !== idText(this.#options.self.storeId)) return;
    const reader = new WireReader(message, ID_BYTES);
    if (kind === SECTION_ANSWER) this.#answered(reader);
    else void this.#answer(reader).catch(() => {});
  }

  #answered(reader: WireReader): void {
    const wait = this.#waits.get(reader.u32());
    if (wait === undefined) return;
    const isFailed = reader.u8() !== 0;
    if (isFailed) wait.reject(new MqkvError('PEER_FAILED', reader.rest().toString('latin1')));
    else wait.resolve(reader.rest());
  }

  async #answer(reader: WireReader): Promise<void> {
    if (this.#answering >= PEER_REQUESTS_MAX) return;
    const storeId = reader.bytes(ID_BYTES).toString('latin1').trimEnd();
    const site = reader.bytes(reader.u8()).toString('latin1');
    const id = reader.u32();
    this.#answering++;
    const head = (failed: number): WireWriter => new WireWriter().raw(idBytes(storeId)).u32(id).u8(failed);
    try {
      const answer = await this.#options.answer({ site, storeId }, reader.rest());
      await this.#send(SECTION_ANSWER, head(0).raw(answer).done());
    } catch (error) {
      const text = Buffer.from(messageOf(error).slice(0, 200), 'latin1');
      await this.#send(SECTION_ANSWER, head(1).raw(text).done());
    } finally {
      this.#answering--;
    }
  }
}

async function lost(clock: Clock, signal: AbortSignal): Promise<never> {
  await sleep(clock, ANSWER_MS, signal);
  throw new MqkvError('PEER_UNREACHABLE', 'no answer through the queue');
}

function idText(storeId: string): string {
  return storeId.padEnd(ID_BYTES).slice(0, ID_BYTES);
}

function idBytes(storeId: string): Buffer {
  return Buffer.from(idText(storeId), 'latin1');
}
