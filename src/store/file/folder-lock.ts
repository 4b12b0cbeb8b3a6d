// Keeps a second process out of a folder: a Unix socket that listens in it, which the system takes away with the process however
// that ends. A process id in a file would say nothing in another container.
import { open, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type FolderLock, MqkvError, randomHex, systemRandom } from '../../base/index.ts';
import { codeOf } from './system-errors.ts';

const LOCK = 'lock';
/** Names of sockets may be about 100 bytes long: through the folder's descriptor any folder is near. */
const DESCRIPTORS = '/proc/self/fd';

/** Locks a folder. Errors: MqkvError `STORE_IN_USE`, the system's. */
export async function lockFolder(path: string): Promise<FolderLock> {
  const folder = await open(path, 'r');
  const near = process.platform === 'linux' ? join(DESCRIPTORS, String(folder.fd)) : path;
  try {
    const server = await bind(near, path);
    return {
      release: async () => {
        if (!server.listening) return;
        // It takes its name away itself, before it stops to listen: later the name may be another process'.
        await new Promise<void>((resolve) => server.close(() => resolve()));
        await folder.close();
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function bind(near: string, path: string): Promise<Server> {
  const name = join(near, LOCK);
  const server = await listen(name);
  if (server !== undefined) return server;
  if (await answers(name)) throw inUse(path);
  // Left by a process that was killed. It is moved away first: of two that see it one moves it, and whoever has moved a live one
  // (of a third that was quicker) puts it back.
  const stale = join(near, `${LOCK}.${randomHex(systemRandom(), 4)}`);
  await rename(name, stale).catch(() => {});
  if (await answers(stale)) {
    await rename(stale, name);
    throw inUse(path);
  }
  await rm(stale, { force: true });
  const second = await listen(name);
  if (second === undefined) throw inUse(path);
  return second;
}

function inUse(path: string): MqkvError {
  return new MqkvError('STORE_IN_USE', `the folder "${path}" is in use by another process`);
}

/** undefined: the name is taken. */
function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => {}).end());
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Whether a process listens there: whatever becomes of the connection, only a refusal says no. */
function answers(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(name);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'));
    socket.once('close', () => resolve(true));
  });
}
