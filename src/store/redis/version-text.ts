// Versions and totals as text in the site's Redis: they compare as text exactly as they compare as versions.
import { assert, type Latin1 } from '../../base/index.ts';
import { counterOf, makeVersion, NONE, originOf, type Total, type Version } from '../../crdt/index.ts';

// version = NONE "" | ms:12 hex counter:4 hex origin:8 hex          lower case
// at      = none "" | ms:12 hex
// total   = decimal integer | "d" double                            "inf" and "-inf" for the infinite ones

/** Units: characters. */
export const VERSION_CHARS = 24;
export const AT_CHARS = 12;

/** The text of a version or boundary; '' for NONE. */
export function versionText(v: Version): Latin1 {
  if (v.ms === 0 && v.tail === 0) return '';
  return hex(v.ms, 12) + hex(counterOf(v), 4) + hex(originOf(v), 8);
}

/** The version or boundary that a text names. */
export function parseVersion(text: Latin1): Version {
  if (text === '') return NONE;
  assert(text.length === VERSION_CHARS, `a version has 24 digits: ${text}`);
  const ms = Number.parseInt(text.slice(0, 12), 16);
  const version = makeVersion(
    ms,
    Number.parseInt(text.slice(12, 16), 16),
    Number.parseInt(text.slice(16), 16),
  );
  assert(Number.isSafeInteger(version.ms) && Number.isSafeInteger(version.tail), `no version: ${text}`);
  return version;
}

/** Units: `at` Unix ms; 0: none. */
export function atText(at: number): Latin1 {
  return at === 0 ? '' : hex(at, AT_CHARS);
}

/** Units: Unix ms; 0: none. */
export function parseAt(text: Latin1): number {
  return text === '' ? 0 : Number.parseInt(text, 16);
}

/** The text of a double that reads back as the same double, in Lua too. */
export function doubleText(x: number): Latin1 {
  if (!Number.isFinite(x)) return x > 0 ? 'inf' : '-inf';
  return Object.is(x, -0) ? '-0' : String(x);
}

/** The double that a text of `doubleText`, of Lua's %.17g or of Redis (scores) names. */
export function parseDouble(text: Latin1): number {
  if (text.startsWith('inf') || text === 'Infinity') return Number.POSITIVE_INFINITY;
  if (text.startsWith('-inf') || text === '-Infinity') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

export function totalAsText(total: Total): Latin1 {
  return typeof total === 'bigint' ? total.toString() : `d${doubleText(total)}`;
}

export function parseTotalText(text: Latin1): Total {
  return text.startsWith('d') ? parseDouble(text.slice(1)) : BigInt(text);
}

function hex(x: number, digits: number): string {
  return x.toString(16).padStart(digits, '0');
}
