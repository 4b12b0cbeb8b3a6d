// Everything that a site shows, for comparison with the others and for the checks.
import type { ChaosClient } from './client.ts';

/** What one site shows. */
export interface Dump {
  readonly keys: number;
  /** Key to text of type, content and expiry. */
  readonly entries: ReadonlyMap<string, string>;
  /** As the command would answer; undefined: nothing. */
  get(read: readonly string[]): string | undefined;
}

const BATCH = 500;
const DIFFERENCES_MAX = 5;
const TIMEOUT_MS = 20_000;

/** Reads it all. Errors: rejects when the site does not answer. */
export async function dumpOf(client: ChaosClient): Promise<Dump> {
  const keys = stringsOf(await client.command('KEYS', '*')).sort();
  const entries = new Map<string, string>();
  const parts = new Map<string, string>();
  for (let from = 0; from < keys.length; from += BATCH) {
    const some = keys.slice(from, from + BATCH);
    const types = await replies(
      client,
      some.map((key) => ['TYPE', key]),
    );
    const reads = some.map((key, i) => readOf(key, String(types[i])));
    const values = await replies(client, reads);
    const expiries = await replies(
      client,
      some.map((key) => ['PEXPIRETIME', key]),
    );
    for (const [i, key] of some.entries()) {
      const [type, value] = [String(types[i]), stringsOf(values[i])];
      note(parts, { key, type, value });
      entries.set(key, `${type} ${JSON.stringify(canonical(type, value))} at ${String(expiries[i])}`);
    }
  }
  return { keys: keys.length, entries, get: (read) => parts.get(read.join(' ')) };
}

async function replies(client: ChaosClient, commands: readonly string[][]): Promise<unknown[]> {
  const outcomes = await client.pipeline(commands, TIMEOUT_MS);
  return outcomes.map((outcome) => {
    if (outcome.kind !== 'ok') throw new Error(outcome.why);
    return outcome.reply;
  });
}

function readOf(key: string, type: string): string[] {
  if (type === 'hash') return ['HGETALL', key];
  if (type === 'set') return ['SMEMBERS', key];
  if (type === 'zset') return ['ZRANGE', key, '0', '-1', 'WITHSCORES'];
  return ['GET', key];
}

function stringsOf(reply: unknown): string[] {
  if (Array.isArray(reply)) return reply.map(String);
  if (typeof reply === 'object' && reply !== null) return Object.entries(reply).flat().map(String);
  return reply === null || reply === undefined ? [] : [String(reply)];
}

/** Order: Redis gives fields and members in none. */
function canonical(type: string, value: readonly string[]): readonly string[] {
  if (type === 'hash') return pairsOf(value).map(String).sort();
  return type === 'set' ? [...value].sort() : value;
}

function pairsOf(value: readonly string[]): (readonly [string, string])[] {
  return value.flatMap((name, i) => (i % 2 === 0 ? [[name, value[i + 1] ?? ''] as const] : []));
}

function note(
  parts: Map<string, string>,
  { key, type, value }: { readonly key: string; readonly type: string; readonly value: readonly string[] },
): void {
  if (type === 'string') parts.set(`GET ${key}`, value[0] ?? '');
  if (type === 'set') for (const member of value) parts.set(`SISMEMBER ${key} ${member}`, '1');
  if (type === 'hash') for (const [field, text] of pairsOf(value)) parts.set(`HGET ${key} ${field}`, text);
  if (type === 'zset')
    for (const [member, score] of pairsOf(value)) parts.set(`ZSCORE ${key} ${member}`, score);
}

/** The first differences; a site that does not answer is one. */
export function unequal(dumps: readonly (Dump | undefined)[]): string[] {
  const found = dumps.flatMap((dump, i) => (dump === undefined ? [`site${i} does not answer`] : []));
  const all = dumps.filter((dump) => dump !== undefined);
  for (const key of new Set(all.flatMap(({ entries }) => [...entries.keys()]))) {
    const shown = all.map(({ entries }) => entries.get(key) ?? '-');
    if (new Set(shown).size > 1) found.push(`${key}: ${shown.map(shorten).join(' / ')}`);
    if (found.length >= DIFFERENCES_MAX) break;
  }
  return found;
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 200)}…(${text.length})` : text;
}
