// Replies that come later, over real sockets: order, bounds, ends.
import { afterEach, describe, expect, it } from 'vitest';
import { LATE_COMMANDS_MAX, LATE_INPUT_BYTES_MAX, seededRandom, below } from '../base/index.ts';
import { encodeCommand } from '../resp/index.ts';
import {
  createServer,
  type Handler,
  type LaterReply,
  Mux,
  type RespServer,
  type ServerOptions,
} from './index.ts';
import { eventually, type RawClient, rawClient } from './testing.ts';

/** A run of LATE commands that waits for its replies. */
interface Run {
  readonly place: LaterReply;
  readonly words: readonly string[];
}

/** LATE word: answered when the test says so; all others by a mux, at once. */
class LateHandler implements Handler {
  readonly runs: Run[] = [];
  readonly executed: string[] = [];
  readonly #mux = new Mux()
    .command('echo', ({ reply, arg, text }) => {
      this.executed.push(text(1));
      reply.bulk(arg(1));
    })
    .command('slow', async ({ reply }) => {
      await new Promise((resolve) => setImmediate(resolve));
      reply.simple('slow');
    })
    .command('quit', ({ reply, connection }) => {
      reply.ok();
      connection.close(true);
    })
    .command('cut', ({ connection }) => connection.close())
    .command('detach', ({ connection }) => void connection.detach().socket.end('mine\r\n'));

  readonly handleRun: NonNullable<Handler['handleRun']> = (connection, batch, from) => {
    const words: string[] = [];
    for (let i = from; i < batch.count && batch.name(i) === 'LATE'; i++) words.push(batch.text(i, 1));
    if (words.length > 0) this.runs.push({ place: connection.later(words.length), words });
    return words.length;
  };

  readonly handle: Handler['handle'] = (connection, batch, index, reply) =>
    this.#mux.handle(connection, batch, index, reply);

  /** Answers run `i` whole. */
  answer(i: number): void {
    const { place, words } = this.runs[i];
    place.write(words.map((word) => Buffer.from(`+${word}\r\n`)));
    place.end();
  }
}

const servers: RespServer[] = [];

async function opened(options: Partial<ServerOptions> = {}): Promise<{
  readonly handler: LateHandler;
  readonly client: RawClient;
  readonly server: RespServer;
}> {
  const handler = new LateHandler();
  const server = createServer({ handler, ...options });
  servers.push(server);
  return { handler, server, client: await rawClient(await server.listen()) };
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
});

