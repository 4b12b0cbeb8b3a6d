// What sentinels and masters say, and the bounds on how much of it is followed. Sentinels here are played by a few lines.
import net from 'node:net';
import { expect, it } from 'vitest';
import { eventually } from '../../../../test/brokers/index.ts';
import { REPLICAS_MAX, SENTINELS_MAX, seededRandom, silentLogger, systemClock } from '../../../base/index.ts';
import { encodeCommand } from '../../../resp/index.ts';
import type { RedisUrl } from '../url-type.ts';
import { parseReplication } from './replication-info.ts';
import { Sentinels } from './sentinels.ts';

interface Played extends AsyncDisposable {
  readonly port: number;
}

/** A sentinel that believes this. */
async function play(master: number, epoch: number, others: number): Promise<Played> {
  const entry = (i: number): Buffer => encodeCommand(['ip', `127.0.0.${2 + i}`, 'port', '1']);
  const answers: Readonly<Record<string, Buffer>> = {
    'GET-MASTER-ADDR-BY-NAME': encodeCommand(['10.0.0.1', String(master)]),
    MASTER: encodeCommand(['name', 'main', 'config-epoch', String(epoch)]),
    SENTINELS: Buffer.concat([
      Buffer.from(`*${others}\r\n`),
      ...Array.from({ length: others }, (_, i) => entry(i)),
    ]),
  };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      // Every command is one array of bulks; its second word says what is asked.
      for (const command of chunk.toString('latin1').split(/(?=\*\d+\r\n)/)) {
        const words = command.split('\r\n').filter((_, i) => i > 0 && i % 2 === 0);
        if (words[0] !== 'SUBSCRIBE') socket.write(answers[words[1]] ?? '+OK\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, [Symbol.asyncDispose]: close };
}

function open(ports: readonly number[]): Sentinels {
  const url: RedisUrl = {
    kind: 'redis',
    mode: 'sentinel',
    masterName: 'main',
    addresses: ports.map((port) => ({ host: '127.0.0.1', port })),
    db: 0,
    tls: false,
    readReplica: false,
  };
  return new Sentinels(url, { clock: systemClock, random: seededRandom(1), logger: silentLogger });
}

it('the newest epoch wins, whoever is given first', async () => {
  await using stale = await play(1111, 3, 0);
  await using fresh = await play(2222, 4, 0);
  for (const ports of [
    [stale.port, fresh.port],
    [fresh.port, stale.port],
  ]) {
    const sentinels = open(ports);
    const told = await eventually('an answer of both', async () => {
      const answer = await sentinels.ask();
      return answer?.epoch === 4 ? answer : undefined;
    });
    expect(told.address).toEqual({ host: '10.0.0.1', port: 2222 });
    sentinels.close();
  }
});

it('no more sentinels are followed than the bound', async () => {
  await using one = await play(1111, 1, SENTINELS_MAX + 20);
  const sentinels = open([one.port]);
  await eventually('connected', () => sentinels.ask());
  await sentinels.discover();
  expect(sentinels.count).toBe(SENTINELS_MAX);
  sentinels.close();
});

it('INFO replication: role, origin, replicas online and no more than the bound', () => {
  const info = (id: string, slaves: string): ReturnType<typeof parseReplication> =>
    parseReplication({
      kind: 'bulk',
      bytes: Buffer.from(`# Replication\r\nrole:master\r\n${slaves}master_replid:${id}\r\n`),
    });
  const slaves = Array.from(
    { length: REPLICAS_MAX + 5 },
    (_, i) =>
      `slave${i}:ip=10.0.0.${i},port=6379,state=${i === 0 ? 'wait_bgsave' : 'online'},offset=1,lag=0\r\n`,
  ).join('');
  const found = info('0123456789abcdef0123456789abcdef01234567', slaves);
  expect(found).toMatchObject({ isMaster: true, origin: 0x01234567 });
  expect(found?.replicas.length).toBe(REPLICAS_MAX);
  expect(found?.replicas[0]).toEqual({ host: '10.0.0.1', port: 6379 });
  expect(info('0'.repeat(40), '')?.origin).toBe(1);
  expect(info('f'.repeat(40), '')?.origin).toBe(0xfffffffe);
  expect(info('xyz', '')).toBe(undefined);
});
