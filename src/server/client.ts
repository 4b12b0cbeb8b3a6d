// One client: input to commands, commands to the handler in order, replies to the socket.
//
// 1. One command of a client runs at a time, in the order received; replies are written in that order.
// 2. While a command waits (async handler) or output is not drained (`blocked`), input is kept, up to a bound, and
//    beyond it not read.
// 3. Replies of a chunk go out in one write, unless they grow large or a command waits.
// 4. A place that a handler took for replies to come (`later`) keeps its rank; the output keeps what stands behind it.
// 5. After close or detach nothing more is executed and nothing written.
import type { Socket } from 'node:net';
import { assert, messageOf, noteYoungGarbage } from '../base/index.ts';
import { type ParseStatus, type ReplyWriter, RequestParser } from '../resp/index.ts';
import { addressesOf } from './addresses.ts';
import type { Connection } from './connection.ts';
import { Input } from './input.ts';
import type { Lane } from './lane.ts';
import type { LaterReply } from './late-replies.ts';
import { Output } from './output.ts';
import type { ServerCore } from './server-core.ts';
import { onSocket } from './socket-events.ts';

const EMPTY = Buffer.alloc(0);

/** What a client is made of. */
export interface ClientOptions {
  readonly socket: Socket;
  /** The Unix socket that it came in by, or empty. */
  readonly path: string;
  readonly id: number;
}

/** Units: ms. How long (up to twice that) a command of a client that has closed its side may wait for its handler. */
const ENDED_WAIT_MS = 1000;

type Phase = 'open' | 'finishing' | 'closed' | 'detached';

/** A client of a server. */
export class Client implements Connection {
  readonly id: number;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly openedAtMs: number;
  name = '';
  lastCommand = '';
  state: unknown = undefined;
  keepOpen = false;
  isWaitOptional = false;
  lastInputAtMs: number;
  readonly #core: ServerCore;
  readonly #parser: RequestParser;
  readonly #output: Output;
  readonly #input: Input;
  readonly #socket: Socket;
  readonly #unattach: () => void;
  #protocol: 2 | 3 = 2;
  #phase: Phase = 'open';
  /** The lane of the chunk under way. */
  #lane: Lane | undefined;
  #next = 0;
  #prepared = 0;
  #status: ParseStatus = 'done';
  #running = false;
  #waiting = false;
  /** A command has waited since replies were sent last. */
  #hasWaited = false;
  #ended = false;
  #controller: AbortController | undefined;

