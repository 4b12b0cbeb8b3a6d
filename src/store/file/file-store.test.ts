// A log store on a simulated disk: stops, crashes, damage, copies, a full disk, rewriting.
import { describe, expect, it } from 'vitest';
import { type Logger, seededRandom, silentLogger } from '../../base/index.ts';
import { type FileStore, type FileStoreOptions, openFileStore, repairFolder } from './index.ts';
import { settle, SimulatedDisk, systemError, VirtualClock } from './testing.ts';

const random = seededRandom(11);

interface World {
  readonly clock: VirtualClock;
  disk: SimulatedDisk;
  readonly lines: string[];
  open(options?: Partial<FileStoreOptions>): Promise<FileStore>;
}

function world(): World {
  const lines: string[] = [];
  const note = (_fields: unknown, message: string): void => void lines.push(message);
  const logger: Logger = { ...silentLogger, warn: note, error: note };
  const clock = new VirtualClock(1_700_000_000_000);
  return {
    clock,
    disk: new SimulatedDisk(),
    lines,
    open(options) {
      return openFileStore({
        disk: this.disk,
        clock,
        random,
        logger,
        site: 's',
        activeExpiry: false,
        ...options,
      });
    },
  };
}

function set(store: FileStore, key: string, value: string): void {
  const bytes = Buffer.from(key + value);
  store.keyspace.setString(bytes, 0, key.length, key.length, bytes.length, 0);
}

function get(store: FileStore, key: string): string | undefined {
  return store.keyspace.type(key) === 1 ? store.keyspace.getString(key)?.toString() : undefined;
}

/** Closes while time passes. */
async function close({ clock }: World, store: FileStore): Promise<void> {
  let isDone = false;
  void store.close().then(() => {
    isDone = true;
  });
  while (!isDone) await clock.advance(1);
}

async function names(disk: SimulatedDisk, kind: string): Promise<string[]> {
  return (await disk.list()).filter((name) => name.startsWith(kind)).sort();
}

/** A store with some synced blocks, each of one key, then crashed. */
async function crashed(keys: number): Promise<World> {
  const it = world();
  const store = await it.open();
  for (let i = 0; i < keys; i++) {
    set(store, `k${i}`, 'v');
    await it.clock.advance(1200);
  }
  it.disk = it.disk.crash(random, 'process');
  it.clock.drop();
  return it;
}

