// Blocking commands: how long each waits, on which keys, and its form that does not.
import type { Latin1 } from '../../base/index.ts';
import { parseLong } from '../numbers.ts';
import { nullArrayOf } from '../table/via.ts';
import type { Words } from './port.ts';

/** Where the timeout stands; `last`: the last argument. */
const TIMEOUTS: Readonly<Record<string, 'last' | number>> = {
  blpop: 'last',
  brpop: 'last',
  blmove: 'last',
  brpoplpush: 'last',
  bzpopmin: 'last',
  bzpopmax: 'last',
  blmpop: 1,
  bzmpop: 1,
};
const STREAM_READS: ReadonlySet<string> = new Set(['xread', 'xreadgroup']);

/** Whether "nothing" of this command is `*-1` on RESP2 instead of `$-1`. */
export function isNullArray(words: Words): boolean {
  const nullArray = nullArrayOf(words[0].toLowerCase());
  return nullArray === 'count' ? words.length > 2 : nullArray;
}

/** How long a blocking command waits, and in which form it is tried. */
export interface Blocking {
  /** Units: ms; 0: for ever. */
  readonly timeoutMs: number;
  /** The same command without waiting. */
  readonly words: Words;
}

/** Where an option's value stands in XREAD and XREADGROUP; -1: it is not given. */
function blockAt(words: Words): number {
  for (let at = 1; at + 1 < words.length; at++) {
    const word = words[at].toUpperCase();
    if (word === 'STREAMS') return -1;
    if (word === 'BLOCK') return at;
    if (word === 'COUNT') at++;
    else if (word === 'GROUP') at += 2;
  }
  return -1;
}

/** The values of every BLOCK given; the last one counts. */
function blockValues(words: Words): Latin1[] {
  const values: Latin1[] = [];
  let left = words;
  for (let at = blockAt(left); at >= 0; at = blockAt(left)) {
    values.push(left[at + 1]);
    left = [...left.slice(0, at), ...left.slice(at + 2)];
  }
  return values;
}

/** The command without its BLOCK option; others as they are: inside a script they do not wait. */
export function unblocked(words: Words): Words {
  if (!STREAM_READS.has(words[0].toLowerCase())) return words;
  let left = words;
  for (let at = blockAt(left); at >= 0; at = blockAt(left))
    left = [...left.slice(0, at), ...left.slice(at + 2)];
  return left;
}

/** What a command waits for. undefined: it does not wait; a text: the error in its timeout. */
export function blockingOf(words: Words): Blocking | string | undefined {
  const name = words[0].toLowerCase();
  if (STREAM_READS.has(name)) {
    const timeouts = blockValues(words).map(wholeTimeout);
    const timeout = timeouts.find((each) => typeof each === 'string') ?? timeouts.at(-1);
    return typeof timeout === 'number' ? { timeoutMs: timeout, words: unblocked(words) } : timeout;
  }
  const place = TIMEOUTS[name];
  if (place === undefined) return undefined;
  const timeout = secondsTimeout(words[place === 'last' ? words.length - 1 : place]);
  return typeof timeout === 'string' ? timeout : { timeoutMs: timeout, words };
}

/** A command, not of streams, with a timeout that the Redis surely refuses. */
export function withRefusedTimeout(words: Words): Words {
  const place = TIMEOUTS[words[0].toLowerCase()];
  const at = place === 'last' ? words.length - 1 : place;
  return words.map((word, i) => (i === at ? '-1' : word));
}

function wholeTimeout(text: Latin1): number | string {
  const ms = parseLong(text);
  if (ms === undefined) return 'ERR timeout is not an integer or out of range';
  return ms < 0 ? 'ERR timeout is negative' : ms;
}

function secondsTimeout(text: Latin1): number | string {
  const seconds = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(seconds)) return 'ERR timeout is not a float or out of range';
  if (seconds < 0) return 'ERR timeout is negative';
  return seconds * 1000 > Number.MAX_SAFE_INTEGER ? 'ERR timeout is out of range' : Math.ceil(seconds * 1000);
}
