// Random commands on few keys of changing types through the write script: replies, data, versions, other sites.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../src/base/index.ts';
import { requireBroker } from './brokers/index.ts';
import { Trio } from './redis-trio.ts';

const { skip } = requireBroker('redis-server');

let trio: Trio;

beforeAll(async () => {
  if (skip === false) trio = await Trio.open();
});

afterAll(() => trio?.close());

describe.skipIf(skip).each([2, 3] as const)(`the write script, RESP%i ${skip || ''}`, (protocol) => {
  beforeEach(() => trio.begin(protocol));
  afterEach(() => trio.end());

  it('random commands on few keys of changing types', async () => {
    const random = seededRandom(40 + protocol);
    const changed = new Set<string>();
    for (let i = 0; i < 1200; i++) {
      const args = randomCommand(random);
      const reply = await trio.run(args);
      if (typeof reply !== 'string' || !reply.startsWith('-')) changed.add(args[0]);
    }
    for (const [name] of COMMANDS) expect(changed, name).toContain(name);
  });
});

/** Commands with what stands for a key (k; h: of a HyperLogLog), an element (e), a number (n), an id (i). */
const COMMANDS: readonly (readonly [string, string])[] = [
  ['RPUSH', 'k e e'],
  ['LPUSH', 'k e'],
  ['LPOP', 'k'],
  ['RPOP', 'k n'],
  ['LREM', 'k n e'],
  ['LSET', 'k 0 e'],
  ['LTRIM', 'k n -1'],
  ['LINSERT', 'k AFTER e e'],
  ['LMOVE', 'k k LEFT RIGHT'],
  ['BRPOP', 'k 0.01'],
  ['LMPOP', '2 k k LEFT COUNT 2'],
  ['XADD', 'k MAXLEN 4 i f e'],
  ['XADD', 'k i f e'],
  ['XTRIM', 'k MAXLEN n'],
  ['XDEL', 'k i'],
  ['SETBIT', 'k n 1'],
  ['BITFIELD', 'k INCRBY u4 n 3'],
  ['BITOP', 'OR k k k'],
  ['PFADD', 'h e'],
  ['PFMERGE', 'h h'],
  ['GEOADD', 'k n n e'],
  ['GEOSEARCHSTORE', 'k k FROMLONLAT 0 0 BYRADIUS 5000 km'],
  ['SORT', 'k ALPHA STORE k'],
  ['ZADD', 'k n e'],
  ['BZPOPMIN', 'k 0.01'],
  ['SADD', 'k e'],
  ['HSET', 'k e e'],
  ['INCR', 'k'],
  ['SET', 'k e'],
  ['DEL', 'k'],
  ['COPY', 'k k REPLACE'],
  ['RENAME', 'k k'],
  ['EXPIRE', 'k 1000'],
  ['PERSIST', 'k'],
];

function randomCommand(random: Random): string[] {
  const [name, shape] = COMMANDS[below(random, COMMANDS.length)];
  const word = (letter: string): string => {
    if (letter === 'k') return 'abcd'.charAt(below(random, 4));
    if (letter === 'h') return 'pq'.charAt(below(random, 2));
    if (letter === 'e') return `e${below(random, 4)}`;
    if (letter === 'n') return String(below(random, 9));
    return letter === 'i' ? `${1 + below(random, 60)}-0` : letter;
  };
  return [name, ...shape.split(' ').map(word)];
}
