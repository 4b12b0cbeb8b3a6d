// Commands on the bits of strings.
import { type Command, commands, type Context, lower } from '../command.ts';
import { indexRange, int64Of, integerOf, SYNTAX } from '../numbers.ts';
import { fail, type RedisReply } from '../replies.ts';

const BAD_OFFSET = 'ERR bit offset is not an integer or out of range';
const OFFSET_MAX = 4_294_967_295;

function offsetOf(text: string): number {
  const offset = integerOf(text, BAD_OFFSET);
  return offset < 0 || offset > OFFSET_MAX ? fail(BAD_OFFSET) : offset;
}

function bitOf(text: string, offset: number): number {
  const byte = text.charCodeAt(offset >> 3);
  return Number.isNaN(byte) ? 0 : (byte >> (7 - (offset & 7))) & 1;
}

function withBit(text: string, offset: number, bit: number): string {
  const at = Math.floor(offset / 8);
  const held = text.padEnd(at + 1, '\0');
  const mask = 1 << (7 - (offset & 7));
  const byte = held.charCodeAt(at);
  return held.slice(0, at) + String.fromCharCode(bit === 1 ? byte | mask : byte & ~mask) + held.slice(at + 1);
}

function setBit([, key, offsetText, bitText]: readonly string[], { db }: Context): RedisReply {
  const offset = offsetOf(offsetText);
  if (bitText !== '0' && bitText !== '1') fail('ERR bit is not an integer or out of range');
  const text = db.text(key) ?? '';
  db.replace(key, withBit(text, offset, Number(bitText)));
  return bitOf(text, offset);
}

/** Bits of a range [start end [BYTE|BIT]]: the first, and behind the last; undefined: none. */
function bitRange(args: readonly string[], at: number, text: string): readonly [number, number] | undefined {
  if (args.length <= at) return [0, text.length * 8];
  const unit = lower(args, at + 2);
  if (unit !== '' && unit !== 'bit' && unit !== 'byte') fail(SYNTAX);
  const per = unit === 'bit' ? 1 : 8;
  const [start, end] = [integerOf(args[at]), args.length > at + 1 ? integerOf(args[at + 1]) : -1];
  const range = indexRange(start, end, (text.length * 8) / per);
  return range === undefined ? undefined : [range[0] * per, (range[1] + 1) * per];
}

function bitCount(args: readonly string[], { db }: Context): RedisReply {
  const held = db.text(args[1]);
  if (held === undefined) return 0;
  if (args.length === 3 || args.length > 5) fail(SYNTAX);
  const text = held;
  const range = bitRange(args, 2, text);
  let count = 0;
  if (range !== undefined) for (let i = range[0]; i < range[1]; i++) count += bitOf(text, i);
  return count;
}

function bitPos(args: readonly string[], { db }: Context): RedisReply {
  if (args[2] !== '0' && args[2] !== '1') fail('ERR The bit argument must be 1 or 0.');
  if (args.length > 6) fail(SYNTAX);
  const bit = Number(args[2]);
  const text = db.text(args[1]);
  if (text === undefined) return bit === 1 ? -1 : 0;
  if (text === '') return -1;
  const range = bitRange(args, 3, text);
  if (range === undefined) return -1;
  for (let i = range[0]; i < range[1]; i++) if (bitOf(text, i) === bit) return i;
  return bit === 0 && args.length < 5 ? range[1] : -1;
}

function bitOp(args: readonly string[], { db }: Context): RedisReply {
  const [, , to, ...keys] = args;
  const how = lower(args, 1);
  if (!/^(and|or|xor|not)$/.test(how)) fail(SYNTAX);
  if (how === 'not' && keys.length !== 1) fail('ERR BITOP NOT must be called with a single source key.');
  const texts = keys.map((key) => db.text(key) ?? '');
  const size = Math.max(...texts.map((text) => text.length));
  let out = '';
  for (let i = 0; i < size; i++) {
    const bytes = texts.map((text) => text.charCodeAt(i) || 0);
    const joined = bytes.reduce((a, b) => (how === 'and' ? a & b : how === 'or' ? a | b : a ^ b));
    out += String.fromCharCode(how === 'not' ? ~joined & 255 : joined);
  }
  db.delete(to);
  if (size > 0) db.put(to, out);
  return size;
}

