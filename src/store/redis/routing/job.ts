// One request on its way: what of it was answered, what was refused and must be asked again, in the order of its commands.
//
// (1) Replies reach the sink in the order of the commands, each exactly once.
// (2) While nothing is refused, reply bytes pass untouched: no look at single replies.
// (3) A command is repeated only when it was not applied for sure, or when it is a read.
import type { Latin1 } from '../../../base/index.ts';
import { replyEnd } from '../reply-end.ts';
import type { Link, ReplySink } from '../../../redis-link/index.ts';
import { isReadonlyResult, type Refusal, refusalAt } from './refusal.ts';
import { commandsOf, wordsOf } from './request-parts.ts';

/** Commands of one slot, raw. */
export interface RouteRequest {
  /** Range: 0 .. 16383, -1: any node. Ignored unless the store is a cluster. */
  readonly slot: number;
  /** Multibulk commands only. Owns: the router, unchanged until the last reply. */
  readonly bytes: Buffer | readonly Buffer[];
  readonly count: number;
  readonly protocol: 2 | 3;
  /** Reads are also repeated when the connection died. */
  readonly isRead: boolean;
  /** A read that a replica may answer, where `?read=replica` was asked for. */
  readonly replica?: boolean | undefined;
  /**
   * For a script (`count` is 1): what to send instead of `bytes` when it is sent again, or to a node of another origin than
   * `origin`: EVAL with the text, and with the origin of the node that runs it.
   */
  readonly evalBytes?: ((origin: number) => Buffer | readonly Buffer[]) | undefined;
  /** The origin that `bytes` of a script name; undefined: they name none. */
  readonly origin?: number | undefined;
}

/** What a job tells its queue. */
export interface JobOwner {
  readonly isCluster: boolean;
  /** Commands were refused; called while the replies come, so that later commands go the right way. */
  refused(job: Job, refusal: Refusal): void;
  /** Whether what this job reads now must be read again, since something sent before it was refused. */
  isStale(job: Job): boolean;
  /** Nothing of the job is under way any more. `wasLost`: the connection died. */
  settled(job: Job, wasLost: boolean): void;
}

const ASKING = Buffer.from('*1\r\n$6\r\nASKING\r\n', 'latin1');

const UNCERTAIN = Buffer.from(
  '-UNCERTAIN connection to Redis lost: the command may or may not have been applied\r\n',
  'latin1',
);
const MINUS = 45;
const READONLY: Refusal = { kind: 'pause', code: 'READONLY' };

export class Job implements ReplySink {
  readonly request: RouteRequest;
  /** Order of arrival. */
  readonly seq: number;
  /** Who is told; changed only while nothing is under way. */
  owner: JobOwner;
  /** Number of its last attempt, in the order of sending. */
  attempt = 0;
  /** Where an ASK sent it; for the next attempt only. */
  asked: { readonly host: string; readonly port: number } | undefined;
  /** Ticks until it may be sent again, and ticks spent waiting. */
  pauseTicks = 0;
  waitedTicks = 0;
  /** Times it was sent on since the last pause. */
  redirects = 0;
  /** Its last refusal was one that passes with time: it is tried alone. */
  isProbe = false;
  /** Code of the last refusal. */
  lastRefusal = '';
  /** The script was not known. */
  useText = false;
  readonly #sink: ReplySink;
  /** Commands answered to the sink: all before this one. */
  #answered = 0;
  /** Commands without an answer; undefined: all from `#answered` on (nothing was refused yet). */
  #open: number[] | undefined;
  /** Replies that wait for those of earlier commands. */
  readonly #held = new Map<number, Buffer>();
  /** The attempt under way: commands sent, how many of their replies have come, those to be asked again. */
  #sent = 0;
  #come = 0;
  #again: number[] = [];
  #asking = false;
  /** The next reply is the one to ASKING. */
  #skip = false;
  #commands: readonly Buffer[] | undefined;
  #words: ReadonlySet<Latin1> | undefined;

  constructor(request: RouteRequest, seq: number, around: { sink: ReplySink; owner: JobOwner }) {
    this.request = request;
    this.seq = seq;
    this.#sink = around.sink;
    this.owner = around.owner;
  }

  /** All commands have been answered. */
  get isDone(): boolean {
    return this.#answered === this.request.count;
  }

  /** Whether the order of the two can be seen: they have an argument in common (any key would be one) and do not only read. */
  conflictsWith(other: Job): boolean {
    if (this.request.isRead && other.request.isRead) return false;
    const [few, many] = this.#allWords().size < other.#allWords().size ? [this, other] : [other, this];
    const words = many.#allWords();
    for (const word of few.#allWords()) if (words.has(word)) return true;
    return false;
  }

  #allWords(): ReadonlySet<Latin1> {
    this.#words ??= wordsOf(this.request.bytes, this.request.count);
    return this.#words;
  }

