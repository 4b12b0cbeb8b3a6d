// `mqkv serve`: one site until a signal ends it.
import {
  boundYoungGeneration,
  isLoopback,
  type Logger,
  MqkvError,
  messageOf,
  systemClock,
  systemRandom,
} from '../base/index.ts';
import { type Config, formatAddress, openSite, type Site } from '../site/index.ts';
import { loadConfig } from './load.ts';
import { openLogger } from './logger.ts';
import { version } from './version.ts';

/** Units: ms. How much longer than --stop-timeout a stop may take before the process ends anyway. */
const STOP_GRACE_MS = 5_000;

/** Runs a site. Resolves with the exit code once it has stopped. Errors: MqkvError `USAGE`, `START`. */
export async function serve(args: readonly string[]): Promise<number> {
  boundYoungGeneration();
  const { config, unknownVariables } = await loadConfig(args, process.env);
  const logger = await openLogger(config.logLevel, config.site);
  for (const fields of unknownVariables) logger.warn(fields, 'unknown variable in the environment');
  crashOnBugs(logger);
  const stop = nextSignal();
  const site = await open(config, logger);
  warnOfOpenAdmin(config, logger);
  const isLoaded = await Promise.race([site.loaded.then(() => true), stop.then(() => false)]);
  if (isLoaded) {
    sayReady(site);
    logger.info({ addresses: site.addresses, admin: site.adminAddress }, 'ready');
  }
  logger.info({ signal: await stop }, 'stopping');
  process.once('SIGTERM', () => process.exit(1));
  process.once('SIGINT', () => process.exit(1));
  return close(site, config.stopTimeoutMs, logger);
}

/** Units: ms; any: it only holds the process. */
const HOLD_MS = 60_000;

async function open(config: Config, logger: Logger): Promise<Site> {
  // The clock's timers hold no process, and while a store is waited for nothing listens yet.
  const hold = setInterval(() => {}, HOLD_MS);
  try {
    return await openSite(config, {
      clock: systemClock,
      random: systemRandom(),
      logger,
      version: version(),
      shutdown: () => process.kill(process.pid, 'SIGTERM'),
    });
  } catch (error) {
    const reason = startFailure(error, config);
    if (reason === undefined) throw error;
    throw new MqkvError('START', reason, { cause: error });
  } finally {
    clearInterval(hold);
  }
}

async function close(site: Site, timeoutMs: number, logger: Logger): Promise<number> {
  let late = false;
  // No timer of the site's clock keeps the process: without clients and brokers it would end before the outbox is out.
  const alive = setInterval(() => {}, STOP_GRACE_MS);
  const limit = new Promise<void>((resolve) => {
    systemClock.after(timeoutMs + STOP_GRACE_MS, () => {
      late = true;
      resolve();
    });
  });
  await Promise.race([site.close({ timeoutMs }), limit]);
  clearInterval(alive);
  if (late) logger.error({ timeoutMs }, 'did not stop in time');
  else logger.info({}, 'stopped');
  return late ? 1 : 0;
}

/** The first SIGTERM or SIGINT, or the death of a parent that keeps a channel to this process (`mqkv demo`).
 *  Installed before the site opens, so that none is lost. */
function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
    if (process.connected) process.once('disconnect', () => resolve('disconnect'));
  });
}

/** A bug ends the process with its story in the log: whoever supervises it starts it anew. */
function crashOnBugs(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.error({ err: error }, 'crash: this is a bug in mqkv');
    process.exit(1);
  });
}

function sayReady(site: Site): void {
  process.stdout.on('error', () => {});
  process.stdout.write(`ready ${site.addresses[0]}\n`);
}

function warnOfOpenAdmin(config: Config, logger: Logger): void {
  if (config.admin === undefined || isLoopback(config.admin.host)) return;
  logger.warn(
    { admin: formatAddress(config.admin) },
    'the admin HTTP asks for no password and listens beyond loopback',
  );
}

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not permitted (a Unix socket: or no such folder)',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name is not known',
  ENOENT: 'no such folder',
};

/** Codes of failures to listen. */
const LISTEN_CODES: ReadonlySet<string> = new Set(['ADDRESS_IN_USE', 'LISTEN_FAILED']);
/** The system calls that a failure to listen comes from. */
const LISTEN_CALLS: ReadonlySet<unknown> = new Set(['listen', 'bind', 'getaddrinfo']);

/** One line for a failure that is not a bug: what could not be opened, and why. */
function startFailure(error: unknown, config: Config): string | undefined {
  // A Redis that cannot be reached has such a cause too.
  if (error instanceof MqkvError && !LISTEN_CODES.has(error.code)) return messageOf(error);
  const system = systemErrorOf(error);
  if (system !== undefined) {
    const address = addressOf(system, config);
    return `cannot listen on "${address}": ${SYSTEM_REASONS[system.code]}`;
  }
  return error instanceof MqkvError ? messageOf(error) : undefined;
}

interface SystemError extends Error {
  readonly code: string;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly hostname?: unknown;
}

function isSystemError(error: Error): error is SystemError {
  return (
    'syscall' in error &&
    LISTEN_CALLS.has(error.syscall) &&
    'code' in error &&
    Object.hasOwn(SYSTEM_REASONS, String(error.code))
  );
}

function systemErrorOf(error: unknown): SystemError | undefined {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (isSystemError(e)) return e;
  }
  return undefined;
}

function addressOf({ address, port, hostname }: SystemError, config: Config): string {
  if (typeof address === 'string') {
    return typeof port === 'number' && port >= 0 ? formatAddress({ host: address, port }) : address;
  }
  const first = config.listen.map(formatAddress)[0] ?? '';
  return typeof hostname === 'string' ? hostname : first;
}
