// Further commands as one Redis would decide them from what shows: those that commands.ts does not know. Written from
// DESIGN section 3 and the commands' own pages.
import { type Effects, effectsOf, keysOf } from './commands.ts';
import type { Content, Effect, View } from './definition.ts';

type Show = (key: string) => View;

interface Given {
  readonly rest: readonly string[];
  readonly key: string;
  readonly view: View;
  readonly show: Show;
  readonly now: number;
}
type Decide = (given: Given) => Effects;

const STRING = 1;
const HASH = 2;
const SET = 3;
const ZSET = 4;
const OVERWRITE: Effect = { do: 'overwrite' };
const NOTHING: Effects = new Map();

/** What the command does at time `now`; an empty map: nothing, or an error reply. */
export function decide(args: readonly string[], show: Show, now: number): Effects {
  const [name = '', key = '', ...rest] = args;
  const own = COMMANDS[name];
  if (own === undefined) return effectsOf(args, show, now);
  return own({ rest, key, view: show(key), show, now });
}

/** Commands whose arguments are all keys. */
const ALL_KEYS: ReadonlySet<string> = new Set(
  'DEL UNLINK MGET EXISTS SINTER SUNION SDIFF SINTERSTORE SUNIONSTORE SDIFFSTORE'.split(' '),
);

/** Keys that a command names. */
export function keysNamed(args: readonly string[]): string[] {
  const [name = '', key = '', second = ''] = args;
  if (name === 'MSET' || name === 'MSETNX') return args.slice(1).filter((_, i) => i % 2 === 0);
  if (ALL_KEYS.has(name)) return args.slice(1);
  if (['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE'].includes(name))
    return [key, ...args.slice(3, 3 + Number(second))];
  if (['RENAMENX', 'COPY', 'SMOVE', 'ZRANGESTORE'].includes(name)) return [key, second];
  return keysOf(args);
}

function on(key: string, ...effects: Effect[]): Effects {
  return new Map(effects.length > 0 ? [[key, effects]] : []);
}

function text(value: string): Effect {
  return { do: 'put', type: STRING, field: '', value };
}

function expiry(at: number): Effect[] {
  return at === 0 ? [] : [{ do: 'expire', at }];
}

function stringIn(view: View): string {
  return String(view.fields.get('') ?? '');
}

const accepts = (view: View, type: number): boolean => view.type === 0 || view.type === type;

/** Unix ms. */
function timeOf(unit: string, value: string | undefined, now: number): number {
  const ms = Number(value) * (unit.startsWith('P') ? 1 : 1000);
  return unit.endsWith('AT') ? ms : now + ms;
}

function set({ rest: [value = '', ...options], key, view, now }: Given): Effects {
  const has = (word: string): boolean => options.includes(word);
  if (has('GET') && !accepts(view, STRING)) return NOTHING;
  if ((has('NX') && view.type !== 0) || (has('XX') && view.type === 0)) return NOTHING;
  const unit = options.find((word) => ['EX', 'PX', 'EXAT', 'PXAT'].includes(word));
  let at = has('KEEPTTL') ? view.ttlAt : 0;
  if (unit !== undefined) at = timeOf(unit, options[options.indexOf(unit) + 1], now);
  return on(key, OVERWRITE, text(value), ...expiry(at));
}

function setWith(unit: string): Decide {
  return ({ rest: [time, value = ''], key, now }) =>
    on(key, OVERWRITE, text(value), ...expiry(timeOf(unit, time, now)));
}

function mset(onlyNew: boolean): Decide {
  return ({ rest, key, show }) => {
    const args = [key, ...rest];
    const effects: Effects = new Map();
    for (let i = 0; i < args.length; i += 2) {
      const name = args[i] ?? '';
      if (onlyNew && show(name).type !== 0) return NOTHING;
      effects.set(name, [...(effects.get(name) ?? []), OVERWRITE, text(args[i + 1] ?? '')]);
    }
    return effects;
  };
}

function del({ rest, key, show }: Given): Effects {
  const effects: Effects = new Map();
  for (const name of [key, ...rest]) if (show(name).type !== 0) effects.set(name, [OVERWRITE]);
  return effects;
}

function getex({ rest: [unit = '', time], key, view, now }: Given): Effects {
  if (view.type !== STRING || unit === '') return NOTHING;
  if (unit === 'PERSIST') return view.ttlAt === 0 ? NOTHING : on(key, { do: 'expire', at: 0 });
  return on(key, { do: 'expire', at: timeOf(unit, time, now) });
}

