// The example server, spoken to as a client would: over a socket, and by a real client library.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneServer } from '../examples/clone.ts';
import type { ListenAddress } from '../src/server/index.ts';
import { rawClient } from '../src/server/testing.ts';

const server = cloneServer();
let address: ListenAddress;

beforeAll(async () => {
  address = await server.listen();
});

afterAll(() => server.close({ graceMs: 0 }));

async function answered(input: string, end: string): Promise<string> {
  const client = await rawClient(address);
  client.send(input);
  const text = await client.until(end);
  client.socket.destroy();
  return text;
}

describe('examples/clone', () => {
  it('keeps strings', async () => {
    const input = 'PING\r\nPING hi\r\nSET k "a b"\r\nGET k\r\nDEL k other\r\nGET k\r\n';
    expect(await answered(input, '$-1\r\n')).toBe('+PONG\r\n$2\r\nhi\r\n+OK\r\n$3\r\na b\r\n:1\r\n$-1\r\n');
  });

  it('checks arity and refuses what it does not know', async () => {
    const text = await answered('SET k\r\nHGET h f\r\n', "'f' \r\n");
    expect(text).toMatch(/^-ERR wrong number of arguments for 'set' command\r\n-ERR unknown command 'HGET'/);
  });

  it('carries messages from publishers to subscribers', async () => {
    const subscriber = await rawClient(address);
    subscriber.send('SUBSCRIBE a\r\nPSUBSCRIBE b*\r\n');
    await subscriber.until('$2\r\nb*\r\n:2\r\n');
    expect(await answered('PUBLISH a 1\r\nPUBLISH bee 2\r\nPUBLISH c 3\r\n', ':0\r\n')).toBe(
      ':1\r\n:1\r\n:0\r\n',
    );
    const text = await subscriber.until('$3\r\nbee\r\n$1\r\n2\r\n');
    expect(text).toContain('*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n');
    subscriber.send('UNSUBSCRIBE a\r\n');
    await subscriber.until('*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n');
    subscriber.socket.destroy();
  });

  it('closes after QUIT', async () => {
    const client = await rawClient(address);
    client.send('QUIT\r\nPING\r\n');
    expect(await client.closed()).toBe('+OK\r\n');
  });

  it('hands the socket over on DETACH', async () => {
    const client = await rawClient(address);
    client.send('DETACH\r\nhello\r\n');
    await client.until('HELLO\r\n');
    client.send('bye\r\n');
    expect(await client.closed()).toBe('+OK\r\nHELLO\r\nBYE\r\n');
  });

  it('serves a client library', async () => {
    const redis = new Redis({ ...address, enableReadyCheck: false, maxRetriesPerRequest: 1 });
    const results = await Promise.all([redis.set('lib', 'v'), redis.get('lib'), redis.del('lib')]);
    expect(results).toEqual(['OK', 'v', 1]);
    redis.disconnect();
  });
});
