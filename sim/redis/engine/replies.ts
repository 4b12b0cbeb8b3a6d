// What commands answer, free of a protocol, and its bytes in RESP2 and RESP3.
import { general } from '../lua/numbers.ts';

/** A status line. */
export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An error reply. */
export class Failure {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A double: RESP2 has its text. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A map: keys and values in turn; RESP2 has a list. */
export class Pairs {
  readonly flat: readonly RedisReply[];

  constructor(flat: readonly RedisReply[]) {
    this.flat = flat;
  }
}

/** A set; RESP2 has a list. */
export class Members {
  readonly items: readonly RedisReply[];

  constructor(items: readonly RedisReply[]) {
    this.items = items;
  }
}

/** Out of band; RESP2 has a list. */
export class Push {
  readonly items: readonly RedisReply[];

  constructor(items: readonly RedisReply[]) {
    this.items = items;
  }
}

/** RESP2's null array; RESP3 has one null. */
export class NullArray {}

/** null: nothing; string: a bulk of latin1 bytes. */
export type RedisReply =
  | null
  | number
  | bigint
  | string
  | boolean
  | Status
  | Failure
  | Double
  | Pairs
  | Members
  | Push
  | NullArray
  | readonly RedisReply[];

export const OK = new Status('OK');
export const NULL_ARRAY = new NullArray();
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** A command's own error, thrown. */
export class CommandError extends Error {}

/** What the engine does not do: never a wrong answer, and never caught by a script. */
class NotSimulated extends Error {
  constructor(what: string) {
    super(`the simulated Redis has no ${what}`);
  }
}

/** Stops the whole simulation. */
export function notSimulated(what: string): never {
  throw new NotSimulated(what);
}

/** Stops the command with this error. */
export function fail(text: string): never {
  throw new CommandError(text);
}

/** A double as Redis 7.0 writes it. */
export function doubleText(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  return general(x, 17, false);
}

/** The reply's bytes as latin1 text. */
export function encodeReply(reply: RedisReply, protocol: 2 | 3): string {
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`;
  if (typeof reply === 'number' || typeof reply === 'bigint') return `:${reply}\r\n`;
  if (reply === null) return protocol === 3 ? '_\r\n' : '$-1\r\n';
  if (reply instanceof Status) return `+${reply.text}\r\n`;
  if (reply instanceof Failure) return `-${reply.text.replace(/[\r\n]/g, ' ')}\r\n`;
  if (typeof reply === 'boolean')
    return protocol === 3 ? (reply ? '#t\r\n' : '#f\r\n') : `:${Number(reply)}\r\n`;
  if (reply instanceof Double) return encodeDouble(reply.value, protocol);
  if (reply instanceof NullArray) return protocol === 3 ? '_\r\n' : '*-1\r\n';
  return encodeAggregate(reply, protocol);
}

function encodeDouble(value: number, protocol: 2 | 3): string {
  const text = doubleText(value);
  return protocol === 3 ? `,${text}\r\n` : `$${text.length}\r\n${text}\r\n`;
}

function encodeAggregate(reply: Pairs | Members | Push | readonly RedisReply[], protocol: 2 | 3): string {
  const is3 = protocol === 3;
  if (reply instanceof Pairs) return encodeList(is3 ? '%' : '*', reply.flat, is3 ? 2 : 1, protocol);
  if (reply instanceof Members) return encodeList(is3 ? '~' : '*', reply.items, 1, protocol);
  if (reply instanceof Push) return encodeList(is3 ? '>' : '*', reply.items, 1, protocol);
  return encodeList('*', reply, 1, protocol);
}

function encodeList(mark: string, items: readonly RedisReply[], per: number, protocol: 2 | 3): string {
  let text = `${mark}${items.length / per}\r\n`;
  for (const item of items) text += encodeReply(item, protocol);
  return text;
}