function setrange({ rest: [offset, patch = ''], key, view }: Given): Effects {
  if (!accepts(view, STRING) || patch === '') return NOTHING;
  const from = Number(offset);
  const old = stringIn(view).padEnd(from, '\0');
  const value = old.slice(0, from) + patch + old.slice(from + patch.length);
  return on(key, OVERWRITE, text(value), ...expiry(view.ttlAt));
}

function expire(unit: string): Decide {
  return ({ rest: [time, ...conditions], key, view, now }) => {
    const at = timeOf(unit, time, now);
    const shown = view.ttlAt;
    const has = (word: string): boolean => conditions.includes(word);
    if (view.type === 0 || (has('NX') && shown !== 0) || (has('XX') && shown === 0)) return NOTHING;
    if (has('GT') && (shown === 0 || at <= shown)) return NOTHING;
    if (has('LT') && shown !== 0 && at >= shown) return NOTHING;
    return on(key, { do: 'expire', at: at <= 0 ? 1 : at });
  };
}

function count(sign: bigint): Decide {
  return ({ rest: [by = '1'], key, show, now }) =>
    effectsOf(['INCRBY', key, String(sign * BigInt(by))], show, now);
}

function hset({ rest, key, view }: Given): Effects {
  if (!accepts(view, HASH)) return NOTHING;
  return on(key, ...pairs(rest).map(([field, value]): Effect => ({ do: 'put', type: HASH, field, value })));
}

function hsetnx({ rest: [field = '', value = ''], key, view }: Given): Effects {
  if (!accepts(view, HASH) || view.fields.has(field)) return NOTHING;
  return on(key, { do: 'put', type: HASH, field, value });
}

/** Only with so many that all go: which ones is left to chance. */
function spop({ key, view }: Given): Effects {
  if (view.type !== SET) return NOTHING;
  return on(key, ...[...view.fields.keys()].map((field): Effect => ({ do: 'remove', type: SET, field })));
}

function smove({ rest: [to = '', field = ''], key, view, show }: Given): Effects {
  if (view.type !== SET || !accepts(show(to), SET) || key === to || !view.fields.has(field)) return NOTHING;
  return new Map([
    [key, [{ do: 'remove', type: SET, field }]],
    [to, [{ do: 'put', type: SET, field, value: true }]],
  ]);
}

function setStore(combine: (sets: readonly ReadonlySet<string>[]) => Iterable<string>): Decide {
  return ({ rest, key, view, show }) => {
    const views = rest.map(show);
    if (views.some((v) => !accepts(v, SET))) return NOTHING;
    const members = [...combine(views.map((v) => new Set(v.fields.keys())))];
    return store(
      key,
      view,
      members.map((field): Effect => ({ do: 'put', type: SET, field, value: true })),
    );
  };
}

function store(key: string, view: View, puts: readonly Effect[]): Effects {
  if (puts.length === 0) return view.type === 0 ? NOTHING : on(key, OVERWRITE);
  return on(key, OVERWRITE, ...puts);
}

const union = (sets: readonly ReadonlySet<string>[]): Set<string> => new Set(sets.flatMap((s) => [...s]));
const inter = ([first, ...others]: readonly ReadonlySet<string>[]): string[] =>
  [...(first ?? [])].filter((m) => others.every((s) => s.has(m)));
const diff = ([first, ...others]: readonly ReadonlySet<string>[]): string[] =>
  [...(first ?? [])].filter((m) => !others.some((s) => s.has(m)));

function zsetStore(combine: (sets: readonly ReadonlySet<string>[]) => Iterable<string>): Decide {
  return ({ rest: [number, ...keys], key, view, show }) => {
    const views = keys.slice(0, Number(number)).map(show);
    if (views.some((v) => !accepts(v, SET) && !accepts(v, ZSET))) return NOTHING;
    const score = (v: View | undefined, m: string): number => Number(v?.fields.get(m) ?? 0);
    const isDiff = combine === diff;
    const puts: Effect[] = [];
    for (const field of combine(views.map((v) => new Set(v.fields.keys())))) {
      const value = (isDiff ? views.slice(0, 1) : views).map((v) => score(v, field)).reduce((a, b) => a + b);
      puts.push({ do: 'put', type: ZSET, field, value });
    }
    return store(key, view, puts);
  };
}

function ordered(view: View): [string, number][] {
  const elements = [...view.fields].map(([m, s]): [string, number] => [m, Number(s)]);
  return elements.sort(([m, s], [n, t]) => s - t || (m < n ? -1 : 1));
}