  /** Sends what is open to the node of that origin. */
  start(link: Link, origin: number): void {
    const { request } = this;
    if (request.evalBytes !== undefined) this.#renew(request.evalBytes, origin);
    this.#asking = this.asked !== undefined;
    this.#skip = this.#asking;
    this.asked = undefined;
    this.#come = 0;
    this.#sent = this.#open === undefined ? request.count - this.#answered : this.#open.length;
    const isWhole = this.#sent === request.count && !this.#asking && this.#commands === undefined;
    link.forward(isWhole ? request.bytes : this.#openBytes(), this.#sent * (this.#asking ? 2 : 1), this);
  }

  /** Answers everything open with one error line. */
  fail(line: string): void {
    const bytes = Buffer.from(line, 'latin1');
    for (const command of this.#openCommands()) this.#held.set(command, bytes);
    this.#open = [];
    this.#flush();
  }

  replies(bytes: Buffer, count: number, firstError: number): void {
    const isPlain = this.#open === undefined && !this.owner.isStale(this) && !this.#isReadonly(bytes);
    if (isPlain && (firstError < 0 || !this.#hasRefusal(bytes, count))) {
      this.#come += count;
      this.#answered += count;
      this.#sink.replies(bytes, count, firstError);
    } else this.#sift(bytes, count);
    if (this.#come === this.#sent) this.#settle([], false);
  }

  failed(_count: number, written: boolean): void {
    const unanswered = this.#openCommands().slice(this.#open === undefined ? 0 : this.#come);
    if (!written || this.request.isRead) return this.#settle(unanswered, true);
    this.#open ??= unanswered;
    for (const command of unanswered) this.#held.set(command, UNCERTAIN);
    return this.#settle([], true);
  }

  #settle(unanswered: readonly number[], wasLost: boolean): void {
    if (this.#open !== undefined) this.#open = [...this.#again, ...unanswered];
    this.#again = [];
    this.#come = this.#sent;
    this.#flush();
    this.owner.settled(this, wasLost);
  }

  #openCommands(): readonly number[] {
    if (this.#open !== undefined) return this.#open;
    const first = this.#answered;
    return Array.from({ length: this.request.count - first }, (_, i) => first + i);
  }

  /** A script is sent with the origin of its node; once not known, with its text. */
  #renew(evalBytes: (origin: number) => Buffer | readonly Buffer[], origin: number): void {
    const named = this.request.origin;
    if (this.useText || (named !== undefined && named !== origin))
      this.#commands = commandsOf(evalBytes(origin), 1);
  }

  #openBytes(): readonly Buffer[] {
    this.#commands ??= commandsOf(this.request.bytes, this.request.count);
    const pieces: Buffer[] = [];
    for (const command of this.#openCommands()) {
      if (this.#asking) pieces.push(ASKING);
      pieces.push(this.#commands[command]);
    }
    return pieces;
  }

  #hasRefusal(bytes: Buffer, count: number): boolean {
    for (let i = 0, at = 0; i < count; i++, at = replyEnd(bytes, at))
      if (bytes[at] === MINUS && this.#refusalAt(bytes, at) !== undefined) return true;
    return false;
  }

  #isReadonly(bytes: Buffer): boolean {
    return this.request.evalBytes !== undefined && !this.request.isRead && isReadonlyResult(bytes);
  }

  #refusalAt(bytes: Buffer, at: number): Refusal | undefined {
    const refusal = refusalAt(bytes, at, this.owner.isCluster);
    return refusal?.kind === 'noscript' && this.request.evalBytes === undefined ? undefined : refusal;
  }

  /** Looks at single replies: keeps those that may not go out yet, notes what was refused. */
  #sift(bytes: Buffer, count: number): void {
    if (this.#open === undefined) {
      this.#open = [...this.#openCommands()];
      this.#sent -= this.#come;
      this.#come = 0;
    }
    for (let i = 0, at = 0; i < count; i++) {
      const end = replyEnd(bytes, at);
      const isAskingReply = this.#skip;
      if (this.#asking) this.#skip = !this.#skip;
      if (!isAskingReply) this.#take(this.#open[this.#come++], bytes.subarray(at, end));
      at = end;
    }
    this.#flush();
  }

  #take(command: number, reply: Buffer): void {
    const refusal =
      reply[0] === MINUS ? this.#refusalAt(reply, 0) : this.#isReadonly(reply) ? READONLY : undefined;
    if (refusal === undefined && !this.owner.isStale(this)) {
      this.#held.set(command, Buffer.from(reply));
      return;
    }
    this.#again.push(command);
    if (refusal !== undefined) this.owner.refused(this, refusal);
  }

  /** Hands out the replies whose turn has come. */
  #flush(): void {
    for (;;) {
      const reply = this.#held.get(this.#answered);
      if (reply === undefined) return;
      this.#held.delete(this.#answered);
      this.#answered++;
      this.#sink.replies(reply, 1, reply[0] === MINUS ? 0 : -1);
    }
  }
}
