// A folder of the machine as a `Disk`.
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AppendFile, type Disk, type FileIdentity, MqkvError } from '../../base/index.ts';
import { lockFolder } from './folder-lock.ts';
import { codeOf, folderError } from './system-errors.ts';

/** Opens a folder, which is made if only it is missing, unless it must exist. Errors: MqkvError `STORE_FOLDER`. */
export async function openDisk(path: string, which: 'any' | 'existing' = 'any'): Promise<Disk> {
  try {
    if (which === 'any') await mkdir(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw folderError(path, error);
  }
  try {
    await readdir(path);
  } catch (error) {
    throw codeOf(error) === 'ENOENT'
      ? new MqkvError('STORE_FOLDER', `there is no folder "${path}"`)
      : folderError(path, error);
  }
  return new RealDisk(path);
}

class RealDisk implements Disk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  list(): Promise<readonly string[]> {
    return readdir(this.path);
  }

  async read(name: string, at: number, bytes: number): Promise<Buffer> {
    const handle = await open(join(this.path, name), 'r');
    try {
      const left = Math.max(0, (await handle.stat()).size - at);
      const buffer = Buffer.allocUnsafe(Math.min(bytes, left));
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    } finally {
      await handle.close();
    }
  }

  async create(name: string): Promise<AppendFile> {
    return new RealFile(await open(join(this.path, name), 'w', 0o600));
  }

  async sync(name: string): Promise<void> {
    const handle = await open(join(this.path, name), 'r+');
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.path, from), join(this.path, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.path, name), { force: true });
  }

  async identity(name: string): Promise<FileIdentity | undefined> {
    try {
      const { ino, ctimeMs, size } = await stat(join(this.path, name));
      return { inode: String(ino), ctimeMs, size };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async syncFolder(): Promise<void> {
    const handle = await open(this.path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  lock(): ReturnType<Disk['lock']> {
    return lockFolder(this.path);
  }
}

class RealFile implements AppendFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.#handle.write(bytes, at)).bytesWritten;
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
