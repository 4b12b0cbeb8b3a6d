// An outsider's use of the package: packed, installed in a project of its own, imported, type-checked, served.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawClient } from '../src/server/testing.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
/** Units: ms. A build, a pack and an install on a busy machine. */
const INSTALL_MS = 300_000;

const APP = `import { createServer, Mux, PubSub, type Context, type Handler } from 'mqkv/server';
const pubsub = new PubSub();
const values = new Map<string, Buffer>();
const handler: Handler = new Mux()
  .use((context: Context, next) => next())
  .command('set', ({ text, arg, reply }) => {
    values.set(text(1), Buffer.from(arg(2)));
    reply.ok();
  })
  .command('get', async ({ text, reply }) => {
    const value = values.get(text(1));
    if (value === undefined) reply.null();
    else reply.bulk(value);
  })
  .command('publish', ({ text, arg, reply }) => reply.integer(pubsub.publish(text(1), arg(2))));
const server = createServer({ handler });
const address = await server.listen({ host: '127.0.0.1', port: 0 });
console.log(address.port);
process.once('SIGTERM', () => void server.close());
`;

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  },
  files: ['app.ts'],
};

let folder: string;
let app: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mqkv-package-'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'outsider', private: true, type: 'module' }),
  );
  const install = ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`];
  await run('npm', install, { cwd: folder });
  await writeFile(join(folder, 'app.ts'), APP);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]).catch(
    (error) => {
      throw new Error(`the outsider's program does not compile:\n${error.stdout}`);
    },
  );
}, INSTALL_MS);

afterAll(async () => {
  app?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

describe('the package', () => {
  it('serves from mqkv/server and ends when closed', async () => {
    app = spawn(process.execPath, ['app.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(app, 'exit');
    if (app.stdout === null) throw new Error('no stdout');
    const [line] = await once(createInterface(app.stdout), 'line');
    const client = await rawClient({ host: '127.0.0.1', port: Number(line), path: '' });
    client.send('SET k v\r\nGET k\r\nGET none\r\nPUBLISH c m\r\n');
    expect(await client.until(':0\r\n')).toBe('+OK\r\n$1\r\nv\r\n$-1\r\n:0\r\n');
    app.kill('SIGTERM');
    await client.closed();
    expect(await exited).toEqual([0, null]);
  });

  it('keeps its inside to itself', async () => {
    const inside =
      "import('mqkv/dist/src/base/index.js').then(() => console.log('open'), (e) => console.log(e.code))";
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', inside], { cwd: folder });
    expect(stdout.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});