function zrangestore({ rest: [from = '', first, last], key, view, show }: Given): Effects {
  const source = show(from);
  if (!accepts(source, ZSET)) return NOTHING;
  const chosen = ordered(source).slice(Number(first), Number(last) + 1);
  return store(
    key,
    view,
    chosen.map(([field, value]): Effect => ({ do: 'put', type: ZSET, field, value })),
  );
}

function zadd({ rest, key, view }: Given): Effects {
  const words = ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR'];
  const options = rest.filter((word) => words.includes(word));
  const has = (word: string): boolean => options.includes(word);
  if (!accepts(view, ZSET)) return NOTHING;
  const shown = new Map<string, Content>(view.fields);
  const effects: Effect[] = [];
  for (const [number, field] of pairs(rest.slice(options.length))) {
    const old = shown.get(field);
    const score = has('INCR') ? Number(old ?? 0) + Number(number) : Number(number);
    if (old === undefined ? has('XX') : has('NX')) continue;
    if (old !== undefined && has('GT') && score <= Number(old)) continue;
    if (old !== undefined && has('LT') && score >= Number(old)) continue;
    shown.set(field, score);
    effects.push(
      has('INCR')
        ? { do: 'add', type: ZSET, field, by: Number(number) }
        : { do: 'put', type: ZSET, field, value: score },
    );
  }
  return on(key, ...effects);
}

function zpop(fromTop: boolean): Decide {
  return ({ rest: [number = '1'], key, view }) => {
    if (view.type !== ZSET) return NOTHING;
    const elements = fromTop ? ordered(view).reverse() : ordered(view);
    const gone = elements.slice(0, Number(number));
    return on(key, ...gone.map(([field]): Effect => ({ do: 'remove', type: ZSET, field })));
  };
}

function zremrange({ rest: [first, last], key, view }: Given): Effects {
  if (view.type !== ZSET) return NOTHING;
  const gone = ordered(view).slice(Number(first), Number(last) + 1);
  return on(key, ...gone.map(([field]): Effect => ({ do: 'remove', type: ZSET, field })));
}

/** The value and TTL of a view onto a key. */
function copied(view: View): Effect[] {
  const puts = [...view.fields].map(
    ([field, value]): Effect => ({ do: 'put', type: view.type, field, value }),
  );
  return [OVERWRITE, ...puts, ...expiry(view.ttlAt)];
}

function renamenx({ rest: [to = ''], key, view, show, now }: Given): Effects {
  if (show(to).type !== 0) return NOTHING;
  return effectsOf(['RENAME', key, to], () => view, now);
}

function copy({ rest: [to = '', replace], key, view, show }: Given): Effects {
  if (view.type === 0 || key === to || (replace === undefined && show(to).type !== 0)) return NOTHING;
  return on(to, ...copied(view));
}

function pairs(list: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) result.push([list[i] ?? '', list[i + 1] ?? '']);
  return result;
}

const read: Decide = () => NOTHING;

const COMMANDS: Readonly<Record<string, Decide>> = {
  SET: set,
  SETEX: setWith('EX'),
  PSETEX: setWith('PX'),
  MSET: mset(false),
  MSETNX: mset(true),
  DEL: del,
  UNLINK: del,
  GETEX: getex,
  SETRANGE: setrange,
  INCR: count(1n),
  DECR: count(-1n),
  DECRBY: count(-1n),
  EXPIRE: expire('EX'),
  PEXPIRE: expire('PX'),
  EXPIREAT: expire('EXAT'),
  PEXPIREAT: expire('PXAT'),
  HSET: hset,
  HMSET: hset,
  HSETNX: hsetnx,
  SPOP: spop,
  SMOVE: smove,
  SUNIONSTORE: setStore(union),
  SINTERSTORE: setStore(inter),
  SDIFFSTORE: setStore(diff),
  ZUNIONSTORE: zsetStore(union),
  ZINTERSTORE: zsetStore(inter),
  ZDIFFSTORE: zsetStore(diff),
  ZRANGESTORE: zrangestore,
  ZADD: zadd,
  ZPOPMIN: zpop(false),
  ZPOPMAX: zpop(true),
  ZREMRANGEBYRANK: zremrange,
  RENAMENX: renamenx,
  COPY: copy,
  GET: read,
  HLEN: read,
  SCARD: read,
  ZCARD: read,
  STRLEN: read,
  SINTER: read,
  SUNION: read,
  SDIFF: read,
  MGET: read,
  EXISTS: read,
  TTL: read,
  TYPE: read,
  HGETALL: read,
  SMEMBERS: read,
};
