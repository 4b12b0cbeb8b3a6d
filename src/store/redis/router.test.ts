// The router against nodes played by the test: what is sent where, and in which order the replies come out.
import { describe, expect, it } from 'vitest';
import { type Clock, MqkvError, ROUTER_WAITING_BYTES_MAX } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { openRouter, type Router, type RouteRequest } from './router.ts';
import type { Node, Topology } from './topology/index.ts';
import type { Link, ReplySink } from './upstream/index.ts';

const LOST = new MqkvError('UNCERTAIN', 'lost');

interface Sent {
  readonly text: string;
  readonly count: number;
  readonly sink: ReplySink;
}

/** A node that keeps what it was sent until the test answers. */
class FakeNode implements Node {
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

interface World {
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

function world(isCluster = true): World {
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

const texts = (node: FakeNode): string[] => node.sent.map(({ text }) => text);
const WRITE = { isRead: false };

describe('the fast path', () => {
  it('passes bytes on and replies back as they are', () => {
    const { a, send } = world();
    const got = send('GET a; GET b; GET c');
    expect(texts(a)).toEqual(['GET a; GET b; GET c']);
    a.answer('+1', '-WRONGTYPE no');
    a.answer('+3');
    expect(got).toEqual(['+1', '-WRONGTYPE no', '+3']);
  });

  it('leaves errors that only look like refusals to the client', () => {
    const { a, send } = world(false);
    const got = send('GET a; GET b; GET c; GET d');
    const errors = ['-MOVED 7 x:2', '-ERR MOVED 7 x:2', '-NOSCRIPT no', '-LOADED x'];
    a.answer(...errors);
    expect(got).toEqual(errors);
  });
});

describe('MOVED', () => {
  it('asks the other node for what was refused only, replies in order', () => {
    const { a, b, send } = world();
    const got = send('GET a; GET b; GET c');
    a.answer('+1', '-MOVED 7 b:2', '+3');
    expect(got).toEqual(['+1']);
    expect(texts(b)).toEqual(['GET b']);
    b.answer('+2');
    expect(got).toEqual(['+1', '+2', '+3']);
  });

  it('keeps the order of requests, also of those that come meanwhile', () => {
    const { a, b, send } = world();
    const first = send('SET k 1', WRITE);
    const second = send('SET k 2', WRITE);
    a.answer('-MOVED 7 b:2');
    const third = send('SET k 3', WRITE);
    expect(texts(b)).toEqual([]); // `SET k 2` is still under way at a
    a.answer('-MOVED 7 b:2');
    expect(texts(b)).toEqual(['SET k 1', 'SET k 2', 'SET k 3']);
    for (const reply of ['+1', '+2', '+3']) b.answer(reply);
    expect([first, second, third]).toEqual([['+1'], ['+2'], ['+3']]);
  });

  it('lets a request wait when the map changes while others are under way at the old node', () => {
    const played = world();
    played.send('SET k 1', WRITE);
    played.owner = played.b;
    played.send('SET k 2', WRITE);
    expect(texts(played.b)).toEqual([]);
    played.a.answer('+OK');
    expect(texts(played.b)).toEqual(['SET k 2']);
  });

  it('to an address that the cluster does not have goes nowhere', () => {
    const played = world();
    const got = played.send('GET a');
    for (let i = 0; i < 5; i++) played.a.answer('-MOVED 7 evil:666');
    expect(texts(played.a)).toEqual([]); // pauses, no loop
    for (let i = 0; i < 202; i++) {
      while (played.a.sent.length > 0) played.a.answer('-MOVED 7 evil:666');
      played.tick();
    }
    expect(got).toEqual(['-UNAVAILABLE refused for 2 s (MOVED): not applied']);
  });
});

describe('ASK', () => {
  it('asks once, with ASKING before each command, and does not change the map', () => {
    const { a, b, send } = world();
    const got = send('GET a; GET b; GET c');
    a.answer('-ASK 7 b:2', '+2', '-ASK 7 b:2');
    expect(texts(b)).toEqual(['ASKING; GET a; ASKING; GET c']);
    b.answer('+OK');
    b.answer('+1', '+OK', '+3');
    expect(got).toEqual(['+1', '+2', '+3']);
    send('GET d');
    expect(texts(a)).toEqual(['GET d']);
  });
});

describe('TRYAGAIN', () => {
  it('is tried again after a pause; what came later waits where the order could be seen', () => {
    const { a, send, tick } = world();
    const write = send('MSET k 1 l 1', WRITE);
    a.answer('-TRYAGAIN later');
    const later = send('SET k 2', WRITE);
    const read = send('GET k');
    const other = send('GET x');
    expect(texts(a)).toEqual(['GET x']);
    a.answer('+x');
    expect(other).toEqual(['+x']);
    tick();
    expect(texts(a)).toEqual(['MSET k 1 l 1']);
    a.answer('-TRYAGAIN later');
    tick(5);
    expect(texts(a)).toEqual(['MSET k 1 l 1']);
    a.answer('+1');
    expect(texts(a)).toEqual(['SET k 2', 'GET k']);
    a.answer('+2');
    a.answer('+3');
    expect([write, later, read]).toEqual([['+1'], ['+2'], ['+3']]);
  });

  it('reads again what was read behind a refused write', () => {
    const { a, send, tick } = world();
    send('SET k 2', WRITE);
    const got = send('GET k');
    const other = send('GET x');
    a.answer('-TRYAGAIN later');
    a.answer('+1');
    a.answer('+x');
    expect([got, other]).toEqual([[], ['+x']]);
    tick();
    a.answer('+OK');
    expect(texts(a)).toEqual(['GET k']);
    a.answer('+2');
    expect(got).toEqual(['+2']);
  });

  it('ends after 2 s', () => {
    const { a, send, tick } = world();
    const got = send('SET k 2', WRITE);
    for (let i = 0; i < 202; i++) {
      while (a.sent.length > 0) a.answer('-TRYAGAIN later');
      tick();
    }
    expect(got).toEqual(['-UNAVAILABLE refused for 2 s (TRYAGAIN): not applied']);
  });
});

describe('a lost connection', () => {
  it('repeats reads from the first unanswered one', () => {
    const played = world();
    const got = played.send('GET a; GET b; GET c');
    played.a.answer('+1');
    played.a.lose(true);
    expect(played.refreshed).toEqual(['connection lost']);
    played.owner = played.b;
    played.tick();
    expect(texts(played.b)).toEqual(['GET b; GET c']);
    played.b.answer('+2', '+3');
    expect(got).toEqual(['+1', '+2', '+3']);
  });

  it('makes written writes uncertain, and repeats those that were not written', () => {
    const played = world();
    const got = played.send('SET a 1; SET b 1', WRITE);
    played.a.answer('+OK');
    played.a.lose(true);
    expect(got).toEqual(['+OK', expect.stringMatching(/^-UNCERTAIN /)]);
    played.a.state = 'ready';
    const second = played.send('SET a 1; SET b 1', WRITE);
    played.a.lose(false);
    played.a.state = 'ready';
    played.tick();
    played.a.answer('+OK', '+OK');
    expect(second).toEqual(['+OK', '+OK']);
  });

  it('that stays lost is UNAVAILABLE after 2 s', () => {
    const played = world();
    played.owner = undefined;
    const got = played.send('GET a');
    played.tick(200);
    expect(got).toEqual([]);
    played.tick();
    expect(got).toEqual(['-UNAVAILABLE no master is reachable: not applied']);
  });
});

describe('what waits', () => {
  it('is bounded in bytes', () => {
    const played = world();
    played.owner = undefined;
    const bytes = new Array<Buffer>(5).fill(Buffer.alloc(ROUTER_WAITING_BYTES_MAX / 4));
    const first = played.send('GET a', { bytes });
    const second = played.send('GET b');
    expect([first, second]).toEqual([[], ['-UNAVAILABLE too many commands wait for Redis: not applied']]);
    played.tick(201);
    expect(first.length).toBe(1);
    const third = played.send('GET c');
    played.owner = played.a;
    played.tick();
    played.a.answer('+3');
    expect(third).toEqual(['+3']);
  });
});

describe('scripts', () => {
  const evalBytes = (origin: number): Buffer => encodeCommand(['EVAL', `text${origin}`]);

  it('are sent with their text when not known, in order', () => {
    const { a, send } = world();
    send('EVALSHA 1', { ...WRITE, evalBytes, origin: 1 });
    send('EVALSHA 2', { ...WRITE, evalBytes, origin: 1 });
    a.answer('-NOSCRIPT no');
    a.answer('-NOSCRIPT no');
    expect(texts(a)).toEqual(['EVAL text1', 'EVAL text1']);
  });

  it('name the origin of the node that runs them', () => {
    const played = world();
    played.b.origin = 2;
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes, origin: 1 });
    played.a.answer('-READONLY you cannot');
    played.owner = played.b;
    played.tick();
    expect(texts(played.b)).toEqual(['EVAL text2']);
    played.b.answer('+OK');
    expect(got).toEqual(['+OK']);
    expect(played.refreshed).toEqual(['READONLY']);
  });
});

describe('a master that has become a replica', () => {
  const evalBytes = (): Buffer => encodeCommand(['EVAL', 'text']);
  const error = "-READONLY You can't write against a read only replica.";

  it.each([
    ['SET', `*2\r\n${error}\r\n${error}`],
    ['another command', `*1\r\n*2\r\n${error}\r\n$0\r\n`],
  ])('has its scripts repeated elsewhere: %s', (_, result) => {
    const played = world(false);
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes });
    played.a.answer(result);
    expect([got, played.refreshed]).toEqual([[], ['READONLY']]);
    played.owner = played.b;
    played.tick();
    played.b.answer('*0');
    expect(got).toEqual(['*0']);
  });

