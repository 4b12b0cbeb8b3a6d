// Replies that are one line.
import type { Reply } from './reply.ts';

/** The reply of a line. undefined: no such type, or not what the type allows. */
export function lineReply(mark: string, text: string): Reply | undefined {
  switch (mark) {
    case '+':
      return { kind: 'simple', text };
    case '-':
      return { kind: 'error', text };
    case ':':
      return /^[+-]?\d{1,20}$/.test(text) ? { kind: 'integer', value: integer(text) } : undefined;
    case '_':
      return text === '' ? { kind: 'null' } : undefined;
    case ',':
      return double(text);
    case '#':
      return text === 't' || text === 'f' ? { kind: 'boolean', value: text === 't' } : undefined;
    case '(':
      return /^[+-]?\d+$/.test(text) ? { kind: 'bigNumber', value: big(text) } : undefined;
    default:
      return undefined;
  }
}

function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : big(text);
}

function big(text: string): bigint {
  return BigInt(text.startsWith('+') ? text.slice(1) : text);
}

function double(text: string): Reply | undefined {
  if (text === 'inf') return { kind: 'double', value: Number.POSITIVE_INFINITY };
  if (text === '-inf') return { kind: 'double', value: Number.NEGATIVE_INFINITY };
  if (/^-?nan$/.test(text)) return { kind: 'double', value: Number.NaN };
  if (!/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) return undefined;
  return { kind: 'double', value: Number(text) };
}
