// The router over two played cluster nodes between which a slot moves at random moments: every client sees its own order.
// As in a real cluster no slot comes or goes faster than a reply; where it did, nobody could know the order.
import { describe, expect, it } from 'vitest';
import { below, type Clock, type Random, seededRandom } from '../../base/index.ts';
import { CommandBatch, encodeCommand, RequestParser } from '../../resp/index.ts';
import { openRouter } from './router.ts';
import type { Node, Topology } from './topology/index.ts';
import type { Link, ReplySink } from '../../redis-link/index.ts';

const HEADERS = 'H'; // the hash of the slot: with every write

interface UnderWay {
  readonly commands: string[][];
  readonly sink: ReplySink;
  /** Bytes for each command executed so far. */
  readonly replies: string[];
  answered: number;
  /** The phase (the slot rests, or moves) in which it was sent. */
  readonly sentIn: number;
}

/** A node with real keys: executes and answers piece by piece, when the world says so. */
class PlayedNode implements Node {
  readonly name: string;
  readonly origin = 1;
  readonly isReady = true;
  readonly values = new Map<string, string>();
  owns = false;
  /** Set while the slot migrates away or comes in. */
  target: PlayedNode | undefined;
  isImporting = false;
  executed = 0;
  phase = 0;
  readonly #port: number;
  #isAsking = false;
  #queue: UnderWay[] = [];

  constructor(port: number) {
    this.#port = port;
    this.name = `node:${port}`;
  }

  /** Nothing is under way from an earlier phase: slots do not come and go faster than a reply. */
  get isSettled(): boolean {
    return this.#queue.every(({ sentIn }) => sentIn === this.phase);
  }

  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  link(): Link {
    return {
      state: 'ready',
      forward: (bytes: Buffer | readonly Buffer[], count: number, sink: ReplySink) =>
        this.#take(bytes, count, sink),
    } as Link;
  }

  dedicated(): Link {
    throw new Error('not used');
  }

  #take(bytes: Buffer | readonly Buffer[], count: number, sink: ReplySink): void {
    const batch = new CommandBatch();
    new RequestParser().parse(bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes), batch);
    expect(batch.count).toBe(count);
    const commands = Array.from({ length: count }, (_, i) =>
      Array.from({ length: batch.argc(i) }, (_, a) => batch.text(i, a)),
    );
    this.#queue.push({ commands, sink, replies: [], answered: 0, sentIn: this.phase });
  }

  /** Executes the next command that was sent. */
  execute(): void {
    const request = this.#queue.find(({ replies, commands }) => replies.length < commands.length);
    if (request === undefined) return;
    const command = request.commands[request.replies.length];
    const reply = this.#run(command);
    request.replies.push(reply);
  }

  /** Some of the replies arrive. */
  answer(random: Random): void {
    const request = this.#queue[0];
    if (request === undefined || request.answered === request.replies.length) return;
    const count = 1 + below(random, request.replies.length - request.answered);
    const some = request.replies.slice(request.answered, request.answered + count);
    request.answered += count;
    if (request.answered === request.commands.length) this.#queue.shift();
    const firstError = some.findIndex((reply) => reply.startsWith('-'));
    request.sink.replies(Buffer.from(some.join(''), 'latin1'), count, firstError);
  }

  #run([name, ...args]: string[]): string {
    if (name === 'ASKING') {
      this.#isAsking = true;
      return '+OK\r\n';
    }
    const isAsking = this.#isAsking;
    this.#isAsking = false;
    const keys = args.slice(0, -1);
    return this.#refusal(keys, isAsking) ?? this.#apply(name, args);
  }

  #refusal(keys: readonly string[], isAsking: boolean): string | undefined {
    const missing = keys.filter((key) => !this.values.has(key)).length;
    if (this.owns) {
      if (this.target === undefined || missing === 0) return undefined;
      return missing < keys.length ? '-TRYAGAIN later\r\n' : `-ASK 0 node:${this.target.#port}\r\n`;
    }
    if (!(isAsking && this.isImporting)) return `-MOVED 0 node:${3 - this.#port}\r\n`;
    return keys.length > 1 && missing > 0 ? '-TRYAGAIN later\r\n' : undefined;
  }

  #apply(name: string, args: readonly string[]): string {
    this.executed++;
    if (name === 'STRLEN') return `:${this.values.get(args[0])?.length ?? 0}\r\n`;
    const value = `${this.values.get(args[1]) ?? ''}x`;
    this.values.set(args[1], value);
    this.values.set(HEADERS, 'h');
    return `:${value.length}\r\n`;
  }
}

interface Client {
  readonly key: string;
  length: number;
  sent: number;
  readonly got: string[];
  readonly expected: string[];
}

