// Replies as bytes: their ends, elements, and what scripts say instead.
import { describe, expect, it } from 'vitest';
import { asCommandReply, elementsOf, endOfReply, errorText, isNullReply, parsedReply } from './raw-reply.ts';
import { blockingOf, isNullArray, unblocked } from './unblocked.ts';

const REPLIES = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':12\r\n',
  '$3\r\na\r\n\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n',
  '%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n',
  '=5\r\ntxt:a\r\n',
  '_\r\n',
  ',1.5\r\n',
  '#t\r\n',
];

describe('raw replies', () => {
  it('finds the end of each, and the elements of an array of all', () => {
    for (const text of REPLIES) expect(endOfReply(Buffer.from(`${text}+rest\r\n`), 0)).toBe(text.length);
    const all = Buffer.from(`*${REPLIES.length}\r\n${REPLIES.join('')}`);
    expect(elementsOf(all)?.map(String)).toEqual(REPLIES);
    expect(elementsOf(Buffer.from('*-1\r\n'))).toBeUndefined();
    expect(elementsOf(Buffer.from('-ERR\r\n'))).toBeUndefined();
  });

  it('knows nulls, errors, and integers beyond a double', () => {
    expect(REPLIES.filter((text) => isNullReply(Buffer.from(text)))).toEqual(['$-1\r\n', '*-1\r\n', '_\r\n']);
    expect(errorText(Buffer.from('-ERR no\r\n'))).toBe('ERR no');
    expect(asCommandReply(Buffer.from('+\x01I9223372036854775807\r\n'), false).toString()).toBe(
      ':9223372036854775807\r\n',
    );
    expect(asCommandReply(Buffer.from('$-1\r\n'), true).toString()).toBe('*-1\r\n');
    expect(asCommandReply(Buffer.from('$-1\r\n'), false).toString()).toBe('$-1\r\n');
    expect(parsedReply(Buffer.from(':7\r\n'))).toEqual({ kind: 'integer', value: 7 });
  });
});

describe('blocking commands', () => {
  it('tells how long each waits, and its form that does not', () => {
    expect(blockingOf(['BLPOP', 'a', 'b', '0.5'])).toMatchObject({ timeoutMs: 500 });
    expect(blockingOf(['blmpop', '0', '1', 'a', 'LEFT'])).toMatchObject({ timeoutMs: 0 });
    expect(blockingOf(['BLPOP', 'a', '-1'])).toBe('ERR timeout is negative');
    expect(blockingOf(['BLPOP', 'a', 'x'])).toBe('ERR timeout is not a float or out of range');
    expect(blockingOf(['LPOP', 'a'])).toBeUndefined();
    expect(blockingOf(['XREAD', 'STREAMS', 'BLOCK', '0'])).toBeUndefined();
    const words = ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '2', 'BLOCK', '100', 'STREAMS', 's', '>'];
    expect(blockingOf(words)).toEqual({
      timeoutMs: 100,
      words: ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '2', 'STREAMS', 's', '>'],
    });
    expect(unblocked(['GET', 'BLOCK', '1'])).toEqual(['GET', 'BLOCK', '1']);
  });

  it('knows whose nothing is an array', () => {
    expect(isNullArray(['LPOP', 'a'])).toBe(false);
    expect(isNullArray(['LPOP', 'a', '2'])).toBe(true);
    expect(isNullArray(['blpop', 'a', '0'])).toBe(true);
    expect(isNullArray(['blmove', 'a', 'b', 'LEFT', 'LEFT', '0'])).toBe(false);
  });
});
