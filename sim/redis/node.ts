// A simulated Redis as a machine: up or down, slow or full, and set back to what it was a while ago.
import { below, type Clock, type Random } from '../../src/base/index.ts';
import { type Image, RedisServer } from './engine/server.ts';
import type { Ground } from '../../src/redis-link/index.ts';
import { type Caller, Wire, type WireGround } from './wire.ts';

/** Units: ms. How often an image is kept, and how many of them: what a restart or failover may lose. */
const IMAGE_MS = 200;
const IMAGES_MAX = 8;

/** How a server comes back: with all it had, without its last writes (also: another server that lagged behind takes over), or empty. */
export type Comeback = 'whole' | 'behind' | 'empty';

export interface RedisNodeOptions {
  readonly clock: Clock;
  readonly ground: WireGround;
  readonly random: Random;
  /** Messages take no time. */
  readonly isAtOnce?: boolean;
}

export class RedisNode {
  readonly server: RedisServer;
  readonly wires = new Set<Wire>();
  isUp = true;
  /** Units: ms of the world. Until then it answers nothing. */
  stalledUntilMs = 0;
  /** Units: ms more for each way. */
  slowMs = 0;
  readonly #ground: WireGround;
  readonly #random: Random;
  readonly #isAtOnce: boolean;
  #images: Image[] = [];
  #imagedAt = -1;

  constructor({ clock, ground, random, isAtOnce = false }: RedisNodeOptions) {
    this.#isAtOnce = isAtOnce;
    this.#ground = ground;
    this.#random = random;
    this.server = new RedisServer({ clock, random });
    clock.every(IMAGE_MS, () => this.#keepImage());
  }

  /** Units: ms of one way of one message. */
  latencyMs(random: Random): number {
    if (this.#isAtOnce) return 0;
    return 0.2 + below(random, 20) / 10 + (this.slowMs > 0 ? below(random, this.slowMs) : 0);
  }

  /** What a process connects by. */
  groundFor(caller: Caller): Ground {
    const { after } = this.#ground;
    return {
      dial: () => new Wire(this, { ground: this.#ground, caller, random: this.#random }),
      turn: (run) => {
        after.call(this.#ground, caller.stalledMs, () => {
          if (caller.isAlive) run();
        });
      },
    };
  }

  /** The first 32 bits of its replication id, as the gateway knows it. */
  get origin(): number {
    return Math.min(0xfffffffe, Math.max(1, Number.parseInt(this.server.replid.slice(0, 8), 16)));
  }

  /** Whether a client's write would be executed now. */
  takesWrites(): boolean {
    const { isFull, isStuck, isLoading } = this.server;
    return this.isUp && this.stalledUntilMs <= this.#ground.nowMs && !isFull && !isStuck && !isLoading;
  }

  /** Permille of clients' writes whose reply is lost. */
  lostReplies = 0;

  losesReplies(): boolean {
    return this.lostReplies > 0 && below(this.#random, 1000) < this.lostReplies;
  }

  /** All connections break; some requests under way still run, no reply comes. */
  cut(): void {
    for (const wire of this.wires) wire.cut();
  }

  /** The process is gone. */
  stop(): void {
    this.isUp = false;
    for (const wire of this.wires) wire.kill();
  }

  /** It serves again, as another history. */
  start(how: Comeback): void {
    this.server.restart(this.#imageFor(how));
    this.#images = [];
    this.#imagedAt = -1;
    this.stalledUntilMs = 0;
    this.isUp = true;
  }

  /** At once another server takes over, which has not all of the last writes. */
  failOver(): void {
    this.stop();
    this.start('behind');
  }

  #imageFor(how: Comeback): Image | undefined {
    if (how === 'empty') return undefined;
    if (how === 'whole' || this.#images.length === 0) return this.server.image();
    return this.#images[below(this.#random, this.#images.length)];
  }

  #keepImage(): void {
    if (!this.isUp || this.#imagedAt === this.server.executed) return;
    this.#imagedAt = this.server.executed;
    this.#images.push(this.server.image());
    if (this.#images.length > IMAGES_MAX) this.#images.shift();
  }
}
