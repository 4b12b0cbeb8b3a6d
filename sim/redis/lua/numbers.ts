// Numbers as C reads and prints them: strtod, strtoul, printf's %d %g %e %f, byte for byte.

const DECIMAL =
  /^[ \t\n\v\f\r]*([+-]?)((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|0x[0-9a-f]+|inf(?:inity)?|nan)[ \t\n\v\f\r]*$/i;

/** `tonumber` of a text, base 10. */
export function parseNumber(text: string): number | undefined {
  const found = DECIMAL.exec(text);
  if (found === null) return undefined;
  const [, sign, body] = found;
  const lower = body.toLowerCase();
  const size = lower.startsWith('inf')
    ? Number.POSITIVE_INFINITY
    : lower === 'nan'
      ? Number.NaN
      : Number(lower);
  return sign === '-' ? -size : size;
}

/** `tonumber` with another base: C's strtoul. */
export function parseUnsigned(text: string, base: number): number | undefined {
  const found = /^[ \t\n\v\f\r]*([+-]?)(.*?)[ \t\n\v\f\r]*$/s.exec(text);
  if (found === null) return undefined;
  const [, sign, body] = found;
  const digits = base === 16 ? body.replace(/^0x(?=[0-9a-f])/i, '') : body;
  if (digits === '') return undefined;
  let sum = 0n;
  for (const character of digits.toLowerCase()) {
    const digit = /[0-9a-z]/.test(character) ? Number.parseInt(character, 36) : 36;
    if (digit >= base) return undefined;
    sum = sum * BigInt(base) + BigInt(digit);
  }
  if (sum >= 1n << 64n) sum = (1n << 64n) - 1n;
  else if (sign === '-') sum = BigInt.asUintN(64, -sum);
  return Number(sum);
}

/** How Lua shows a number: `%.14g`. */
export function showNumber(x: number): string {
  if (Number.isInteger(x) && x < 1e14 && x > -1e14 && !(x === 0 && 1 / x < 0)) return String(x);
  return general(x, 14, false);
}

function special(x: number): string | undefined {
  if (Number.isNaN(x)) return '-nan';
  if (x === Number.POSITIVE_INFINITY) return 'inf';
  return x === Number.NEGATIVE_INFINITY ? '-inf' : undefined;
}

function signOf(x: number): string {
  return x < 0 || (x === 0 && 1 / x < 0) ? '-' : '';
}

/** Digits that JavaScript gives at most. */
const DIGITS_MAX = 100;

/** Decimal digits of a finite number >= 0, rounded half to even at `digits` of them: the digits, and the exponent of the first. */
function roundedDigits(x: number, digits: number): { readonly text: string; readonly exponent: number } {
  if (x === 0) return { text: '0'.repeat(digits), exponent: 0 };
  const shown = x.toExponential(Math.min(DIGITS_MAX, digits - 1));
  const [mantissa, exponent] = shown.split('e');
  const text = mantissa.replace('.', '').padEnd(digits, '0');
  // JavaScript rounds a tie up; C to the even digit.
  if (digits < 60 && (text.charCodeAt(digits - 1) & 1) === 1) {
    const [longer, longExponent] = x.toExponential(DIGITS_MAX).split('e');
    const exact = longer.replace('.', '');
    if (/^50*$/.test(exact.slice(digits)))
      return { text: exact.slice(0, digits), exponent: Number(longExponent) };
  }
  return { text, exponent: Number(exponent) };
}

/** `%.Ne`. */
export function exponential(x: number, precision: number): string {
  const odd = special(x);
  if (odd !== undefined) return odd;
  const { text, exponent } = roundedDigits(Math.abs(x), precision + 1);
  const point = precision > 0 ? `.${text.slice(1)}` : '';
  return `${signOf(x)}${text[0]}${point}e${exponentText(exponent)}`;
}

function exponentText(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** `%.Nf`. */
export function fixed(x: number, precision: number): string {
  const odd = special(x);
  if (odd !== undefined) return odd;
  const size = Math.abs(x);
  if (size >= 1e21) return `${signOf(x)}${BigInt(size)}${precision > 0 ? `.${'0'.repeat(precision)}` : ''}`;
  let text = size.toFixed(Math.min(DIGITS_MAX, precision));
  const longer = precision < 60 ? size.toFixed(DIGITS_MAX) : '';
  const point = longer.indexOf('.') + 1;
  if (longer !== '' && /^50*$/.test(longer.slice(point + precision)) && /[13579]\.?$/.test(text))
    text = precision === 0 ? longer.slice(0, point - 1) : longer.slice(0, point + precision);
  return signOf(x) + text + '0'.repeat(Math.max(0, precision - DIGITS_MAX));
}

/** `%.Ng`, with `#` as `keeps` zeros. */
export function general(x: number, precision: number, keeps: boolean): string {
  const odd = special(x);
  if (odd !== undefined) return odd;
  const digits = Math.max(1, precision);
  const { text, exponent } = roundedDigits(Math.abs(x), digits);
  const cut = (body: string): string => (keeps || !body.includes('.') ? body : body.replace(/\.?0+$/, ''));
  if (exponent < -4 || exponent >= digits) {
    const mantissa = digits > 1 ? `${text[0]}.${text.slice(1)}` : text;
    return `${signOf(x)}${cut(mantissa)}e${exponentText(exponent)}`;
  }
  if (exponent < 0) return signOf(x) + cut(`0.${'0'.repeat(-exponent - 1)}${text}`);
  const whole = text.slice(0, exponent + 1);
  return signOf(x) + (digits > exponent + 1 ? cut(`${whole}.${text.slice(exponent + 1)}`) : whole);
}