  it('is not what a script says that changed something', () => {
    const played = world(false);
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes });
    played.a.answer(`*1\r\n*2\r\n${error}\r\n$3\r\nabc`);
    expect(got[0]).toBe('*1');
  });
});

describe('replicas', () => {
  it('answer reads; what they do not answer the master does', () => {
    const played = world();
    played.a.replica = () => played.b.link();
    const got = played.send('GET a; GET b; GET c', { replica: true });
    expect(texts(played.b)).toEqual(['GET a; GET b; GET c']);
    played.b.answer('+1', '-MOVED 7 a:1', '+3');
    expect(texts(played.a)).toEqual(['GET b']);
    played.a.answer('+2');
    expect(got).toEqual(['+1', '+2', '+3']);
    const second = played.send('GET a', { replica: true });
    played.b.lose(true);
    played.a.answer('+1');
    expect(second).toEqual(['+1']);
  });
});

describe('single commands', () => {
  it('resolve with replies and reject with failures', async () => {
    const played = world();
    const value = played.router.call(7, ['GET', 'a'], { isRead: true });
    played.a.answer('-WRONGTYPE x');
    expect(await value).toEqual({ kind: 'error', text: 'WRONGTYPE x' });
    const lost = played.router.call(7, ['SET', 'a', '1']);
    played.a.lose(true);
    await expect(lost).rejects.toMatchObject({ code: 'UNCERTAIN' });
  });

  it('are answered when the router closes', async () => {
    const played = world();
    played.owner = undefined;
    const waiting = played.router.call(7, ['GET', 'a'], { isRead: true });
    await played.router.close();
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(played.router.call(7, ['GET', 'a'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
