// The router against nodes played by the test: what is sent where, and in which order the replies come out.
import { describe, expect, it } from 'vitest';
import { texts, world, WRITE } from './routing/testing.ts';

describe('the fast path', () => {
  it('passes bytes on and replies back as they are', () => {
    const { a, send } = world();
    const got = send('GET a; GET b; GET c');
    expect(texts(a)).toEqual(['GET a; GET b; GET c']);
    a.answer('+1', '-WRONGTYPE no');
    a.answer('+3');
    expect(got).toEqual(['+1', '-WRONGTYPE no', '+3']);
  });

  it('leaves errors that only look like refusals to the client', () => {
    const { a, send } = world(false);
    const got = send('GET a; GET b; GET c; GET d');
    const errors = ['-MOVED 7 x:2', '-ERR MOVED 7 x:2', '-NOSCRIPT no', '-LOADED x'];
    a.answer(...errors);
    expect(got).toEqual(errors);
  });
});

describe('MOVED', () => {
  it('asks the other node for what was refused only, replies in order', () => {
    const { a, b, send } = world();
    const got = send('GET a; GET b; GET c');
    a.answer('+1', '-MOVED 7 b:2', '+3');
    expect(got).toEqual(['+1']);
    expect(texts(b)).toEqual(['GET b']);
    b.answer('+2');
    expect(got).toEqual(['+1', '+2', '+3']);
  });

  it('keeps the order of requests, also of those that come meanwhile', () => {
    const { a, b, send } = world();
    const first = send('SET k 1', WRITE);
    const second = send('SET k 2', WRITE);
    a.answer('-MOVED 7 b:2');
    const third = send('SET k 3', WRITE);
    expect(texts(b)).toEqual([]); // `SET k 2` is still under way at a
    a.answer('-MOVED 7 b:2');
    expect(texts(b)).toEqual(['SET k 1', 'SET k 2', 'SET k 3']);
    for (const reply of ['+1', '+2', '+3']) b.answer(reply);
    expect([first, second, third]).toEqual([['+1'], ['+2'], ['+3']]);
  });

  it('lets a request wait when the map changes while others are under way at the old node', () => {
    const played = world();
    played.send('SET k 1', WRITE);
    played.owner = played.b;
    played.send('SET k 2', WRITE);
    expect(texts(played.b)).toEqual([]);
    played.a.answer('+OK');
    expect(texts(played.b)).toEqual(['SET k 2']);
  });

  it('to an address that the cluster does not have goes nowhere', () => {
    const played = world();
    const got = played.send('GET a');
    for (let i = 0; i < 5; i++) played.a.answer('-MOVED 7 evil:666');
    expect(texts(played.a)).toEqual([]); // pauses, no loop
    for (let i = 0; i < 202; i++) {
      while (played.a.sent.length > 0) played.a.answer('-MOVED 7 evil:666');
      played.tick();
    }
    expect(got).toEqual(['-UNAVAILABLE refused for 2 s (MOVED): not applied']);
  });
});

describe('ASK', () => {
  it('asks once, with ASKING before each command, and does not change the map', () => {
    const { a, b, send } = world();
    const got = send('GET a; GET b; GET c');
    a.answer('-ASK 7 b:2', '+2', '-ASK 7 b:2');
    expect(texts(b)).toEqual(['ASKING; GET a; ASKING; GET c']);
    b.answer('+OK');
    b.answer('+1', '+OK', '+3');
    expect(got).toEqual(['+1', '+2', '+3']);
    send('GET d');
    expect(texts(a)).toEqual(['GET d']);
  });
});

describe('TRYAGAIN', () => {
  it('is tried again after a pause; what came later waits where the order could be seen', () => {
    const { a, send, tick } = world();
    const write = send('MSET k 1 l 1', WRITE);
    a.answer('-TRYAGAIN later');
    const later = send('SET k 2', WRITE);
    const read = send('GET k');
    const other = send('GET x');
    expect(texts(a)).toEqual(['GET x']);
    a.answer('+x');
    expect(other).toEqual(['+x']);
    tick();
    expect(texts(a)).toEqual(['MSET k 1 l 1']);
    a.answer('-TRYAGAIN later');
    tick(5);
    expect(texts(a)).toEqual(['MSET k 1 l 1']);
    a.answer('+1');
    expect(texts(a)).toEqual(['SET k 2', 'GET k']);
    a.answer('+2');
    a.answer('+3');
    expect([write, later, read]).toEqual([['+1'], ['+2'], ['+3']]);
  });

  it('reads again what was read behind a refused write', () => {
    const { a, send, tick } = world();
    send('SET k 2', WRITE);
    const got = send('GET k');
    const other = send('GET x');
    a.answer('-TRYAGAIN later');
    a.answer('+1');
    a.answer('+x');
    expect([got, other]).toEqual([[], ['+x']]);
    tick();
    a.answer('+OK');
    expect(texts(a)).toEqual(['GET k']);
    a.answer('+2');
    expect(got).toEqual(['+2']);
  });

  it('ends after 2 s', () => {
    const { a, send, tick } = world();
    const got = send('SET k 2', WRITE);
    for (let i = 0; i < 202; i++) {
      while (a.sent.length > 0) a.answer('-TRYAGAIN later');
      tick();
    }
    expect(got).toEqual(['-UNAVAILABLE refused for 2 s (TRYAGAIN): not applied']);
  });
});
