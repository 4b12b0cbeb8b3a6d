// MQKV.TRACE key: every part of a key's state with its version, origin and time.
import type { Latin1 } from '../../base/index.ts';
import {
  counterOf,
  type KeyState,
  originOf,
  type Register,
  TOMBSTONE,
  type Version,
} from '../../crdt/index.ts';
import type { Call } from '../call.ts';

/** A store that can show a key's state. */
interface Traced {
  stateOf(key: Latin1): KeyState | undefined | Promise<KeyState | undefined>;
}

const TYPE_WORDS: Readonly<Record<number, string>> = {
  1: 'string',
  2: 'hash',
  3: 'set',
  4: 'zset',
  5: 'list',
  6: 'stream',
  7: 'other',
};

/** One line of the trace. */
interface Line {
  readonly part: string;
  readonly field: Latin1;
  readonly what: string;
  readonly version: Version;
}

/** Replies with an array of lines: part, field, what it is, version, origin, Unix ms. A key without a state: an empty array. */
export function trace(c: Call): void | Promise<void> {
  const store = c.shared?.options.store as Partial<Traced> | undefined;
  if (store?.stateOf === undefined) return c.fail('ERR MQKV.TRACE is not supported by this store');
  const state = store.stateOf(c.text(1));
  if (state instanceof Promise) return state.then((found) => replyState(c, found));
  return replyState(c, state);
}

function replyState(c: Call, state: KeyState | undefined): void {
  const lines = state === undefined ? [] : [...headerLines(state), ...registerLines(state)];
  c.reply.array(lines.length);
  for (const line of lines) replyLine(c, line);
}

function replyLine({ reply }: Call, { part, field, what, version }: Line): void {
  reply.array(6);
  reply.latin1(part);
  reply.latin1(field);
  reply.latin1(what);
  reply.latin1(`${version.ms}-${counterOf(version)}`);
  reply.latin1(originOf(version).toString(16).padStart(8, '0'));
  reply.integer(version.ms);
}

function headerLines(s: KeyState): Line[] {
  const at = s.expiryAt === 0 ? 'none' : `at ${s.expiryAt}`;
  const all: Line[] = [
    { part: 'clear', field: '', what: '', version: s.clear },
    { part: 'kind', field: '', what: TYPE_WORDS[s.type] ?? '', version: s.kindV },
    { part: 'expiry', field: '', what: at, version: s.expiryV },
    { part: 'until', field: '', what: '', version: s.until },
    { part: 'reach', field: '', what: '', version: s.reach },
  ];
  return all.filter(({ version }) => version.ms !== 0 || version.tail !== 0);
}

function registerLines(s: KeyState): Line[] {
  const lines: Line[] = [];
  for (const [type, fields] of s.registers)
    for (const [field, register] of fields) lines.push(...linesOf(TYPE_WORDS[type], field, register));
  return lines;
}

function linesOf(part: string, field: Latin1, { v, value, runs }: Register): Line[] {
  const lines: Line[] = [];
  if (value !== undefined)
    lines.push({ part, field, what: value === TOMBSTONE ? 'removed' : 'value', version: v });
  for (const run of runs?.values() ?? [])
    lines.push({ part, field, what: `run ${String(run.total)}`, version: run.v });
  return lines;
}
