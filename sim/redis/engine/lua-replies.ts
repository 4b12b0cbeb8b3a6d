// Replies as Lua's values and back, as Redis 7 converts them.
import { LuaTable, type LuaValue } from '../lua/values.ts';
import { libraryOf } from '../lua/library.ts';
import {
  Double,
  doubleText,
  Failure,
  Members,
  NullArray,
  Pairs,
  Push,
  type RedisReply,
  Status,
} from './replies.ts';

/** What a script sees of a reply. `protocol`: as it has set by redis.setresp. */
export function luaOf(reply: RedisReply, protocol: 2 | 3): LuaValue {
  if (typeof reply === 'string' || typeof reply === 'number') return reply;
  if (reply === null || reply instanceof NullArray) return protocol === 3 ? undefined : false;
  if (typeof reply === 'bigint') return Number(reply);
  if (reply instanceof Status) return libraryOf({ ok: reply.text });
  if (reply instanceof Failure) return libraryOf({ err: reply.text });
  if (typeof reply === 'boolean') return protocol === 3 ? reply : Number(reply);
  if (protocol === 3) return lua3Of(reply);
  if (reply instanceof Double) return doubleText(reply.value);
  const items = reply instanceof Pairs ? reply.flat : 'items' in reply ? reply.items : reply;
  return new LuaTable(items.map((item) => luaOf(item, 2)));
}

function lua3Of(reply: Double | Pairs | Members | Push | readonly RedisReply[]): LuaValue {
  if (reply instanceof Double) return libraryOf({ double: reply.value });
  const inner = new LuaTable();
  if (reply instanceof Pairs) {
    for (let i = 0; i < reply.flat.length; i += 2)
      inner.set(luaOf(reply.flat[i], 3), luaOf(reply.flat[i + 1], 3));
    return libraryOf({ map: inner });
  }
  if (reply instanceof Members) {
    for (const item of reply.items) inner.set(luaOf(item, 3), true);
    return libraryOf({ set: inner });
  }
  const items = reply instanceof Push ? reply.items : reply;
  return new LuaTable(items.map((item) => luaOf(item, 3)));
}

/** What a script's result is as a reply. */
export function replyOf(value: LuaValue, protocol: 2 | 3): RedisReply {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return integer(value);
  if (value === undefined) return null;
  if (typeof value === 'boolean') {
    if (protocol === 3) return value;
    return value ? 1 : null;
  }
  return value instanceof LuaTable ? tableReply(value, protocol) : null;
}

/** C's conversion of a double to a long long. */
function integer(value: number): RedisReply {
  const whole = Math.trunc(value);
  if (Number.isSafeInteger(whole)) return whole === 0 ? 0 : whole;
  return Math.abs(whole) < 2 ** 63 ? BigInt(whole) : -(2n ** 63n);
}

function tableReply(table: LuaTable, protocol: 2 | 3): RedisReply {
  const field = (name: string): LuaValue => table.rawGet(name);
  const [err, ok, double, map, set] = [
    field('err'),
    field('ok'),
    field('double'),
    field('map'),
    field('set'),
  ];
  if (typeof err === 'string') return new Failure(err);
  if (typeof ok === 'string') return new Status(ok.replace(/[\r\n]/g, ' '));
  if (typeof double === 'number') return new Double(double);
  if (map instanceof LuaTable)
    return new Pairs(pairsOf(map).flatMap(([key, one]) => [replyOf(key, protocol), replyOf(one, protocol)]));
  if (set instanceof LuaTable) return new Members(pairsOf(set).map(([key]) => replyOf(key, protocol)));
  const items: RedisReply[] = [];
  for (let i = 1; ; i++) {
    const item = table.rawGet(i);
    if (item === undefined) return items;
    items.push(replyOf(item, protocol));
  }
}

function pairsOf(table: LuaTable): (readonly [LuaValue, LuaValue])[] {
  const listed = table.list.map((value, i) => [i + 1, value] as const);
  return [...listed, ...table.map];
}

/** Arguments of redis.call; undefined: one of them is neither a text nor a number. */
export function argumentsOf(
  values: readonly LuaValue[],
  numberText: (x: number) => string,
): string[] | undefined {
  const args: string[] = [];
  for (const value of values) {
    if (typeof value === 'string') args.push(value);
    else if (typeof value === 'number') args.push(numberText(value));
    else return undefined;
  }
  return args;
}