describe('starts', () => {
  it('after a clean stop the store goes on with id, origin and marks', async () => {
    const it = world();
    const first = await it.open();
    set(first, 'a', '1');
    first.notes.write({ members: 'b,c' });
    await close(it, first);
    const second = await it.open();
    expect(second).toMatchObject({ id: first.id, origin: first.origin });
    expect(get(second, 'a')).toBe('1');
    expect([...(await second.notes.read())]).toEqual([['members', 'b,c']]);
    expect(second.outbox.pending).toBe(1);
    await close(it, second);
  });

  it('after a crash, also one before anything was written, the origin is new and the id stays', async () => {
    const it = world();
    const first = await it.open();
    await close(it, first);
    const second = await it.open();
    expect(second.origin).toBe(first.origin);
    it.disk = it.disk.crash(random);
    const third = await it.open();
    expect(third.origin).not.toBe(first.origin);
    expect(third.id).toBe(first.id);
    await close(it, third);
  });

  it('what was accepted is not marked again, also after a crash', async () => {
    const it = world();
    const first = await it.open();
    set(first, 'a', '1');
    first.outbox.take(1000)?.accepted();
    set(first, 'b', '2');
    await it.clock.advance(150);
    first.outbox.take(1000);
    set(first, 'c', '3');
    await it.clock.advance(150);
    it.disk = it.disk.crash(random, 'process');
    const second = await it.open();
    const sent = second.outbox.take(1000)?.deltas.toString('latin1') ?? '';
    expect([sent.includes('b2'), sent.includes('c3')]).toEqual([true, true]);
    await close(it, second);
  });

  it('without a queue marks go by themselves, also for the next start', async () => {
    const it = world();
    const alone = { isAlone: true, activeExpiry: true };
    const first = await it.open(alone);
    set(first, 'a', '1');
    expect(first.outbox.pending).toBe(1);
    await it.clock.advance(200);
    set(first, 'b', '2');
    await it.clock.advance(1500);
    expect(first.outbox.pending).toBe(0);
    it.disk = it.disk.crash(random, 'process');
    it.clock.drop();
    const second = await it.open();
    expect([get(second, 'a'), get(second, 'b'), second.outbox.pending]).toEqual(['1', '2', 0]);
    await close(it, second);
  });

  it('a copy of a stopped folder has another origin and id, so has a folder whose log was touched', async () => {
    const it = world();
    const first = await it.open();
    set(first, 'n', '1');
    await close(it, first);
    const copy = { ...it, disk: it.disk.copy() };
    const second = await copy.open();
    expect(get(second, 'n')).toBe('1');
    expect(second.origin).not.toBe(first.origin);
    expect(second.id).not.toBe(first.id);
    expect(it.lines).toContain('the folder was copied or restored: the store takes a new id');
    await close(copy, second);
    const [log = ''] = (await names(it.disk, 'log')).slice(-1);
    it.disk.overwrite(log, it.disk.content(log));
    const third = await it.open();
    expect(third.origin).not.toBe(first.origin);
    expect(third.id).toBe(first.id);
    await close(it, third);
  });

  it('an old copy of the folder neither doubles counters nor takes back what others have of it', async () => {
    const it = world();
    const first = await it.open();
    first.keyspace.addString('n', 5n);
    await close(it, first);
    const old = { ...it, disk: it.disk.copy() };
    const second = await it.open();
    second.keyspace.addString('n', 7n);
    const elsewhere = await second.states(['n'], 1000);
    await close(it, second);
    const restored = await old.open();
    restored.keyspace.addString('n', 100n);
    await restored.merge(elsewhere.deltas);
    expect(get(restored, 'n')).toBe('112');
    await close(old, restored);
  });

  it('another site, a newer format and a second process are refused in one line', async () => {
    const it = world();
    const store = await it.open();
    await expect(it.open()).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    await close(it, store);
    await expect(it.open({ site: 't' })).rejects.toMatchObject({ code: 'STORE_SITE' });
    const again = await it.open();
    await close(it, again);
    const text = it.disk.content('manifest').toString().split('\n')[0].replace('"format":1', '"format":2');
    const { crc32 } = await import('node:zlib');
    it.disk.overwrite('manifest', Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`));
    await expect(it.open()).rejects.toMatchObject({ code: 'STORE_FORMAT' });
    await expect(repairFolder({ ...it, random })).rejects.toMatchObject({ code: 'STORE_FORMAT' });
  });

  it('many starts do not gather logs', async () => {
    const it = world();
    for (let i = 0; i < 20; i++) {
      const store = await it.open();
      set(store, `k${i}`, 'v');
      await it.clock.advance(1500);
      await close(it, store);
    }
    expect((await names(it.disk, 'log')).length).toBeLessThanOrEqual(10);
    const store = await it.open();
    expect(store.stats().keys).toBe(20);
    await close(it, store);
  });
});

describe('damage', () => {
  it('a torn end is cut, with a line in the log', async () => {
    const it = await crashed(5);
    const [log = ''] = await names(it.disk, 'log');
    it.disk.overwrite(log, it.disk.content(log).subarray(0, -3));
    const store = await it.open();
    expect(store.stats().keys).toBe(4);
    expect(it.lines).toEqual(['the end of the log was torn by a crash, cut']);
    await close(it, store);
    const again = await it.open();
    expect(again.stats().keys).toBe(4);
    await close(it, again);
  });

  it('a byte in what was synced long ago: refused; repaired: the rest is there, the file is set aside', async () => {
    const it = await crashed(6);
    const [log = ''] = await names(it.disk, 'log');
    const content = Buffer.from(it.disk.content(log));
    content[content.indexOf('k2')] ^= 1;
    it.disk.overwrite(log, content);
    const refusal = await it.open().catch((error: Error) => error.message);
    expect(refusal).toMatch(
      /^the store in "\/simulated" is damaged: .*; "mqkv repair \/simulated" keeps what can be read$/,
    );
    const repaired = await repair(it);
    expect(repaired.keys).toBe(5);
    expect(repaired.damage).toEqual([expect.stringMatching(`^${log}: \\d+ blocks kept, 1 missing`)]);
    expect(await it.disk.list()).toContain(`damaged-${log}`);
    const store = await it.open();
    expect([0, 1, 2, 3, 4, 5].map((i) => get(store, `k${i}`))).toEqual(['v', 'v', undefined, 'v', 'v', 'v']);
    expect(store.outbox.pending).toBe(5);
    await close(it, store);
  });

  it('damage in a snapshot, a missing log, a missing manifest: refused, and repaired', async () => {
    for (const harm of [harmSnapshot, loseLog, loseManifest]) {
      const it = world();
      const store = await it.open();
      for (let i = 0; i < 3000; i++) set(store, `key ${i}`, 'x'.repeat(100));
      await advanceWhile(it, store.rewrite());
      set(store, 'later', '1');
      store.notes.write({ applied: '7' });
      await close(it, store);
      await harm(it.disk);
      await expect(it.open()).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
      const { damage, keys } = await repair(it);
      expect(damage.length).toBeGreaterThan(0);
      expect(keys).toBeGreaterThan(100);
      const again = await it.open();
      expect(again.stats().keys).toBe(keys);
      expect([...(await again.notes.read())]).toEqual([]);
      expect(again.origin).not.toBe(store.origin);
      await close(it, again);
    }
  });

  it('a healthy folder is left as it is', async () => {
    const it = await crashed(3);
    const before = await it.disk.list();
    expect(await repair(it)).toEqual({ damage: [], keys: 3 });
    expect(await it.disk.list()).toEqual(before);
    await expect(repairFolder({ ...it, disk: new SimulatedDisk(), random })).rejects.toMatchObject({
      code: 'STORE_EMPTY',
    });
  });
});

async function harmSnapshot(disk: SimulatedDisk): Promise<void> {
  const [name = ''] = await names(disk, 'snapshot');
  const content = Buffer.from(disk.content(name));
  content[content.length >> 1] ^= 1;
  disk.overwrite(name, content);
}

async function loseLog(disk: SimulatedDisk): Promise<void> {
  const [name = ''] = await names(disk, 'log');
  await disk.remove(name);
}

async function loseManifest(disk: SimulatedDisk): Promise<void> {
  disk.overwrite('manifest', Buffer.from('{"format":1'));
}

async function repair({ disk, clock }: World): ReturnType<typeof repairFolder> {
  return advanceWhile({ clock }, repairFolder({ disk, clock, random }));
}

async function advanceWhile<T>({ clock }: Pick<World, 'clock'>, task: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  void task.then(done, done);
  while (!isDone) await clock.advance(1);
  return task;
}

describe('a disk that does not take it', () => {
  it('full: taken for a second, then refused; nothing is lost once there is room', async () => {
    const it = world();
    const store = await it.open();
    set(store, 'a', '1');
    await it.clock.advance(200);
    it.disk.capacityBytes = 300;
    set(store, 'b', 'x'.repeat(1000));
    await it.clock.advance(500);
    expect(store.problem).toBeUndefined();
    set(store, 'c', '3');
    const delta = (await store.states(['c'], 100)).deltas;
    await it.clock.advance(1500);
    expect(store.problem).toContain('ENOSPC');
    expect(() => store.merge(delta)).toThrow(/the log cannot be written/);
    expect(get(store, 'b')?.length).toBe(1000);
    await it.clock.advance(60_000);
    it.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await it.clock.advance(2000);
    expect(store.problem).toBeUndefined();
    expect(it.lines).toEqual([
      'the log cannot be written, tried again every second',
      'the disk takes the log again',
    ]);
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect([get(again, 'a'), get(again, 'b')?.length, get(again, 'c')]).toEqual(['1', 1000, '3']);
    await close(it, again);
  });

  it('full, and closed as soon as there is room: what gathered behind the block that waited is written, too', async () => {
    const it = world();
    const store = await it.open();
    it.disk.capacityBytes = 300;
    set(store, 'b', 'x'.repeat(1000));
    await it.clock.advance(300);
    set(store, 'c', '3');
    await it.clock.advance(300);
    it.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await close(it, store);
    const again = await it.open();
    expect([get(again, 'b')?.length, get(again, 'c')]).toEqual([1000, '3']);
    await close(it, again);
  });

  it('a sync that failed: all is written anew before anything counts as safe', async () => {
    const it = world();
    const store = await it.open({ fsync: 'always' });
    set(store, 'a', '1');
    await store.settled();
    it.disk.onOperation = (operation) => {
      if (operation === 'sync') throw systemError('EIO');
    };
    set(store, 'b', '2');
    let isSafe = false;
    void store.settled()?.then(() => {
      isSafe = true;
    });
    await it.clock.advance(2500);
    expect(isSafe).toBe(false);
    expect(store.problem).toContain('EIO');
    it.disk.onOperation = undefined;
    await it.clock.advance(15_000);
    expect(isSafe).toBe(true);
    expect(store.problem).toBeUndefined();
    expect(store.logStats().rewrites).toBe(1);
    set(store, 'c', '3');
    await store.settled();
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect(['a', 'b', 'c'].map((key) => get(again, key))).toEqual(['1', '2', '3']);
    await close(it, again);
  });

  it('too slow: growing writes are refused once more waits than memory may hold', async () => {
    const it = world();
    const store = await it.open({ bufferBytesMax: 100_000 });
    it.disk.onOperation = (operation) => {
      if (operation === 'write') throw systemError('EIO');
    };
    set(store, 'a', 'x'.repeat(60_000));
    expect(store.problem).toBeUndefined();
    set(store, 'b', 'x'.repeat(60_000));
    expect(store.problem).toContain('more waits to be written than memory allows');
    it.disk.onOperation = undefined;
    await it.clock.advance(2000);
    expect(store.problem).toBeUndefined();
    await close(it, store);
  });

  it('full while the log is rewritten: the logs before stay', async () => {
    const it = world();
    const store = await it.open();
    for (let i = 0; i < 500; i++) set(store, `key ${i}`, 'x'.repeat(100));
    await it.clock.advance(1500);
    it.disk.capacityBytes = 90_000;
    await advanceWhile(it, store.rewrite());
    expect(it.lines).toContain('the log could not be rewritten, tried again later');
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect(again.stats().keys).toBe(500);
    await close(it, again);
  });
});

describe('rewriting', () => {
  it('keeps everything in one snapshot, large keys in slices, and drops the files before', async () => {
    const it = world();
    const store = await it.open();
    for (let i = 0; i < 10_000; i++) store.keyspace.putField('h', 2, `f${i}`, String(i));
    for (let i = 0; i < 2000; i++) set(store, `key ${i % 500}`, 'x'.repeat(100));
    store.keyspace.remove('key 7');
    await it.clock.advance(1200);
    const before = store.logStats().logBytes;
    const writing = store.rewrite();
    set(store, 'meanwhile', '1');
    await advanceWhile(it, writing);
    expect(store.logStats()).toMatchObject({ rewrites: 1 });
    expect(store.logStats().logBytes).toBeLessThan(before / 10);
    expect(await names(it.disk, 'log')).toHaveLength(1);
    expect(await names(it.disk, 'snapshot')).toHaveLength(1);
    await it.clock.advance(1200);
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect(again.keyspace.hash('h')?.size).toBe(10_000);
    expect(again.stats()).toMatchObject({ keys: 501, tombstones: 1 });
    expect(get(again, 'meanwhile')).toBe('1');
    await close(it, again);
  });

  it('happens by itself once the log is long and twice its snapshot', async () => {
    const it = world();
    const store = await it.open({ rewriteBytesMin: 50_000 });
    const rewrites: number[] = [];
    for (let i = 0; i < 60; i++) {
      for (let n = 0; n < 30; n++) set(store, `key ${n}`, 'x'.repeat(100 + i));
      await it.clock.advance(1000);
      rewrites.push(store.logStats().rewrites);
    }
    expect(rewrites.findIndex((count) => count === 1)).toBeGreaterThan(9);
    expect(rewrites.at(-1)).toBeGreaterThan(3);
    expect(store.logStats().logBytes).toBeLessThan(70_000);
    await close(it, store);
  });

  it('what is under way to the queue is marked in the snapshot, what was accepted is not', async () => {
    const it = world();
    const store = await it.open();
    set(store, 'sent', '1');
    store.outbox.take(1000)?.accepted();
    set(store, 'under way', '2');
    store.outbox.take(1000);
    set(store, 'marked', '3');
    await advanceWhile(it, store.rewrite());
    it.disk = it.disk.crash(random);
    const again = await it.open();
    const sent = again.outbox.take(1000)?.deltas.toString('latin1') ?? '';
    expect(['sent1', 'under way2', 'marked3'].map((text) => sent.includes(text))).toEqual([
      false,
      true,
      true,
    ]);
    await close(it, again);
  });

  it('a discarded store stays empty after a crash', async () => {
    const it = world();
    const store = await it.open();
    set(store, 'a', '1');
    store.notes.write({ complete: '1' });
    await store.discard();
    await it.clock.advance(1200);
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect(again.embedded.allKeys()).toEqual([]);
    expect([...(await again.notes.read())]).toEqual([]);
    expect(again.outbox.pending).toBe(0);
    await close(it, again);
  });

  it('a longer life that was merged outlives a later start', async () => {
    const it = world();
    const store = await it.open();
    for (let i = 0; i < 3000; i++) store.keyspace.putField('h', 2, `field ${i}`, 'x');
    store.keyspace.expire('h', it.clock.time + 1000);
    await it.clock.advance(500);
    store.keyspace.expire('h', 0); // too large to travel whole: the header alone
    await it.clock.advance(2000);
    it.disk = it.disk.crash(random);
    const again = await it.open();
    expect(again.keyspace.hash('h')?.size).toBe(3000);
    await close(it, again);
    await settle();
  });
});
