// Random commands of all types on few keys.
import { below, type Random } from '../src/base/index.ts';

/** Commands with what stands for a key (k; h: of a HyperLogLog), an element (e), a number (n), an id (i). */
export const COMMANDS: readonly (readonly [string, string])[] = [
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

/** One command. Range: keys a to d, p and q. */
export function randomCommand(random: Random): string[] {
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
