// Replies as bytes: where they end, their elements, and the reply they stand for.
import { assert } from '../../base/index.ts';
import { type Reply, ReplyParser } from '../../resp/index.ts';

const NULL_BULK = '$-1\r\n';
const NULL_ARRAY = Buffer.from('*-1\r\n');
/** Statuses that stand for what Lua cannot reply: an integer (its decimal follows), a null array. */
const BIG_INTEGER = '+\x01I';
const STANDS_FOR = '\r\n+\x01';
const ANY_NULL_ARRAY = '+\x01N';

/** The first byte behind the reply that begins at `at`. The bytes are whole replies. */
export function endOfReply(bytes: Buffer, at: number): number {
  let next = at;
  for (let left = 1; left > 0; left--) {
    const cr = bytes.indexOf(13, next);
    assert(cr >= 0, 'a whole reply');
    const mark = bytes[next];
    const isBulk = mark === 36 || mark === 61 || mark === 33;
    const isAggregate = mark === 42 || mark === 126 || mark === 62 || mark === 37 || mark === 124;
    const n = isBulk || isAggregate ? Number(bytes.toString('latin1', next + 1, cr)) : 0;
    next = cr + 2;
    if (isBulk && n >= 0) next += n + 2;
    if (isAggregate && n > 0) left += mark === 37 ? n * 2 : n;
    if (mark === 124) left += n + 1;
  }
  return next;
}

/** The elements of an array, each as bytes; undefined: it is none (an error, a null). Owns: views. */
export function elementsOf(bytes: Buffer): Buffer[] | undefined {
  if (bytes[0] !== 42 && bytes[0] !== 126) return undefined;
  const cr = bytes.indexOf(13);
  const count = Number(bytes.toString('latin1', 1, cr));
  if (count < 0) return undefined;
  const elements: Buffer[] = [];
  let at = cr + 2;
  for (let i = 0; i < count; i++) {
    const end = endOfReply(bytes, at);
    elements.push(bytes.subarray(at, end));
    at = end;
  }
  return elements;
}

/** One reply, parsed. */
export function parsedReply(bytes: Buffer): Reply {
  let found: Reply | undefined;
  new ReplyParser().parse(bytes, (reply) => {
    found = reply;
  });
  assert(found !== undefined, 'a whole reply');
  return found;
}

export function isErrorReply(bytes: Buffer): boolean {
  return bytes[0] === 45;
}

/** The text of an error reply. Shape: latin1, without the mark and the line's end. */
export function errorText(bytes: Buffer): string {
  return bytes.toString('latin1', 1, bytes.indexOf(13));
}

/** No value: `$-1`, `*-1` or `_`. */
export function isNullReply(bytes: Buffer): boolean {
  return (bytes[0] === 95 && bytes[1] === 13) || (bytes[1] === 45 && (bytes[0] === 36 || bytes[0] === 42));
}

/** What a script answered, as the command itself would have: nulls that are arrays, integers beyond 2^53. */
export function asCommandReply(bytes: Buffer, isNullArray: boolean): Buffer {
  const head = bytes.toString('latin1', 0, Math.min(bytes.length, 5));
  if ((isNullArray && head === NULL_BULK) || head.startsWith(ANY_NULL_ARRAY)) return NULL_ARRAY;
  if (head[0] === '*' && bytes.includes(STANDS_FOR)) return joined(elementsOf(bytes) ?? []);
  if (!head.startsWith(BIG_INTEGER)) return bytes;
  return Buffer.from(`:${bytes.toString('latin1', 3)}`, 'latin1');
}

function joined(elements: readonly Buffer[]): Buffer {
  const head = Buffer.from(`*${elements.length}\r\n`);
  return Buffer.concat([head, ...elements.map((element) => asCommandReply(element, false))]);
}
