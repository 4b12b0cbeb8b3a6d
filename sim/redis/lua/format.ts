// string.format: C's printf as Lua 5.1 has it.
import { exponential, fixed, general } from './numbers.ts';
import { LuaError } from './values.ts';

const DIRECTIVE = /%(?:%|([-+ #0]*)(\d*)(?:(\.)(\d*))?([a-zA-Z]))/g;

interface Spec {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly kind: string;
}

/** What `format` takes arguments from. */
export interface Arguments {
  number(): number;
  text(): string;
}

/** Puts the arguments in. */
export function formatText(pattern: string, args: Arguments): string {
  return pattern.replace(DIRECTIVE, (whole, flags = '', width = '', point, digits = '', kind) => {
    if (whole === '%%') return '%';
    const precision = point === undefined ? undefined : Number(digits);
    return one({ flags, width: Number(width), precision, kind }, args);
  });
}

function one(spec: Spec, args: Arguments): string {
  const { kind, precision } = spec;
  if (kind === 's') return padded(spec, args.text().slice(0, precision), '');
  // A zero byte ends the text of C.
  if (kind === 'c') return padded(spec, String.fromCharCode(args.number() & 255).replace('\0', ''), '');
  if (kind === 'q') return quoted(args.text());
  if ('diouxX'.includes(kind)) return integer(spec, args.number());
  return floating(spec, args.number());
}

function integer(spec: Spec, x: number): string {
  const { kind, precision, flags } = spec;
  const whole = Number.isFinite(x) ? BigInt.asIntN(64, BigInt(Math.trunc(x))) : -(1n << 63n);
  const isSigned = kind === 'd' || kind === 'i';
  const size = isSigned ? (whole < 0n ? -whole : whole) : BigInt.asUintN(64, whole);
  const base = kind === 'o' ? 8 : kind === 'x' || kind === 'X' ? 16 : 10;
  const digits = size.toString(base).padStart(precision ?? 1, '0');
  const body = flags.includes('#') && base === 16 && size !== 0n ? `0x${digits}` : digits;
  const sign = isSigned && whole < 0n ? '-' : '';
  const plain = precision === undefined ? spec : { ...spec, flags: flags.replaceAll('0', '') };
  return padded(plain, kind === 'X' ? body.toUpperCase() : body, isSigned ? sign || plus(flags) : '');
}

function plus(flags: string): string {
  return flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
}

function floating(spec: Spec, x: number): string {
  const { kind, precision = 6, flags } = spec;
  const lower = kind.toLowerCase();
  let text: string;
  if (lower === 'f') text = fixed(x, precision);
  else if (lower === 'e') text = exponential(x, precision);
  else if (lower === 'g') text = general(x, precision, flags.includes('#'));
  else throw new LuaError(`invalid option '%${kind}' to 'format'`);
  const sign = text.startsWith('-') ? '-' : plus(flags);
  const body = text.startsWith('-') ? text.slice(1) : text;
  const own = Number.isFinite(x) ? spec : { ...spec, flags: flags.replaceAll('0', '') };
  return padded(own, kind === lower ? body : body.toUpperCase(), sign);
}

function padded({ flags, width }: Spec, body: string, sign: string): string {
  const missing = width - body.length - sign.length;
  if (missing <= 0) return sign + body;
  if (flags.includes('-')) return sign + body + ' '.repeat(missing);
  return flags.includes('0') ? sign + '0'.repeat(missing) + body : ' '.repeat(missing) + sign + body;
}

const ESCAPED: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\\n',
  '\r': '\\r',
  '\0': '\\000',
};

function quoted(text: string): string {
  return `"${text.replace(/["\\\n\r\0]/g, (character) => ESCAPED[character])}"`;
}
