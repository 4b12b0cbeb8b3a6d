// The commands of the golden cases as one Redis would decide them from what shows: effects by key. Shared by the
// definition and by the driver of src/crdt, which each pass the view that they themselves compute.
import type { Effect, View } from './definition.ts';

export type Effects = Map<string, Effect[]>;
type Show = (key: string) => View;

const STRING = 1;
const HASH = 2;
const SET = 3;
const ZSET = 4;
const INT_MAX = (1n << 63n) - 1n;

/** Keys that a command names. */
export function keysOf(args: readonly string[]): string[] {
  return args[0] === 'RENAME' || args[0] === 'MSET2'
    ? [args[1] as string, args[2] as string]
    : [args[1] as string];
}

/** What the command does at time `now`; an empty map: nothing, or an error reply. */
export function effectsOf(args: readonly string[], show: Show, now: number): Effects {
  const [name, key = '', ...rest] = args;
  const view = show(key);
  const on = (...effects: Effect[]): Effects => new Map(effects.length > 0 ? [[key, effects]] : []);
  const wants = TYPES[name as string];
  if (wants !== undefined && view.type !== 0 && view.type !== wants) return on();
  switch (name) {
    case 'SET':
      return on(...setEffects(rest, view, now));
    case 'GETSET':
      return on(OVERWRITE, string(rest[0]));
    case 'SETNX':
      return view.type === 0 ? on(OVERWRITE, string(rest[0])) : on();
    case 'APPEND':
      return on(string(String(view.fields.get('') ?? '') + rest[0]));
    case 'DEL':
    case 'GETDEL':
      return view.type === 0 ? on() : on(OVERWRITE);
    case 'INCRBY':
      return on(...increments(STRING, '', rest[0], view));
    case 'INCRBYFLOAT':
      return on(...floats(STRING, '', rest[0], view));
    case 'HINCRBY':
      return on(...increments(HASH, rest[0] as string, rest[1], view));
    case 'HINCRBYFLOAT':
      return on(...floats(HASH, rest[0] as string, rest[1], view));
    case 'ZINCRBY':
      return on({ do: 'add', type: ZSET, field: rest[1] as string, by: Number(rest[0]) });
    case 'HSET':
      return on(...pairs(rest).map(([field, value]): Effect => ({ do: 'put', type: HASH, field, value })));
    case 'SADD':
      return on(...rest.map((field): Effect => ({ do: 'put', type: SET, field, value: true })));
    case 'ZADD':
      return on(
        ...pairs(rest).map(
          ([score, field]): Effect => ({ do: 'put', type: ZSET, field, value: Number(score) }),
        ),
      );
    case 'HDEL':
    case 'SREM':
    case 'ZREM':
      return on(...rest.map((field): Effect => ({ do: 'remove', type: wants as number, field })));
    case 'SPOP':
      return on(
        ...[...view.fields.keys()]
          .sort()
          .slice(0, 1)
          .map((field): Effect => ({ do: 'remove', type: SET, field })),
      );
    case 'PEXPIRE':
      return view.type === 0 ? on() : on({ do: 'expire', at: now + Number(rest[0]) });
    case 'PEXPIREAT':
      return view.type === 0 ? on() : on({ do: 'expire', at: Number(rest[0]) });
    case 'PERSIST':
      return view.ttlAt === 0 ? on() : on({ do: 'expire', at: 0 });
    case 'RENAME':
      return rename(key, rest[0] as string, view);
    default:
      throw new Error(`no such command: ${name}`);
  }
}

const OVERWRITE: Effect = { do: 'overwrite' };
const TYPES: Record<string, number> = {
  APPEND: STRING,
  INCRBY: STRING,
  INCRBYFLOAT: STRING,
  GETSET: STRING,
  GETDEL: STRING,
  HSET: HASH,
  HDEL: HASH,
  HINCRBY: HASH,
  HINCRBYFLOAT: HASH,
  SADD: SET,
  SREM: SET,
  SPOP: SET,
  ZADD: ZSET,
  ZREM: ZSET,
  ZINCRBY: ZSET,
};

function string(value: string | undefined): Effect {
  return { do: 'put', type: STRING, field: '', value: value ?? '' };
}

function setEffects([value, option, time]: string[], view: View, now: number): Effect[] {
  if (option === 'NX' && view.type !== 0) return [];
  if (option === 'XX' && view.type === 0) return [];
  const at = option === 'PX' ? now + Number(time) : option === 'KEEPTTL' ? view.ttlAt : 0;
  return [OVERWRITE, string(value), ...(at === 0 ? [] : [{ do: 'expire', at } as const])];
}

function increments(type: number, field: string, by: string | undefined, view: View): Effect[] {
  const old = String(view.fields.get(field) ?? '0');
  if (!/^(?:0|-?[1-9]\d*)$/.test(old)) return [];
  const isOut = (x: bigint): boolean => x > INT_MAX || x < -INT_MAX - 1n;
  return isOut(BigInt(old)) || isOut(BigInt(old) + BigInt(by ?? '1'))
    ? []
    : [{ do: 'add', type, field, by: BigInt(by ?? '1') }];
}

function floats(type: number, field: string, by: string | undefined, view: View): Effect[] {
  const old = view.fields.get(field) ?? '0';
  return old === '' || !Number.isFinite(Number(old) + Number(by))
    ? []
    : [{ do: 'add', type, field, by: Number(by) }];
}

function pairs(list: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) result.push([list[i] as string, list[i + 1] as string]);
  return result;
}

function rename(from: string, to: string, view: View): Effects {
  if (view.type === 0 || from === to) return new Map();
  const puts = [...view.fields].map(
    ([field, value]): Effect => ({ do: 'put', type: view.type, field, value }),
  );
  const ttl: Effect[] = view.ttlAt === 0 ? [] : [{ do: 'expire', at: view.ttlAt }];
  return new Map([
    [from, [OVERWRITE]],
    [to, [OVERWRITE, ...puts, ...ttl]],
  ]);
}
