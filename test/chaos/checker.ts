// What must hold after healing, judged from the clients' history and what the sites then show. Knows nothing of the code.
import {
  type Attempt,
  type Counter,
  type Element,
  type History,
  isKept,
  keptAt,
  lineOf,
  type Register,
} from './history.ts';

/** Reads one element or key; null: nothing there. */
export type Shown = (read: readonly string[]) => string | null;

/** How much was checked. */
export interface Checked {
  /** Elements that had to be there. */
  readonly present: number;
  /** Elements that had to be gone: removed, expired, or refused when written. */
  readonly absent: number;
  /** Elements of which either is right. */
  readonly either: number;
  readonly registers: number;
  readonly counters: number;
}

/** Checks all; anomalies go into the history. */
export function check(history: History, shown: Shown): Checked {
  const counts = { present: 0, absent: 0, either: 0 };
  for (const element of history.elements) counts[checkElement(history, element, shown)]++;
  for (const register of history.registers.values()) checkRegister(history, register, shown);
  for (const counter of history.counters.values()) checkCounter(history, counter, shown);
  return { ...counts, registers: history.registers.size, counters: history.counters.size };
}

function checkElement(history: History, element: Element, shown: Shown): 'present' | 'absent' | 'either' {
  const must = mustOf(element);
  const isThere = shown(element.read) === element.value;
  if (must === 'present' && !isThere) history.anomaly('acknowledged write lost', ...story(element));
  if (must === 'absent' && isThere) history.anomaly('came back', ...story(element));
  return must;
}

function story({ read, written, removals, seen }: Element): [string, readonly string[]] {
  const lines = [lineOf('write', written), ...removals.map((removal) => lineOf('removal', removal))];
  for (const [site, atMs] of seen) lines.push(`${atMs} seen at ${site.name}`);
  return [read.join(' '), lines];
}

function mustOf({ written, removals, seen, ttlMs }: Element): 'present' | 'absent' | 'either' {
  if (written.kind === 'refused' || ttlMs !== undefined) return 'absent';
  if (removals.some((removal) => isKept(removal) && Number(removal.reply) === 1)) return 'absent';
  if (removals.some(({ kind, reply }) => kind === 'unknown' || (kind === 'ok' && Number(reply) === 1)))
    return 'either';
  const isSafe = isKept(written) || [...seen].some(([site, atMs]) => keptAt(site, atMs));
  return isSafe ? 'present' : 'either';
}

/** The value shown was written and is not superseded by what is kept: a write supersedes what it replaced at its own site. */
function checkRegister(history: History, { key, writes }: Register, shown: Shown): void {
  const value = shown(['GET', key]);
  const kept = [...writes].filter(([, attempt]) => isKept(attempt));
  const tell = (what: string): void =>
    history.anomaly(
      what,
      `${key} is ${String(value)}`,
      [...writes].slice(-12).map(([text, attempt]) => lineOf(`SET ${text} GET`, attempt)),
    );
  if (value === null) {
    if (kept.length > 0) tell('acknowledged write lost');
    return;
  }
  const written = writes.get(value);
  if (written === undefined) return tell('a value that nobody wrote');
  if (written.kind === 'refused') return tell('a refused write');
  const later = kept.find(([, attempt]) => attempt.reply === value || followsAtItsSite(attempt, written));
  if (later !== undefined) tell(`superseded by ${later[0]}`);
}

function followsAtItsSite(later: Attempt, earlier: Attempt): boolean {
  return later.site === earlier.site && earlier.kind === 'ok' && later.startedMs > earlier.endedMs;
}

function checkCounter(history: History, { key, increments, readings }: Counter, shown: Shown): void {
  const value = Number(shown(['GET', key]) ?? 0);
  const kept = increments.filter(isKept).length;
  const seen = readings.filter(({ site, atMs }) => keptAt(site, atMs)).map((reading) => reading.value);
  const least = Math.max(kept, ...seen);
  const most = increments.filter(({ kind }) => kind !== 'refused').length;
  const tell = (what: string): void =>
    history.anomaly(what, `${key} is ${value}, not ${least} to ${most}`, [
      `kept ${kept}, acknowledged ${increments.filter(({ kind }) => kind === 'ok').length}`,
      ...readings
        .filter((reading) => reading.value > value)
        .slice(0, 5)
        .map((reading) => `${reading.atMs} ${reading.site.name} showed ${reading.value}`),
    ]);
  if (value < least) tell('increments lost');
  if (value > most) tell('increments counted twice');
}
