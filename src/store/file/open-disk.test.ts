// A folder of the machine: files, identities, and the lock that outlives no process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openDisk } from './index.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'mqkv-disk-'));
  folders.push(path);
  return path;
}

describe('a folder', () => {
  it('holds files that are appended to, read in parts, renamed and removed', async () => {
    const disk = await openDisk(join(folder(), 'new'));
    const file = await disk.create('a');
    await file.write(Buffer.from('0123'));
    await file.write(Buffer.from('456789'));
    await file.sync();
    await file.close();
    await disk.sync('a');
    expect((await disk.read('a', 2, 3)).toString()).toBe('234');
    expect((await disk.read('a', 8, 100)).toString()).toBe('89');
    expect(await disk.read('a', 100, 5)).toHaveLength(0);
    const before = await disk.identity('a');
    expect(before?.size).toBe(10);
    await disk.rename('a', 'b');
    await disk.syncFolder();
    expect(await disk.list()).toEqual(['b']);
    expect(await disk.identity('a')).toBeUndefined();
    expect((await disk.identity('b'))?.inode).toBe(before?.inode);
    await disk.remove('b');
    await disk.remove('b');
    expect(await disk.list()).toEqual([]);
  });

  it('has other identities after a copy, and after a change', async () => {
    const path = folder();
    const disk = await openDisk(path);
    writeFileSync(join(path, 'a'), 'x');
    const before = await disk.identity('a');
    cpSync(join(path, 'a'), join(path, 'b'));
    expect((await disk.identity('b'))?.inode).not.toBe(before?.inode);
    writeFileSync(join(path, 'a'), 'y');
    expect(await disk.identity('a')).not.toEqual(before);
  });

  it('that cannot be used is refused in one line', async () => {
    const path = folder();
    writeFileSync(join(path, 'file'), '');
    const refusal = (name: string, which?: 'existing'): Promise<string> =>
      openDisk(join(path, name), which).then(
        () => 'opened',
        (error: Error) => error.message,
      );
    expect(await refusal('file')).toBe(`cannot use the folder "${path}/file": it is not a folder`);
    expect(await refusal('no/such')).toBe(
      `cannot use the folder "${path}/no/such": the folder above it does not exist`,
    );
    expect(await refusal('no', 'existing')).toBe(`there is no folder "${path}/no"`);
    expect(await refusal('new')).toBe('opened');
  });
});

/** A process that listens on a Unix socket until it is killed. */
const HOLDER = "require('node:net').createServer().listen(process.argv[1], () => console.log('holds'));";

describe('the lock of a folder', () => {
  it('keeps a second one out until it is released', async () => {
    const disk = await openDisk(folder());
    const lock = await disk.lock();
    for (let i = 0; i < 20; i++) await expect(disk.lock()).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    await lock.release();
    await lock.release();
    await (await disk.lock()).release();
    expect(existsSync(join(disk.path, 'lock'))).toBe(false);
  });

  it('of a process that was killed does not count', async () => {
    const disk = await openDisk(folder());
    const holder = spawn(process.execPath, ['-e', HOLDER, join(disk.path, 'lock')]);
    await once(holder.stdout, 'data');
    await expect(disk.lock()).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(existsSync(join(disk.path, 'lock'))).toBe(true);
    const lock = await disk.lock();
    await expect(disk.lock()).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    await lock.release();
  });

  it('goes to one of many that find a dead one', async () => {
    const path = folder();
    writeFileSync(join(path, 'lock'), '');
    const disk = await openDisk(path);
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => disk.lock()));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of tries) if (one.status === 'fulfilled') await one.value.release();
  });

  it('also works where names are long', async () => {
    const path = join(folder(), 'x'.repeat(200));
    mkdirSync(path);
    const disk = await openDisk(path);
    const lock = await disk.lock();
    await expect(disk.lock()).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    await lock.release();
  });
});