describe('late replies', () => {
  it('keep the order of output while later commands are executed', async () => {
    const { handler, client } = await opened();
    client.send('ECHO a\r\nLATE b\r\nLATE c\r\nECHO d\r\nLATE e\r\nSLOW\r\nLATE f\r\n');
    await client.until('a\r\n');
    await eventually(() => handler.runs.length === 3);
    expect(handler.executed).toEqual(['a', 'd']);
    expect(handler.runs.map(({ words }) => words)).toEqual([['b', 'c'], ['e'], ['f']]);
    handler.answer(2);
    handler.answer(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.received()).toBe('$1\r\na\r\n');
    handler.answer(0);
    expect(await client.until('+f\r\n')).toBe('$1\r\na\r\n+b\r\n+c\r\n$1\r\nd\r\n+e\r\n+slow\r\n+f\r\n');
  });

  it('leave in parts while their place is the first', async () => {
    const { handler, client } = await opened();
    client.send('LATE a\r\nLATE b\r\n');
    await eventually(() => handler.runs.length === 1);
    const [{ place }] = handler.runs;
    place.writeBytes(Buffer.from('+a\r\n'));
    await client.until('+a\r\n');
    place.writeBytes(Buffer.from('+b\r\n'));
    place.end();
    place.end();
    expect(await client.until('+b\r\n')).toBe('+a\r\n+b\r\n');
  });

  it('come before out-of-band output that was pushed after their commands', async () => {
    const { handler, client, server } = await opened();
    client.send('LATE a\r\n');
    await eventually(() => handler.runs.length === 1);
    for (const connection of server.connections.values()) connection.push((reply) => reply.simple('pushed'));
    handler.answer(0);
    expect(await client.until('+pushed\r\n')).toBe('+a\r\n+pushed\r\n');
  });

  it('are waited for by QUIT, by the end of the client and by the end of the server', async () => {
    for (const end of ['quit', 'client', 'server'] as const) {
      const { handler, client, server } = await opened();
      client.send(`LATE a\r\n${end === 'quit' ? 'QUIT\r\nECHO x\r\n' : ''}`);
      await eventually(() => handler.runs.length === 1);
      if (end === 'client') client.socket.end();
      const closing = end === 'server' ? server.close({ graceMs: 10_000 }) : undefined;
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      expect(client.received()).toBe('');
      handler.answer(0);
      expect(await client.closed()).toBe(end === 'quit' ? '+a\r\n+OK\r\n' : '+a\r\n');
      await closing;
      expect(handler.executed).toEqual([]);
    }
  });

  it('are dropped when the connection is closed at once, detached, or gone', async () => {
    for (const end of ['CUT', 'DETACH', 'gone'] as const) {
      const { handler, client, server } = await opened();
      client.send(`LATE a\r\n${end === 'gone' ? '' : `${end}\r\n`}`);
      await eventually(() => handler.runs.length === 1);
      if (end === 'gone') client.socket.resetAndDestroy();
      await eventually(() => server.connections.size === 0);
      handler.answer(0);
      expect(await client.closed()).toBe(end === 'DETACH' ? 'mine\r\n' : '');
    }
  });

  it('hold up the next commands beyond so many commands under way', async () => {
    const { handler, client } = await opened();
    const each = 1000;
    const pipeline = 'LATE x\r\n'.repeat(each);
    const whole = Math.floor(LATE_COMMANDS_MAX / each) + 1;
    const taken = (): number => handler.runs.reduce((sum, { words }) => sum + words.length, 0);
    for (let i = 0; i < whole + 4; i++) client.send(`${pipeline}ECHO ${i}\r\n`);
    await eventually(() => taken() > LATE_COMMANDS_MAX);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(taken()).toBeLessThanOrEqual(LATE_COMMANDS_MAX + each);
    for (let i = 0; i < handler.runs.length || taken() < (whole + 4) * each; i++) {
      await eventually(() => i < handler.runs.length);
      handler.answer(i);
    }
    const text = await client.until(`$1\r\n${whole + 3}\r\n`);
    expect(text.split('+x\r\n').length - 1).toBe((whole + 4) * each);
  });

  it('hold up the next commands beyond so many bytes of input under way', async () => {
    const { handler, client, server } = await opened({ limits: { inputPauseBytes: 64 * 1024 } });
    const large = encodeCommand(['LATE', 'v'.repeat(LATE_INPUT_BYTES_MAX)]);
    for (let i = 0; i < 20; i++) client.send(large);
    client.send('ECHO end\r\n');
    await eventually(() => handler.runs.length === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(handler.runs.length).toBe(1);
    expect(server.stats.inputBytes).toBeLessThan(4 * LATE_INPUT_BYTES_MAX);
    for (let i = 0; i < 20; i++) {
      await eventually(() => i < handler.runs.length);
      handler.answer(i);
    }
    await client.until('end\r\n');
  });

  it('close a client that takes none of them, at the bound of output', async () => {
    const { handler, client, server } = await opened({ limits: { outputBytesMax: 8 * 1024 * 1024 } });
    client.socket.pause();
    client.send('LATE a\r\n'.repeat(64));
    await eventually(() => handler.runs.length > 0);
    const [{ place }] = handler.runs;
    const reply = Buffer.from(`$1048576\r\n${'v'.repeat(1024 * 1024)}\r\n`);
    for (let i = 0; i < 64 && server.connections.size > 0; i++) {
      place.writeBytes(reply);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => server.connections.size === 0);
    place.end();
  });

  it('agree with the order of commands whatever the cuts and the order of answers', async () => {
    let late = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const { handler, client } = await opened();
      let input = '';
      let expected = '';
      for (let n = 0; n < 300; n++) {
        const kind = below(random, 3);
        input += `${kind === 0 ? 'ECHO' : kind === 1 ? 'LATE' : below(random, 8) === 0 ? 'SLOW' : 'LATE'} w${n}\r\n`;
        const word = input.slice(input.lastIndexOf('\n', input.length - 2) + 1).split(' ')[0];
        if (word === 'LATE') late++;
        expected +=
          word === 'ECHO' ? `$${`w${n}`.length}\r\nw${n}\r\n` : word === 'SLOW' ? '+slow\r\n' : `+w${n}\r\n`;
      }
      input += 'ECHO end\r\n';
      const answered = new Set<number>();
      const answerSome = (): void => {
        const open = handler.runs.map((_, i) => i).filter((i) => !answered.has(i));
        if (open.length === 0) return;
        const i = open[below(random, open.length)];
        answered.add(i);
        handler.answer(i);
      };
      for (let at = 0; at < input.length; ) {
        const to = at + 1 + below(random, 400);
        client.send(input.slice(at, to));
        at = to;
        await new Promise((resolve) => setImmediate(resolve));
        if (below(random, 2) === 0) answerSome();
      }
      while (!client.received().endsWith('$3\r\nend\r\n')) {
        answerSome();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(client.received()).toBe(`${expected}$3\r\nend\r\n`);
    }
    expect(late).toBeGreaterThan(1000);
  });
});
