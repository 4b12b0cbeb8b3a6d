// The router when connections end, servers change their role, scripts are not known, and too much waits.
import { describe, expect, it } from 'vitest';
import { ROUTER_WAITING_BYTES_MAX } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { texts, world, WRITE } from './routing/testing.ts';

describe('a lost connection', () => {
  it('repeats reads from the first unanswered one', () => {
    const played = world();
    const got = played.send('GET a; GET b; GET c');
    played.a.answer('+1');
    played.a.lose(true);
    expect(played.refreshed).toEqual(['connection lost']);
    played.owner = played.b;
    played.tick();
    expect(texts(played.b)).toEqual(['GET b; GET c']);
    played.b.answer('+2', '+3');
    expect(got).toEqual(['+1', '+2', '+3']);
  });

  it('makes written writes uncertain, and repeats those that were not written', () => {
    const played = world();
    const got = played.send('SET a 1; SET b 1', WRITE);
    played.a.answer('+OK');
    played.a.lose(true);
    expect(got).toEqual(['+OK', expect.stringMatching(/^-UNCERTAIN /)]);
    played.a.state = 'ready';
    const second = played.send('SET a 1; SET b 1', WRITE);
    played.a.lose(false);
    played.a.state = 'ready';
    played.tick();
    played.a.answer('+OK', '+OK');
    expect(second).toEqual(['+OK', '+OK']);
  });

  it('that stays lost is UNAVAILABLE after 2 s', () => {
    const played = world();
    played.owner = undefined;
    const got = played.send('GET a');
    played.tick(200);
    expect(got).toEqual([]);
    played.tick();
    expect(got).toEqual(['-UNAVAILABLE no master is reachable: not applied']);
  });
});

describe('what waits', () => {
  it('is bounded in bytes', () => {
    const played = world();
    played.owner = undefined;
    const bytes = new Array<Buffer>(5).fill(Buffer.alloc(ROUTER_WAITING_BYTES_MAX / 4));
    const first = played.send('GET a', { bytes });
    const second = played.send('GET b');
    expect([first, second]).toEqual([[], ['-UNAVAILABLE too many commands wait for Redis: not applied']]);
    played.tick(201);
    expect(first.length).toBe(1);
    const third = played.send('GET c');
    played.owner = played.a;
    played.tick();
    played.a.answer('+3');
    expect(third).toEqual(['+3']);
  });
});

describe('scripts', () => {
  const evalBytes = (origin: number): Buffer => encodeCommand(['EVAL', `text${origin}`]);

  it('are sent with their text when not known, in order', () => {
    const { a, send } = world();
    send('EVALSHA 1', { ...WRITE, evalBytes, origin: 1 });
    send('EVALSHA 2', { ...WRITE, evalBytes, origin: 1 });
    a.answer('-NOSCRIPT no');
    a.answer('-NOSCRIPT no');
    expect(texts(a)).toEqual(['EVAL text1', 'EVAL text1']);
  });

  it('name the origin of the node that runs them', () => {
    const played = world();
    played.b.origin = 2;
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes, origin: 1 });
    played.a.answer('-READONLY you cannot');
    played.owner = played.b;
    played.tick();
    expect(texts(played.b)).toEqual(['EVAL text2']);
    played.b.answer('+OK');
    expect(got).toEqual(['+OK']);
    expect(played.refreshed).toEqual(['READONLY']);
  });
});

describe('a master that has become a replica', () => {
  const evalBytes = (): Buffer => encodeCommand(['EVAL', 'text']);
  const error = "-READONLY You can't write against a read only replica.";

  it.each([
    ['SET', `*2\r\n${error}\r\n${error}`],
    ['another command', `*1\r\n*2\r\n${error}\r\n$0\r\n`],
  ])('has its scripts repeated elsewhere: %s', (_, result) => {
    const played = world(false);
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes });
    played.a.answer(result);
    expect([got, played.refreshed]).toEqual([[], ['READONLY']]);
    played.owner = played.b;
    played.tick();
    played.b.answer('*0');
    expect(got).toEqual(['*0']);
  });

  it('is not what a script says that changed something', () => {
    const played = world(false);
    const got = played.send('EVALSHA 1', { ...WRITE, evalBytes });
    played.a.answer(`*1\r\n*2\r\n${error}\r\n$3\r\nabc`);
    expect(got[0]).toBe('*1');
  });
});

describe('replicas', () => {
  it('answer reads; what they do not answer the master does', () => {
    const played = world();
    played.a.replica = () => played.b.link();
    const got = played.send('GET a; GET b; GET c', { replica: true });
    expect(texts(played.b)).toEqual(['GET a; GET b; GET c']);
    played.b.answer('+1', '-MOVED 7 a:1', '+3');
    expect(texts(played.a)).toEqual(['GET b']);
    played.a.answer('+2');
    expect(got).toEqual(['+1', '+2', '+3']);
    const second = played.send('GET a', { replica: true });
    played.b.lose(true);
    played.a.answer('+1');
    expect(second).toEqual(['+1']);
  });
});

describe('single commands', () => {
  it('resolve with replies and reject with failures', async () => {
    const played = world();
    const value = played.router.call(7, ['GET', 'a'], { isRead: true });
    played.a.answer('-WRONGTYPE x');
    expect(await value).toEqual({ kind: 'error', text: 'WRONGTYPE x' });
    const lost = played.router.call(7, ['SET', 'a', '1']);
    played.a.lose(true);
    await expect(lost).rejects.toMatchObject({ code: 'UNCERTAIN' });
  });

  it('are answered when the router closes', async () => {
    const played = world();
    played.owner = undefined;
    const waiting = played.router.call(7, ['GET', 'a'], { isRead: true });
    await played.router.close();
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(played.router.call(7, ['GET', 'a'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
