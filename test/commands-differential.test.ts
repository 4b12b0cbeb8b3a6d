// The same random commands to mqkv, on each of its stores, and to a real redis-server: every reply must be the same, byte for byte.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/base/index.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import { canonical, innerReplies, type Node } from './differential/replies.ts';
import { GENERATORS, type Generator, type Words } from './differential/streams.ts';
import { GENERATORS_ON_REDIS } from './differential/streams-on-redis.ts';
import { LOCAL_STORES, type Local } from './local-stores.ts';

const COMMANDS = Number(process.env.DIFFERENTIAL_COMMANDS ?? 4000);
const PIPELINE = 40;
const SEEDS = (process.env.DIFFERENTIAL_SEEDS ?? '1,2').split(',').map(Number);

const { skip } = requireBroker('redis-server');
const reason = skip === false ? '' : ` (${skip})`;

/** Fewer where some commands wait. */
function commandsOf(generator: Generator): number {
  return GENERATORS_ON_REDIS.includes(generator) ? COMMANDS / 4 : COMMANDS;
}

/** Follows MULTI, so that the replies inside EXEC's are compared by the command they answer. */
class Comparison {
  queued: Words[] | undefined;
  readonly names = new Set<string>();
  errors = 0;

  texts(words: Words, mine: Node, theirs: Node): readonly [string, string] {
    const name = words[0].toUpperCase();
    this.names.add(name);
    if (theirs.head.startsWith('-')) this.errors++;
    if (name === 'EXEC' && this.queued !== undefined) {
      const { queued } = this;
      this.queued = undefined;
      return [innerReplies(mine, queued), innerReplies(theirs, queued)];
    }
    if (name === 'MULTI' && theirs.head === '+OK') this.queued = [];
    else if ((name === 'DISCARD' || name === 'RESET') && !theirs.head.startsWith('-'))
      this.queued = undefined;
    else if (theirs.head === '+QUEUED') this.queued?.push(words);
    return [canonical(words, mine), canonical(words, theirs)];
  }
}

for (const store of LOCAL_STORES)
  describe.skipIf(skip !== false)(`replies like redis-server's, ${store.name} store${reason}`, () => {
    let redis: Broker;
    let local: Local;

    beforeAll(async () => {
      redis = await startRedis();
      local = await store.open();
    });
    afterAll(async () => {
      await local.close();
      await redis.stop();
    });

    async function compare(generator: Generator, seed: number, protocol: '2' | '3'): Promise<Comparison> {
      const random = seededRandom(seed * 1000 + Number(protocol));
      const [mine, theirs] = [await RawPeer.open(local.port), await RawPeer.open(redis.port)];
      const start = [['HELLO', protocol], ['FLUSHALL']];
      await Promise.all([mine.exchange(start), theirs.exchange(start)]);
      const comparison = new Comparison();
      const log: string[] = [];
      for (let sent = 0; sent < commandsOf(generator); sent += PIPELINE) {
        const commands = Array.from({ length: PIPELINE }, () => generator.next(random));
        const [ours, expected] = await Promise.all([mine.exchange(commands), theirs.exchange(commands)]);
        for (const [i, words] of commands.entries()) {
          log.push(JSON.stringify(words));
          const [a, b] = comparison.texts(words, ours[i], expected[i]);
          if (a !== b)
            expect.fail(
              `seed ${seed}, after:\n${log.slice(-12).join('\n')}\nmqkv  ${JSON.stringify(a)}\nredis ${JSON.stringify(b)}`,
            );
        }
      }
      mine.close();
      theirs.close();
      return comparison;
    }

    for (const generator of store.name === 'Redis' ? [...GENERATORS, ...GENERATORS_ON_REDIS] : GENERATORS) {
      for (const protocol of ['2', '3'] as const) {
        it(`${generator.name}, RESP${protocol}: ${commandsOf(generator)} commands for each of ${SEEDS.length} seeds`, async () => {
          for (const seed of SEEDS) {
            const { names, errors } = await compare(generator, seed, protocol);
            expect(names.size).toBeGreaterThan(8);
            expect(errors).toBeGreaterThan(commandsOf(generator) / 100);
            expect(errors).toBeLessThan(commandsOf(generator) * 0.95);
          }
        });
      }
    }
  });
