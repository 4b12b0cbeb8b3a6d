// Reads on tracked links of a real Redis: values, TTLs, the news of changes in order, lost connections.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Latin1, silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import {
  type Broker,
  eventually,
  openControl,
  type RedisControl,
  requireBroker,
  startRedis,
} from '../../../test/brokers/index.ts';
import { openTopology, type Topology } from './topology/index.ts';
import { openTrackedReads, type TrackedRead, type TrackedReads } from './tracked-reads.ts';
import { urlOf } from './testing.ts';

const { skip } = requireBroker('redis-server');

describe.skipIf(skip)('tracked reads', () => {
  let redis: Broker;
  let topology: Topology;
  let reads: TrackedReads;
  let control: RedisControl;
  let told: (Latin1 | undefined)[];

  beforeEach(async () => {
    redis = await startRedis();
    const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };
    const url = urlOf(redis.port);
    topology = await openTopology(url, around);
    reads = openTrackedReads({ topology, clock: systemClock });
    told = [];
    reads.onChange = (key) => told.push(key);
    control = openControl(redis.port);
    await eventually('a tracked connection', async () => (await read('none')) !== undefined);
  });
  afterEach(async () => {
    reads.close();
    control.close();
    await topology.close();
    await redis.stop();
  });

  function read(key: Latin1): Promise<(Omit<TrackedRead, 'value'> & { value: Latin1 | null }) | undefined> {
    return new Promise((resolve) => {
      reads.read(key, (found) =>
        resolve(found && { ...found, value: found.value === null ? null : found.value.toString('latin1') }),
      );
    });
  }

  const forever = { until: Number.POSITIVE_INFINITY, goneAt: Number.POSITIVE_INFINITY };

  it('reads values, absent keys and TTLs, and leaves other types to others', async () => {
    await control.call('SET', Buffer.from('\xff\r\n', 'latin1'), Buffer.from('v\r\n\0', 'latin1'));
    expect(await read('\xff\r\n')).toEqual({ value: 'v\r\n\0', ...forever, isTorn: false });
    expect(await read('none')).toEqual({ value: null, ...forever, isTorn: false });
    await control.call('SET', 'k', '', 'PX', 50_000);
    const found = await read('k');
    expect(found).toMatchObject({ value: '', isTorn: false });
    const at = Number(await control.call('PEXPIRETIME', 'k'));
    expect(found?.until).toBeLessThanOrEqual(at);
    expect(found?.goneAt).toBeGreaterThan(at);
    expect((found?.goneAt ?? 0) - (found?.until ?? 0)).toBeLessThan(1_000);
    await control.call('HSET', 'h', 'f', 'v');
    expect(await read('h')).toBe(undefined);
  });

  it('tells of every change after the read, also of a key that was absent, an expiry and FLUSHALL', async () => {
    await read('a');
    await control.call('SET', 'a', '1');
    await eventually('the news of a', () => told.includes('a'));
    await control.call('SET', 'b', '1', 'PX', 30);
    await read('b');
    await eventually('the news of b', () => told.includes('b'));
    told.length = 0;
    await read('a');
    await control.call('FLUSHALL');
    await eventually('the news of everything', () => told.includes(undefined));
  });

  it('never misses a change: what was read last, or news of a later one', async () => {
    let last: Latin1 | null = null;
    reads.onChange = (key) => {
      if (key === 'k') last = null;
    };
    let isWriting = true;
    const writing = (async () => {
      for (let i = 1; i <= 3_000; i++) await control.call('SET', 'k', String(i));
      isWriting = false;
    })();
    while (isWriting) {
      await new Promise<void>((resolve) =>
        reads.read('k', (found) => {
          last = found === undefined || found.isTorn || found.value === null ? null : found.value.toString();
          resolve();
        }),
      );
    }
    await writing;
    // One more round trip: whatever was told before it has come.
    await read('other');
    expect([null, '3000']).toContain(last);
  });

  it('a lost connection counts as a change of everything, and comes back', async () => {
    await control.call('SET', 'k', 'v');
    await read('k');
    told.length = 0;
    await control.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually('the loss', () => told.includes(undefined));
    await eventually('reads again', async () => (await read('k'))?.value === 'v');
    told.length = 0;
    await control.call('SET', 'k', 'w');
    await eventually('the news of k', () => told.includes('k'));
  });

  it('notices a server that is silent within two seconds', async () => {
    await read('k');
    told.length = 0;
    redis.freeze();
    try {
      await eventually('the loss', () => told.includes(undefined), 2_500);
    } finally {
      redis.thaw();
    }
  });
});
