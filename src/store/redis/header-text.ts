// Headers as text in the site's Redis: one field a key in the slot's hash.
import { assert, type Latin1 } from '../../base/index.ts';
import {
  above,
  compareVersions,
  laterOf,
  NONE,
  TYPE_STRING,
  type ValueType,
  type Version,
} from '../../crdt/index.ts';
import { AT_CHARS, atText, parseAt, parseVersion, VERSION_CHARS, versionText } from './version-text.ts';

// header  = "P" V                 a plain SET: clear = kind = value part = V, type string, the value lies natively
//         | "X" V AT              a plain SET EX: also expiry = (V, AT, none), reach = just above V
//         | "D" V                 deleted: clear = V, nothing else
//         | "G" clear "," kind "," type "," expiry "," at "," until "," reach "," newest "," count "," flags ["|" type register]
//         the first letter in lower case: header (and register) are marked for the outbox
// V       = 24 hex, AT = 12 hex
// clear … = "" none | 24 hex | "=" the version field before it that is not empty | "+" the boundary just above that one
// type    = "" none | one digit
// newest  = "" the greatest of clear, kind, expiry, reach and the register | a version
// count   = "" none | decimal: registers in the register hash that are marked
// flags   = "s" a register in the register hash may have seen or runs | "w" while marked, the whole key is to be sent
// register: of a string, list, stream or other value (register-text.ts), never marked itself. Where two types of them hold
// something (a tombstone and a value), the others lie in the register hash, their field is the type digit alone.
// P, X and D have nothing in a register hash.

/** A header as it lies. Versions are NONE, `type` and `at` 0 where there is none. */
export interface Header {
  readonly marked: boolean;
  readonly form: 'P' | 'X' | 'D' | 'G';
  readonly clear: Version;
  readonly kindV: Version;
  readonly type: ValueType | 0;
  readonly expiryV: Version;
  /** Units: Unix ms. */
  readonly expiryAt: number;
  readonly until: Version;
  readonly reach: Version;
  /** NONE: the greatest of the header and its register. */
  readonly newest: Version;
  readonly count: number;
  /** Letters, see the grammar. */
  readonly flags: string;
  /** The type digit and text of the register that lies in the header. */
  readonly register: Latin1 | undefined;
}

const EMPTY = {
  kindV: NONE,
  type: 0,
  expiryV: NONE,
  expiryAt: 0,
  until: NONE,
  reach: NONE,
  newest: NONE,
  count: 0,
  flags: '',
  register: undefined,
} as const;

/** Reads a header text. */
export function parseHeader(text: Latin1): Header {
  const letter = text.charAt(0);
  const form = letter.toUpperCase();
  const marked = letter !== form;
  if (form === 'G') return parseGeneral(text, marked);
  assert(form === 'P' || form === 'X' || form === 'D', `no header: ${text.slice(0, 40)}`);
  const clear = parseVersion(text.slice(1, 1 + VERSION_CHARS));
  const deleted: Header = { ...EMPTY, marked, form, clear };
  if (form === 'D') return deleted;
  const register = `${TYPE_STRING}V${versionText(clear)}`;
  const plain: Header = { ...deleted, kindV: clear, type: TYPE_STRING, register };
  if (form === 'P') return plain;
  const expiryAt = parseAt(text.slice(1 + VERSION_CHARS, 1 + VERSION_CHARS + AT_CHARS));
  return { ...plain, expiryV: clear, expiryAt, reach: above(clear) };
}

function parseGeneral(text: Latin1, marked: boolean): Header {
  const bar = text.indexOf('|');
  const fields = (bar < 0 ? text : text.slice(0, bar)).slice(1).split(',');
  assert(fields.length === 10, `a header has 10 fields: ${text.slice(0, 80)}`);
  let last = NONE;
  const version = (i: number): Version => {
    const field = fields[i] ?? '';
    if (field === '') return NONE;
    last = field === '=' ? last : field === '+' ? above(last) : parseVersion(field);
    return last;
  };
  const [clear, kindV, expiryV, until, reach, newest] = [0, 1, 3, 5, 6, 7].map(version) as Versions;
  return {
    marked,
    form: 'G',
    clear,
    kindV,
    type: Number(fields[2]) as ValueType | 0,
    expiryV,
    expiryAt: parseAt(fields[4] ?? ''),
    until,
    reach,
    newest,
    count: Number(fields[8]),
    flags: fields[9] ?? '',
    register: bar < 0 ? undefined : text.slice(bar + 1),
  };
}

type Versions = [Version, Version, Version, Version, Version, Version];

/** The text of a header, its form as given. */
export function formatHeader(h: Header): Latin1 {
  const letter = h.marked ? h.form.toLowerCase() : h.form;
  if (h.form === 'P' || h.form === 'D') return letter + versionText(h.clear);
  if (h.form === 'X') return letter + versionText(h.clear) + atText(h.expiryAt);
  let last: Version | undefined;
  const ref = (v: Version): Latin1 => {
    if (compareVersions(v, NONE) === 0) return '';
    const before = last;
    last = v;
    if (before === undefined) return versionText(v);
    if (compareVersions(v, before) === 0) return '=';
    return compareVersions(v, above(before)) === 0 ? '+' : versionText(v);
  };
  const fields = [
    ref(h.clear),
    ref(h.kindV),
    h.type === 0 ? '' : String(h.type),
    ref(h.expiryV),
    atText(h.expiryAt),
    ref(h.until),
    ref(h.reach),
    ref(h.newest),
    h.count === 0 ? '' : String(h.count),
    h.flags,
  ];
  return `${letter}${fields.join(',')}${h.register === undefined ? '' : `|${h.register}`}`;
}

/** The greatest of clear, kind, expiry and reach. */
export function newestOfHeader(h: Pick<Header, 'clear' | 'kindV' | 'expiryV' | 'reach'>): Version {
  return laterOf(laterOf(h.clear, h.kindV), laterOf(h.expiryV, h.reach));
}

/** What a header says without its mark, count and flags: what is compared before a mark goes. */
export function coreOf(text: Latin1): Latin1 {
  if (text.charAt(0).toUpperCase() !== 'G') return text.slice(1);
  const bar = text.indexOf('|');
  const fields = (bar < 0 ? text : text.slice(0, bar)).slice(1).split(',');
  return `${fields.slice(0, 8).join(',')},${bar < 0 ? '' : text.slice(bar)}`;
}
