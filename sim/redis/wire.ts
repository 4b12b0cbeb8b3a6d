// Connections to a simulated Redis: in order, with a way's latency, cut at will; requests under way may have run when a connection dies.
import type { Random } from '../../src/base/index.ts';
import { below } from '../../src/base/index.ts';
import type { UpstreamSocket } from '../../src/redis-link/index.ts';
import { Session } from './engine/session.ts';
import type { RedisNode } from './node.ts';

/** Who connects: a process on the world's time. */
export interface Caller {
  readonly isAlive: boolean;
  /** It stands still: what comes is read later. Units: ms; 0: it runs. */
  readonly stalledMs: number;
}

/** What the wires run on. */
export interface WireGround {
  readonly nowMs: number;
  after(delayMs: number, task: () => void): { cancel(): void };
}

interface Events {
  connect: (() => void)[];
  data: ((chunk: Buffer) => void)[];
  error: ((error: Error) => void)[];
  drain: (() => void)[];
  close: (() => void)[];
}

/** The client's end, with the server's session behind it. */
export class Wire implements UpstreamSocket {
  readonly writableLength = 0;
  readonly #node: RedisNode;
  readonly #ground: WireGround;
  readonly #caller: Caller;
  readonly #random: Random;
  readonly #events: Events = { connect: [], data: [], error: [], drain: [], close: [] };
  #session: Session | undefined;
  #isClosed = false;
  /** The server's side is gone: nothing runs any more, nothing comes. */
  #isCut = false;
  /** Of those requests that still run after the cut. */
  #grace = 0;
  #toServerMs = 0;
  #toClientMs = 0;
  readonly #toServer: (() => void)[] = [];
  readonly #toClient: (() => void)[] = [];

  constructor(node: RedisNode, on: { ground: WireGround; caller: Caller; random: Random }) {
    this.#node = node;
    this.#ground = on.ground;
    this.#caller = on.caller;
    this.#random = on.random;
    this.#up(() => this.#arrive());
  }

  on(event: keyof Events | 'secureConnect', run: (value: never) => void): this {
    if (event !== 'secureConnect') (this.#events[event] as ((value: never) => void)[]).push(run);
    return this;
  }

  once(event: 'connect' | 'secureConnect', run: () => void): this {
    return this.on(event, run);
  }

  cork(): void {}

  uncork(): void {}

  setNoDelay(): void {}

  setKeepAlive(): void {}

  write(bytes: Buffer): boolean {
    const text = bytes.toString('latin1');
    this.#up(() => this.#serve(text));
    return true;
  }

  /** The client's side ends: what it has written still arrives. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#up(() => this.#end());
  }

  /** The connection breaks. What is on its way to the server may still run; no reply comes. */
  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#grace = below(this.#random, 3);
    this.#down(() => this.#close(new Error('read ECONNRESET')));
  }

  /** The server is gone at once: nothing under way runs. */
  kill(): void {
    this.cut();
    this.#grace = 0;
    this.#end();
  }

  #arrive(): void {
    if (!this.#node.isUp || this.#isCut) {
      this.#isCut = true;
      return this.#down(() => this.#close(new Error('connect ECONNREFUSED')));
    }
    this.#node.wires.add(this);
    this.#session = new Session(this.#node.server, (text) => this.#reply(text));
    this.#down(() => {
      if (!this.#isClosed) for (const run of this.#events.connect) run();
    });
  }

  #serve(text: string): void {
    if (this.#isCut && --this.#grace < 0) return this.#end();
    if (this.#node.isUp) this.#session?.feed(text);
  }

  #reply(text: string): void {
    if (this.#isCut) return;
    this.#down(() => {
      if (this.#isClosed || this.#isCut) return;
      const bytes = Buffer.from(text, 'latin1');
      for (const run of this.#events.data) run(bytes);
    });
  }

  #close(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const run of this.#events.error) run(error);
    for (const run of this.#events.close) run();
  }

  #end(): void {
    this.#node.wires.delete(this);
    this.#session?.close();
    this.#session = undefined;
  }

  /** To the server, behind what went before: each arrival takes the first that waits, whatever a stall did to their times. */
  #up(task: () => void): void {
    const { nowMs } = this.#ground;
    this.#toServerMs = Math.max(this.#toServerMs, nowMs + this.#node.latencyMs(this.#random));
    this.#toServer.push(task);
    this.#ground.after(this.#toServerMs - nowMs, () => this.#whenServed());
  }

  #whenServed(): void {
    const waitMs = this.#node.stalledUntilMs - this.#ground.nowMs;
    if (waitMs > 0) this.#ground.after(waitMs, () => this.#whenServed());
    else this.#toServer.shift()?.();
  }

  /** To the client, as long as it lives. */
  #down(task: () => void): void {
    const { nowMs } = this.#ground;
    this.#toClientMs = Math.max(this.#toClientMs, nowMs + this.#node.latencyMs(this.#random));
    this.#toClient.push(task);
    this.#ground.after(this.#toClientMs - nowMs, () => this.#whenHeard());
  }

  #whenHeard(): void {
    if (!this.#caller.isAlive) return;
    if (this.#caller.stalledMs > 0) this.#ground.after(this.#caller.stalledMs, () => this.#whenHeard());
    else this.#toClient.shift()?.();
  }
}