class World {
  readonly random: Random;
  readonly nodes = [new PlayedNode(1), new PlayedNode(2)] as const;
  readonly clients: Client[] = ['a', 'b', 'c'].map((key) => ({
    key,
    length: 0,
    sent: 0,
    got: [],
    expected: [],
  }));
  readonly moves = { begun: 0, ended: 0 };
  #told: PlayedNode = this.nodes[0];
  #tick: (() => void) | undefined;
  readonly #router: ReturnType<typeof openRouter>;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.nodes[0].owns = true;
    const clock: Clock = {
      now: () => 0,
      after: () => ({ cancel: () => {} }),
      every: (_, task) => {
        this.#tick = task;
        return { cancel: () => void (this.#tick = undefined) };
      },
    };
    const topology: Topology = {
      isCluster: true,
      nodes: this.nodes,
      nodeOf: () => this.#told,
      ready: async () => this.#told,
      refresh: () => {},
      moved: (_slot, _host, port) => {
        this.#told = this.nodes[port - 1];
        return this.#told;
      },
      asking: (_slot, _host, port) => this.nodes[port - 1],
      onChange: undefined,
      close: async () => {},
    };
    this.#router = openRouter(topology, { clock });
  }

  step(): void {
    const node = this.nodes[below(this.random, 2)];
    const dice = below(this.random, 100);
    if (dice < 25) this.#send(this.clients[below(this.random, this.clients.length)]);
    else if (dice < 55) node.execute();
    else if (dice < 85) node.answer(this.random);
    else if (dice < 90) this.#tick?.();
    else if (dice < 97) this.#move();
    else if (below(this.random, 30) === 0 && this.#isResting) this.#told = node; // an old picture of the cluster
  }

  finish(): void {
    for (let i = 0; i < 50; i++) {
      for (const node of this.nodes) {
        while (!node.isIdle) {
          node.execute();
          node.answer(this.random);
        }
      }
      this.#tick?.();
      if (!this.#isResting && this.nodes.every((node) => node.isSettled)) this.#end();
    }
  }

  #send(client: Client): void {
    if (client.expected.length > client.got.length + 20) return;
    const isWrite = below(this.random, 2) === 0;
    const count = isWrite ? 1 : 1 + below(this.random, 3); // a script is one command
    const commands: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      commands.push(
        encodeCommand([
          ...(isWrite ? ['APPEND', HEADERS, client.key] : ['STRLEN', client.key]),
          `${client.key}#${++client.sent}`,
        ]),
      );
      if (isWrite) client.length++;
      client.expected.push(`:${client.length}`);
    }
    const sink: ReplySink = {
      replies: (bytes) => client.got.push(...bytes.toString('latin1').split('\r\n').slice(0, -1)),
      failed: () => client.got.push('failed'),
    };
    const bytes = Buffer.concat(commands);
    this.#router.send({ slot: 0, bytes, count, protocol: 2, isRead: !isWrite }, sink);
  }

  /** Begins, goes on with, or ends the move of the slot. */
  #move(): void {
    const from = this.nodes[0].owns ? this.nodes[0] : this.nodes[1];
    const to = from === this.nodes[0] ? this.nodes[1] : this.nodes[0];
    const maySwitch = this.nodes.every((node) => node.isSettled) && this.#told === from;
    if (from.target === undefined) return maySwitch ? this.#begin(from, to) : undefined;
    const [key] = [...from.values.keys()].slice(below(this.random, Math.max(1, from.values.size)));
    if (key === undefined) return maySwitch ? this.#end() : undefined;
    moveKey(from, to, key);
  }

  #begin(from: PlayedNode, to: PlayedNode): void {
    from.target = to;
    to.isImporting = true;
    this.moves.begun++;
    this.#nextPhase();
  }

  get #isResting(): boolean {
    return this.nodes.every((node) => node.target === undefined);
  }

  #nextPhase(): void {
    for (const node of this.nodes) node.phase++;
  }

  #end(): void {
    const from = this.nodes[0].owns ? this.nodes[0] : this.nodes[1];
    const to = from === this.nodes[0] ? this.nodes[1] : this.nodes[0];
    for (const key of from.values.keys()) moveKey(from, to, key);
    from.owns = false;
    from.target = undefined;
    to.owns = true;
    to.isImporting = false;
    this.moves.ended++;
    this.#nextPhase();
  }
}

function moveKey(from: PlayedNode, to: PlayedNode, key: string): void {
  to.values.set(key, from.values.get(key) ?? '');
  from.values.delete(key);
}

describe('a slot that moves at random moments', () => {
  it('shows every client its own commands in their order, each applied once', () => {
    let [ended, executed] = [0, 0];
    for (let seed = 1; seed <= 400; seed++) {
      const world = new World(seed);
      for (let i = 0; i < 600; i++) world.step();
      world.finish();
      for (const { got, expected, key } of world.clients)
        expect({ seed, key, got }).toEqual({ seed, key, got: expected });
      ended += world.moves.ended;
      executed += world.nodes[0].executed + world.nodes[1].executed;
    }
    expect(ended).toBeGreaterThan(400);
    expect(executed).toBeGreaterThan(20_000);
  });
});
