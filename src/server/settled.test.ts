// Replies that wait until the handler says that what they tell is safe, over real sockets.
import { afterEach, describe, expect, it } from 'vitest';
import { LATE_COMMANDS_MAX } from '../base/index.ts';
import { createServer, type Handler, Mux, type RespServer } from './index.ts';
import { eventually, type RawClient, rawClient } from './testing.ts';

/** SET waits for `settle`, GET does not; SLOW answers later. */
class SafeHandler implements Handler {
  executed = 0;
  /** What `settled` was told, in order. */
  readonly told: boolean[] = [];
  readonly waiting: { resolve: () => void; reject: () => void }[] = [];
  #isUnsafe = false;
  readonly #mux = new Mux()
    .command('set', ({ reply, text }) => {
      this.executed++;
      this.#isUnsafe = true;
      reply.simple(text(1));
    })
    .command('get', ({ reply, text }) => reply.simple(text(1)))
    .command('slow', async ({ reply }) => {
      await new Promise((resolve) => setImmediate(resolve));
      reply.simple('slow');
    })
    .command('quit', ({ reply, connection }) => {
      reply.ok();
      connection.close(true);
    });

  readonly handle: Handler['handle'] = (connection, batch, index, reply) =>
    this.#mux.handle(connection, batch, index, reply);

  readonly settled: Handler['settled'] = (_connection, hasWaited) => {
    this.told.push(hasWaited);
    if (!this.#isUnsafe) return undefined;
    this.#isUnsafe = false;
    return new Promise<void>((resolve, reject) =>
      this.waiting.push({ resolve, reject: () => reject(new Error('lost')) }),
    );
  };
}

const servers: RespServer[] = [];

async function opened(): Promise<{ handler: SafeHandler; client: RawClient; server: RespServer }> {
  const handler = new SafeHandler();
  const server = createServer({ handler });
  servers.push(server);
  return { handler, server, client: await rawClient(await server.listen()) };
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
});

describe('replies of what is not safe yet', () => {
  it('leave when it is, in order, while later commands are executed', async () => {
    const { handler, server, client } = await opened();
    client.send('SET a\r\n');
    await eventually(() => handler.waiting.length === 1);
    client.send('SET b\r\nGET c\r\n');
    await eventually(() => handler.waiting.length === 2);
    client.send('GET d\r\n');
    const other = await rawClient(server.addresses[0]);
    other.send('GET e\r\n');
    expect(await other.until('+e\r\n')).toBe('+e\r\n');
    handler.waiting[1].resolve();
    other.send('GET f\r\n');
    expect(await other.until('+f\r\n')).toBe('+e\r\n+f\r\n');
    handler.waiting[0].resolve();
    expect(await client.until('+d\r\n')).toBe('+a\r\n+b\r\n+c\r\n+d\r\n');
  });

  it('tells whether a command has waited', async () => {
    const { handler, client } = await opened();
    client.send('GET a\r\nSLOW\r\nGET b\r\n');
    await client.until('+b\r\n');
    client.send('GET c\r\n');
    await client.until('+c\r\n');
    expect(handler.told).toEqual([false, true, false]);
  });

  it('hold the end of a connection, and the next commands beyond a bound', async () => {
    const { handler, client } = await opened();
    const some = 'SET a\r\n'.repeat(1000);
    for (let i = 0; i < 20; i++) {
      client.send(some);
      await eventually(() => handler.executed >= (i + 1) * 1000 || handler.executed > LATE_COMMANDS_MAX);
    }
    expect(handler.executed).toBeLessThan(LATE_COMMANDS_MAX + 10_000);
    client.send('QUIT\r\n');
    const settling = setInterval(() => handler.waiting.splice(0).forEach(({ resolve }) => resolve()), 1);
    expect(await client.closed()).toBe(`${'+a\r\n'.repeat(20_000)}+OK\r\n`);
    clearInterval(settling);
  });

  it('that will never be: the connection ends without them', async () => {
    const { handler, client } = await opened();
    client.send('SET a\r\n');
    await eventually(() => handler.waiting.length === 1);
    handler.waiting[0].reject();
    expect(await client.closed()).toBe('');
  });
});
