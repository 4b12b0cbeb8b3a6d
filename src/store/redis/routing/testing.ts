// For tests: a router over nodes played by the test, which sees what they were sent and answers it.
import { type Clock, MqkvError } from '../../../base/index.ts';
import { encodeCommand } from '../../../resp/index.ts';
import { openRouter, type Router, type RouteRequest } from '../router.ts';
import type { Node, Topology } from '../topology/index.ts';
import type { Link, ReplySink } from '../../../redis-link/index.ts';

const LOST = new MqkvError('UNCERTAIN', 'lost');

interface Sent {
  readonly text: string;
  readonly count: number;
  readonly sink: ReplySink;
}

/** A node that keeps what it was sent until the test answers. */
export class FakeNode implements Node {
  readonly name: string;
  origin = 1;
  isReady = true;
  state: Link['state'] = 'ready';
  readonly sent: Sent[] = [];
  readonly #link: Link;

  constructor(name: string) {
    this.name = name;
    const state = (): Link['state'] => this.state;
    this.#link = {
      get state() {
        return state();
      },
      forward: (bytes: Buffer | readonly Buffer[], count: number, sink: ReplySink) => {
        const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
        this.sent.push({ text: short(whole), count, sink });
      },
    } as Link;
  }

  link(): Link {
    return this.#link;
  }

  dedicated(): Link {
    throw new Error('not used');
  }

  replica?: () => Link | undefined;

  /** Answers the oldest request, whole or its first replies. */
  answer(...replies: readonly string[]): void {
    const { sink, count } = this.sent[0];
    const bytes = Buffer.from(replies.map((reply) => `${reply}\r\n`).join(''), 'latin1');
    if (replies.length === count) this.sent.shift();
    else this.sent[0] = { ...this.sent[0], count: count - replies.length };
    sink.replies(
      bytes,
      replies.length,
      replies.findIndex((reply) => reply.startsWith('-')),
    );
  }

  lose(written: boolean): void {
    this.state = 'down';
    for (const { sink, count } of this.sent.splice(0)) sink.failed(count, written, LOST);
  }
}

/** `*2 $3 GET $1 a` as `GET a`. */
function short(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .split('*')
    .slice(1)
    .map((command) =>
      command
        .split('\r\n')
        .filter((line, i) => i > 0 && line !== '' && !line.startsWith('$'))
        .join(' '),
    )
    .join('; ');
}

export interface World {
  readonly a: FakeNode;
  readonly b: FakeNode;
  readonly router: Router;
  /** The node of every slot. */
  owner: FakeNode | undefined;
  readonly refreshed: string[];
  /** Lets 10 ms pass. */
  tick(times?: number): void;
  send(commands: string, options?: Partial<RouteRequest>): string[];
}

export function world(isCluster = true): World {
  const [a, b] = [new FakeNode('a:1'), new FakeNode('b:2')];
  let ticker: (() => void) | undefined;
  const refreshed: string[] = [];
  const clock: Clock = {
    now: () => 0,
    after: () => ({ cancel: () => {} }),
    every: (_, task) => {
      ticker = task;
      return { cancel: () => void (ticker = undefined) };
    },
  };
  const named = (port: number): FakeNode | undefined => (port === 1 ? a : port === 2 ? b : undefined);
  const topology: Topology = {
    isCluster,
    nodeOf: () => (made.owner?.isReady === true ? made.owner : undefined),
    nodes: [a, b],
    ready: async () => a,
    refresh: (reason) => void refreshed.push(reason),
    moved: (_slot, _host, port) => {
      const node = named(port);
      if (node !== undefined) made.owner = node;
      return node;
    },
    asking: (_slot, _host, port) => named(port),
    onChange: undefined,
    close: async () => {},
  };
  const made: World = {
    a,
    b,
    owner: a,
    refreshed,
    router: openRouter(topology, { clock }),
    tick: (times = 1) => {
      for (let i = 0; i < times; i++) ticker?.();
    },
    send: (commands, options = {}) => {
      const got: string[] = [];
      const list = commands.split('; ');
      const bytes = Buffer.concat(list.map((command) => encodeCommand(command.split(' '))));
      const sink: ReplySink = {
        replies: (reply) => got.push(...reply.toString('latin1').split('\r\n').slice(0, -1)),
        failed: () => got.push('failed'),
      };
      made.router.send({ slot: 7, bytes, count: list.length, protocol: 2, isRead: true, ...options }, sink);
      return got;
    },
  };
  return made;
}

export const texts = (node: FakeNode): string[] => node.sent.map(({ text }) => text);
export const WRITE = { isRead: false };
