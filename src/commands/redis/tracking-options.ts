// CLIENT TRACKING's options, with Redis' own objections.
import type { Latin1 } from '../../base/index.ts';
import type { Call } from '../call.ts';
import { NOT_INTEGER, SYNTAX } from '../errors.ts';
import { parseLong } from '../numbers.ts';

/** How a connection is told of changed keys. */
export interface TrackingOptions {
  readonly mode: 'all' | 'optin' | 'optout' | 'bcast';
  readonly isNoLoop: boolean;
  /** The connection that is told instead; 0: itself. */
  readonly redirect: number;
  /** With `bcast`; the empty one stands for all keys. */
  readonly prefixes: readonly Latin1[];
}

const TWO_REDIRECTS = 'ERR A client can only redirect to a single other client';
const PREFIX_ALONE = 'ERR PREFIX option requires BCAST mode to be enabled';
const BOTH = "ERR You can't specify both OPTIN mode and OPTOUT mode";
const WITH_BCAST = 'ERR OPTIN and OPTOUT are not compatible with BCAST';
const SWITCHED_BCAST =
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
const SWITCHED_OPT =
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";

interface Found {
  redirect: number;
  readonly words: Set<string>;
  readonly prefixes: Latin1[];
}

/** Options of CLIENT TRACKING ON from argument 3 on; a text is the error. `held`: those in force. */
export function trackingOptions(c: Call, held: TrackingOptions | undefined): TrackingOptions | string {
  const found = read(c);
  if (typeof found === 'string') return found;
  const { words, prefixes, redirect } = found;
  const isBcast = words.has('BCAST');
  const isOpt = words.has('OPTIN') || words.has('OPTOUT');
  if (prefixes.length > 0 && !isBcast) return PREFIX_ALONE;
  if (held !== undefined && (held.mode === 'bcast') !== isBcast) return SWITCHED_BCAST;
  if (isBcast && isOpt) return WITH_BCAST;
  if (words.has('OPTIN') && words.has('OPTOUT')) return BOTH;
  const mode = isBcast ? 'bcast' : words.has('OPTIN') ? 'optin' : words.has('OPTOUT') ? 'optout' : 'all';
  const isSwitched =
    (held?.mode === 'optin' && mode === 'optout') || (held?.mode === 'optout' && mode === 'optin');
  if (isSwitched) return SWITCHED_OPT;
  const all = isBcast && prefixes.length === 0 ? [''] : prefixes;
  const joined = [...new Set([...(held?.prefixes ?? []), ...all])];
  return overlap(joined) ?? { mode, isNoLoop: words.has('NOLOOP'), redirect, prefixes: joined };
}

function read(c: Call): Found | string {
  const found: Found = { redirect: 0, words: new Set(), prefixes: [] };
  for (let a = 3; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'REDIRECT' && a + 1 < c.argc) {
      const id = parseLong(c.text(++a));
      if (found.redirect !== 0) return TWO_REDIRECTS;
      if (id === undefined) return NOT_INTEGER;
      if (c.shared?.sessions.has(id) !== true) return 'ERR The client ID you want redirect to does not exist';
      found.redirect = id;
    } else if (word === 'PREFIX' && a + 1 < c.argc) found.prefixes.push(c.text(++a));
    else if (['BCAST', 'OPTIN', 'OPTOUT', 'NOLOOP'].includes(word)) found.words.add(word);
    else return SYNTAX;
  }
  return found;
}

function overlap(prefixes: readonly Latin1[]): string | undefined {
  for (const a of prefixes)
    for (const b of prefixes)
      if (a !== b && b.startsWith(a))
        return `ERR Prefix '${b}' overlaps with an existing prefix '${a}'. Prefixes for a single client must not overlap.`;
  return undefined;
}
