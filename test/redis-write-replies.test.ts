// Every write command through the write script replies and leaves data as the same command in a redis-server of its own.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/base/index.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import { canonical, type Node } from './differential/replies.ts';
import { GENERATORS, type Generator, type Words } from './differential/streams.ts';
import { specOf } from './redis-write/keys.ts';
import { RedisSite } from './redis-write/site.ts';

const COMMANDS = Number(process.env.DIFFERENTIAL_COMMANDS ?? 3000);
const SEEDS = (process.env.DIFFERENTIAL_SEEDS ?? '1').split(',').map(Number);
/** These are the gateway's own, or would see the metadata. */
const NOT_HERE = new Set(
  'SCAN KEYS DBSIZE RANDOMKEY FLUSHALL FLUSHDB SELECT OBJECT MOVE MEMORY SORT SORT_RO LCS'.split(' '),
);
const KEYS = ['a', 'b', 'c', 'd', 'lex', 'float', 'key:{x}', 'bin\x00\xff\r\n', ''];
/** Where mqkv's largest expiry is not Redis': year 10889. */
const LONG_TIMES = ['9223372036854775807'];

const { skip } = requireBroker('redis-server');

/** As the executor gives it to a client: Lua's long integers and null arrays. */
function asReply(node: Node): Node {
  if (node.head.startsWith('+\x01I')) return { head: `:${node.head.slice(3)}`, items: [] };
  if (node.head.startsWith('+\x01N')) return { head: '*-1', items: [] };
  return node;
}

function isOut(words: Words): boolean {
  const name = words[0].toUpperCase();
  return NOT_HERE.has(name) || specOf(words) === undefined;
}

describe.skipIf(skip !== false)(
  `the write script against redis-server${skip === false ? '' : ` (${skip})`}`,
  () => {
    let redis: Broker;
    let plain: Broker;

    beforeAll(async () => {
      [redis, plain] = await Promise.all([startRedis(), startRedis()]);
    });
    afterAll(async () => {
      await Promise.all([redis.stop(), plain.stop()]);
    });

    async function data(peer: RawPeer): Promise<string[]> {
      const found: string[] = [];
      for (const key of KEYS) {
        const [type] = await peer.exchange([['TYPE', key]]);
        const read: Record<string, Words> = {
          '+string': ['GET', key],
          '+hash': ['HGETALL', key],
          '+set': ['SMEMBERS', key],
          '+zset': ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
        };
        const words = read[type.head] ?? ['EXISTS', key];
        const [value, ttl] = await peer.exchange([words, ['PEXPIRETIME', key]]);
        const at = Number(ttl.head.slice(1));
        found.push(`${key} ${type.head} ${canonical(words, value)} ${at < 3e12 && at > 0 ? 'soon' : at}`);
      }
      return found;
    }

    async function compare(generator: Generator, seed: number, protocol: '2' | '3'): Promise<Set<string>> {
      const random = seededRandom(seed * 77 + Number(protocol));
      const site = await RedisSite.open(redis.port, { testClock: false });
      const theirs = await RawPeer.open(plain.port);
      await Promise.all([theirs.exchange([['FLUSHALL'], ['HELLO', protocol]]), site.call(['FLUSHALL'])]);
      site.close();
      const mine = await RedisSite.open(redis.port, { testClock: false });
      await mine.call(['HELLO', protocol]);
      mine.flags = protocol === '3' ? 'm3' : 'm';
      const names = new Set<string>();
      const log: string[] = [];
      for (let i = 0; i < COMMANDS; i++) {
        const words = generator.next(random);
        if (
          isOut(words) ||
          (words[0] !== 'EXPIRE' &&
            words.some((word) => LONG_TIMES.includes(word) && /EX|PX/i.test(words.join(' '))))
        )
          continue;
        names.add(words[0].toUpperCase());
        log.push(JSON.stringify(words));
        const [ours, expected] = await Promise.all([mine.command(words), theirs.exchange([words])]);
        const [a, b] = [canonical(words, asReply(ours.reply)), canonical(words, expected[0])];
        const note = `seed ${seed}, after:\n${log.slice(-12).join('\n')}\n`;
        if (a !== b) expect.fail(`${note}mqkv  ${JSON.stringify(a)}\nredis ${JSON.stringify(b)}`);
        if (i % 10 === 0) expect(await data(mine.peer), note).toEqual(await data(theirs));
        if (b.startsWith('-')) expect(ours.version, note).toBe('');
      }
      mine.close();
      theirs.close();
      return names;
    }

    for (const generator of GENERATORS.filter(({ name }) => !['connection', 'transactions'].includes(name))) {
      for (const protocol of ['2', '3'] as const) {
        it(`${generator.name}, RESP${protocol}`, async () => {
          for (const seed of SEEDS)
            expect((await compare(generator, seed, protocol)).size).toBeGreaterThan(5);
        });
      }
    }
  },
);