interface Field {
  readonly isSigned: boolean;
  readonly width: number;
  readonly offset: number;
}

function fieldOf(type: string | undefined, place: string | undefined): Field {
  const found = /^([iu])([1-9]\d?)$/.exec(type ?? '');
  const width = Number(found?.[2]);
  const isSigned = found?.[1] === 'i';
  if (found === null || width > (isSigned ? 64 : 63))
    return fail(
      'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
    );
  const isCounted = (place ?? '').startsWith('#');
  const offset = integerOf(isCounted ? place?.slice(1) : place, BAD_OFFSET) * (isCounted ? width : 1);
  return offset < 0 || offset + width > OFFSET_MAX + 1 ? fail(BAD_OFFSET) : { isSigned, width, offset };
}

function readField(text: string, { isSigned, width, offset }: Field): bigint {
  let bits = 0n;
  for (let i = 0; i < width; i++) bits = (bits << 1n) | BigInt(bitOf(text, offset + i));
  return isSigned ? BigInt.asIntN(width, bits) : bits;
}

function writeField(text: string, { width, offset }: Field, value: bigint): string {
  let out = text.padEnd(Math.floor((offset + width + 7) / 8), '\0');
  for (let i = 0; i < width; i++)
    out = withBit(out, offset + i, Number((BigInt.asUintN(width, value) >> BigInt(width - 1 - i)) & 1n));
  return out;
}

/** undefined: it overflows, and FAIL was asked for. */
function fitted(value: bigint, { isSigned, width }: Field, overflow: string): bigint | undefined {
  const [least, most] = isSigned
    ? [-(1n << BigInt(width - 1)), (1n << BigInt(width - 1)) - 1n]
    : [0n, (1n << BigInt(width)) - 1n];
  if (value >= least && value <= most) return value;
  if (overflow === 'fail') return undefined;
  if (overflow === 'sat') return value < least ? least : most;
  return isSigned ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value);
}

interface Step {
  readonly what: string;
  readonly field: Field;
  readonly amount: bigint;
  readonly overflow: string;
}

function stepsOf(args: readonly string[]): readonly Step[] {
  const steps: Step[] = [];
  let overflow = 'wrap';
  for (let i = 2; i < args.length; ) {
    const what = lower(args, i);
    if (what === 'overflow') {
      overflow = lower(args, i + 1);
      if (!/^(wrap|sat|fail)$/.test(overflow)) fail('ERR Invalid OVERFLOW type specified');
      i += 2;
      continue;
    }
    const size = what === 'get' ? 3 : what === 'set' || what === 'incrby' ? 4 : fail(SYNTAX);
    if (i + size > args.length) fail(SYNTAX);
    const field = fieldOf(args[i + 1], args[i + 2]);
    steps.push({ what, field, overflow, amount: size === 4 ? int64Of(args[i + 3]) : 0n });
    i += size;
  }
  return steps;
}

function bitField(args: readonly string[], { db }: Context): RedisReply {
  const steps = stepsOf(args);
  const isReading = steps.every(({ what }) => what === 'get');
  if (!isReading && args[0].toLowerCase() === 'bitfield_ro')
    fail('ERR BITFIELD_RO only supports the GET subcommand');
  let text = db.text(args[1]) ?? '';
  const replies = steps.map(({ what, field, amount, overflow }) => {
    if (what === 'get') return readField(text, field);
    text = text.padEnd(Math.floor((field.offset + field.width + 7) / 8), '\0');
    const before = readField(text, field);
    const value = fitted(what === 'set' ? amount : before + amount, field, overflow);
    if (value === undefined) return null;
    text = writeField(text, field, value);
    return what === 'set' ? before : value;
  });
  if (!isReading) db.replace(args[1], text);
  return replies;
}

export const BITS: readonly Command[] = [
  ...commands('read', {
    'getbit 3'([, key, offsetText], { db }) {
      const offset = offsetOf(offsetText);
      return bitOf(db.text(key) ?? '', offset);
    },
    'bitcount -2': bitCount,
    'bitpos -3': bitPos,
    'bitfield_ro -2': bitField,
  }),
  ...commands('grow', { 'setbit 4': setBit, 'bitop -4': bitOp, 'bitfield -2': bitField }),
];