  constructor(core: ServerCore, { socket, path, id }: ClientOptions) {
    this.#core = core;
    this.#socket = socket;
    this.id = id;
    this.openedAtMs = core.clock.now();
    this.lastInputAtMs = this.openedAtMs;
    const { remote, local } = addressesOf(socket, path);
    this.remoteAddress = remote;
    this.localAddress = local;
    this.#parser = new RequestParser(core.limits);
    this.#output = new Output(socket, core, { goOn: () => this.#goOn(), overflow: () => this.#overflow() });
    this.#input = new Input(socket, core.limits);
    this.#unattach = onSocket(socket, {
      received: (chunk) => this.#receive(chunk),
      ended: () => this.#receiveEnd(),
      gone: () => this.#gone(),
      failed: (error) => core.logger.debug({ client: id, error: messageOf(error) }, 'connection failed'),
    });
  }

  get protocol(): 2 | 3 {
    return this.#protocol;
  }

  set protocol(protocol: 2 | 3) {
    this.#protocol = protocol;
    if (this.#lane !== undefined) this.#lane.writer.protocol = protocol;
  }

  get authenticated(): boolean {
    return this.#parser.authenticated;
  }

  set authenticated(yes: boolean) {
    this.#parser.authenticated = yes;
  }

  get bytesQueued(): number {
    return this.#output.bytesQueued;
  }

  get closed(): boolean {
    return this.#phase !== 'open';
  }

  /** A command waits for its handler, or replies are to come. */
  get waiting(): boolean {
    return this.#waiting || this.#output.isLate;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#phase === 'closed' || this.#phase === 'detached') this.#controller.abort();
    return this.#controller.signal;
  }

  #receive(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    this.#core.inputBytes += chunk.length;
    noteYoungGarbage(chunk.length);
    this.lastInputAtMs = this.#core.clock.now();
    if (this.#lane === undefined && !this.#output.blocked) this.#run(chunk);
    else this.#input.push(chunk);
  }

  /**
   * The client has sent its last byte: what is in is answered, then the connection ends. It may as well be gone
   * altogether (the two look alike), so a handler that waits long is not waited for.
   */
  #receiveEnd(): void {
    if (this.isWaitOptional && this.#waiting) this.close();
    this.drain();
    if (this.#phase !== 'open') return;
    let seen = -1;
    const timer = this.#core.clock.every(ENDED_WAIT_MS, () => {
      if (this.#waiting && this.#next === seen) this.close();
      seen = this.#waiting ? this.#next : -1;
    });
    this.#socket.once('close', () => timer.cancel());
  }

  push(write: (reply: ReplyWriter) => void): void {
    if (this.#phase !== 'open') return;
    if (this.#running && this.#lane !== undefined) {
      write(this.#lane.writer);
      return;
    }
    const writer = this.#core.pushWriter;
    writer.protocol = this.#protocol;
    try {
      write(writer);
    } finally {
      this.#output.push(writer.take());
    }
    if (this.#output.bytesQueued > this.#core.limits.outputBytesMax) this.#overflow();
  }

  later(count: number): LaterReply {
    const lane = this.#lane;
    assert(lane !== undefined && this.#running, 'a handler runs');
    if (lane.writer.length > 0) this.#send(lane);
    const { ends } = lane.batch;
    const first = this.#next - 1;
    const inputBytes = ends[first + count - 1] - (first === 0 ? 0 : ends[first - 1]);
    return this.#output.later({ commands: count, inputBytes });
  }

  close(afterFlush = false): void {
    if (this.#phase !== 'open') {
      if (!afterFlush && this.#phase === 'finishing') this.#socket.destroy();
      return;
    }
    if (!afterFlush) {
      this.#socket.destroy();
      this.#gone();
      return;
    }
    this.#phase = 'finishing';
    if (this.#running || this.#waiting) return;
    this.#release();
    this.#finish();
  }

  /** No more commands are read; those that are in are answered, then the connection ends. */
  drain(): void {
    this.#ended = true;
    this.#finishIfIdle();
  }

  detach(): { readonly socket: Socket; readonly head: Buffer } {
    const lane = this.#lane;
    const head = lane === undefined ? [this.#parser.held()] : [lane.batch.rest(this.#next - 1)];
    if (lane !== undefined) this.#output.write(lane.writer.take());
    this.#output.flush();
    this.#output.unattach();
    this.#unattach();
    this.#socket.pause();
    const rest = Buffer.concat([...head, ...this.#input.takeAll()]);
    this.#leave('detached');
    return { socket: this.#socket, head: rest };
  }

  #gone(): void {
    if (this.#phase === 'open' || this.#phase === 'finishing') this.#leave('closed');
  }

  #leave(phase: 'closed' | 'detached'): void {
    this.#phase = phase;
    this.#input.takeAll();
    this.#output.drop();
    if (!this.#running && !this.#waiting) this.#release();
    this.#core.forget(this);
    this.#controller?.abort();
  }

  #run(chunk: Buffer): void {
    const lane = this.#core.lanes.take();
    lane.writer.protocol = this.#protocol;
    this.#lane = lane;
    this.#parse(lane, chunk);
    this.#execute(lane);
  }

  #parse(lane: Lane, chunk: Buffer): void {
    this.#status = this.#parser.parse(chunk, lane.batch);
    this.#next = 0;
    this.#prepared = 0;
    this.#core.commands += lane.batch.count;
  }

  /** Hot. Runs the lane's commands until they are done or must wait. */
  #execute(lane: Lane): void {
    const { batch, writer } = lane;
    const core = this.#core;
    const { handler, limits } = core;
    const isPlain = handler.handleRun === undefined;
    for (;;) {
      this.#running = true;
      while (this.#next < batch.count) {
        const i = this.#next++;
        if (i >= this.#prepared) this.#prepared = this.#core.prepare(this, lane, i);
        const mark = writer.length;
        try {
          const taken = isPlain ? 0 : (handler.handleRun?.(this, batch, i, writer) ?? 0);
          if (taken > 0) {
            this.#next = i + taken;
            if (this.#output.blocked) return this.#hold(lane);
          } else {
            const result = handler.handle(this, batch, i, writer);
            if (result !== undefined && isPromise(result)) return this.#wait(lane, mark, result);
          }
        } catch (error) {
          this.#failed(lane, mark, error);
        }
        if (this.#phase !== 'open') return this.#stopped(lane);
        if (writer.length > limits.replyFlushBytes && this.#flushEarly(lane)) return;
      }
      this.#running = false;
      if (!this.#parser.unread) break;
      this.#parse(lane, EMPTY);
    }
    if (this.#status === 'malformed') return this.#malformed(lane);
    if (writer.length > 0) this.#send(lane);
    this.#release();
    if (this.#ended) this.#finishIfIdle();
  }

  #wait(lane: Lane, mark: number, result: Promise<void>): void {
    this.#running = false;
    this.#waiting = true;
    const before = Math.min(mark, lane.writer.length);
    if (this.#phase === 'open' && before > 0) this.#send(lane, before);
    this.#core.lanes.keep(lane);
    this.#hasWaited = true;
    const settled = (): void => {
      this.#waiting = false;
      this.#goOn();
    };
    result.then(settled, (error: unknown) => {
      this.#failed(lane, 0, error);
      settled();
    });
  }

  #failed(lane: Lane, mark: number, error: unknown): void {
    this.#core.logFailure(this, lane.batch.name(this.#next - 1), error);
    lane.writer.truncate(Math.min(mark, lane.writer.length));
    lane.writer.error('ERR internal error');
  }

  /** Sends replies (all, or `bytes` of them), at once or when the handler says that they may leave (4). */
  #send(lane: Lane, bytes?: number): void {
    const pieces = lane.writer.take(bytes);
    const settled = this.#core.handler.settled?.(this, this.#hasWaited);
    this.#hasWaited = false;
    if (settled === undefined) return this.#output.write(pieces);
    const place = this.#output.later({ commands: lane.batch.count, inputBytes: 0 });
    settled.then(
      () => {
        place.write(pieces);
        place.end();
      },
      () => this.close(),
    );
  }

  /** Sends what has grown large. True: the client does not take it, so the rest of its commands waits. */
  #flushEarly(lane: Lane): boolean {
    this.#send(lane);
    if (!this.#output.blocked) return false;
    this.#hold(lane);
    return true;
  }

  /** The rest of the commands waits until the output goes on. */
  #hold(lane: Lane): void {
    this.#running = false;
    if (lane.writer.length > 0) this.#send(lane);
    this.#core.lanes.keep(lane);
  }

  /** Closed, finishing or detached by a handler. */
  #stopped(lane: Lane): void {
    this.#running = false;
    if (this.#phase === 'finishing') this.#send(lane);
    this.#release();
    if (this.#phase === 'finishing') this.#finish();
  }

  #malformed(lane: Lane): void {
    lane.writer.error(this.#parser.problem);
    this.#core.logger.debug({ client: this.id, problem: this.#parser.problem }, 'malformed request');
    this.#send(lane);
    this.#release();
    this.#finish();
  }

  #release(): void {
    if (this.#lane !== undefined) this.#core.lanes.release(this.#lane);
    this.#lane = undefined;
  }

  /** Output has drained, or a wait is over: execute what is there. */
  #goOn(): void {
    if (this.#waiting) return;
    const lane = this.#lane;
    if (this.#phase !== 'open') {
      if (lane !== undefined) this.#stopped(lane);
      return;
    }
    if (this.#output.blocked) return;
    if (lane !== undefined) this.#execute(lane);
    this.#takeInput();
  }

  #takeInput(): void {
    while (this.#lane === undefined && !this.#output.blocked && this.#phase === 'open') {
      const chunk = this.#input.shift();
      if (chunk === undefined) break;
      this.#run(chunk);
    }
    if (this.#input.empty) this.#input.pause(false);
    this.#finishIfIdle();
  }

  #finishIfIdle(): void {
    const idle = this.#lane === undefined && this.#input.empty;
    if (this.#ended && idle && this.#phase === 'open') this.#finish();
  }

  #finish(): void {
    this.#phase = 'finishing';
    this.#input.takeAll();
    this.#output.end();
    this.#input.pause(false);
  }

  #overflow(): void {
    if (this.#phase === 'closed' || this.#phase === 'detached') return;
    this.#core.logger.warn(
      { client: this.id, bytesQueued: this.bytesQueued },
      'client reads too slowly, closed',
    );
    this.close();
  }
}

/** A handler may return anything where nothing is asked of it. */
function isPromise(result: unknown): result is Promise<void> {
  return typeof result === 'object' && result !== null && 'then' in result;
}
