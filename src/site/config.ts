// Config: everything that a site is opened with, and the rules between options.
import {
  HORIZON_MS,
  isLoopback,
  OUTBOX_BYTES_MAX,
  QUEUES_MAX,
  STOP_TIMEOUT_MS,
  VALUE_BYTES_MAX,
} from '../base/index.ts';
import { formatAddress, type HostPort, type ListenAddress } from './addresses.ts';
import type { LogLevel, Settings } from './options.ts';
import { badValue } from './quantities.ts';
import type { QueueUrl, StoreUrl } from './urls.ts';

/** What was read from the files that the settings name. */
export interface ConfigFiles {
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly secret?: Buffer | undefined;
  readonly password?: Buffer | undefined;
}

/** Everything that `openSite` needs to know. */
export interface Config {
  /** At least one; the first is what `ready` prints. */
  readonly listen: readonly ListenAddress[];
  /** Set: all TCP addresses speak TLS. PEM, already checked. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly site: string;
  readonly store: StoreUrl;
  /** The near cache. Units: bytes; undefined: none. */
  readonly cacheBytesMax: number | undefined;
  readonly foreignWrites: 'report' | 'adopt';
  /** How long deletions are remembered. Units: ms. */
  readonly horizonMs: number;
  /** Marks of an embedded store's outbox. Units: bytes. */
  readonly outboxBytesMax: number;
  /** Published to and consumed, each of them; empty: one site alone. */
  readonly queues: readonly QueueUrl[];
  /** Only consumed. */
  readonly subscribe: readonly QueueUrl[];
  readonly advertise: HostPort | undefined;
  readonly secret: Buffer | undefined;
  /** Bytes, as clients send them in AUTH. */
  readonly password: Buffer | undefined;
  /** undefined: no admin HTTP. */
  readonly admin: HostPort | undefined;
  /** Data commands are answered while the first copy is made. */
  readonly serveWhileLoading: boolean;
  /** Units: bytes. */
  readonly valueBytesMax: number;
  /** Units: ms. */
  readonly stopTimeoutMs: number;
  readonly logLevel: LogLevel;
}

/**
 * A config with the defaults for everything but `given`, for tests and embedders. Listens on a free loopback port
 * and without admin HTTP unless told. Nothing is checked.
 */
export function makeConfig(given: Partial<Config> & { readonly site: string }): Config {
  return {
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    tls: undefined,
    store: { kind: 'memory' },
    cacheBytesMax: undefined,
    foreignWrites: 'report',
    horizonMs: HORIZON_MS,
    outboxBytesMax: OUTBOX_BYTES_MAX,
    queues: [],
    subscribe: [],
    advertise: undefined,
    secret: undefined,
    password: undefined,
    admin: undefined,
    serveWhileLoading: false,
    valueBytesMax: VALUE_BYTES_MAX,
    stopTimeoutMs: STOP_TIMEOUT_MS,
    logLevel: 'info',
    ...given,
  };
}

/** Settings and files to a config, checked as a whole. Errors: MqkvError `BAD_VALUE`. */
export function buildConfig(settings: Settings & { readonly site: string }, files: ConfigFiles): Config {
  const base = makeConfig({ site: settings.site });
  const config: Config = {
    listen: settings.listen ?? base.listen,
    tls: files.tls,
    site: settings.site,
    store: settings.store ?? base.store,
    cacheBytesMax: settings.cache,
    foreignWrites: settings['foreign-writes'] ?? base.foreignWrites,
    horizonMs: settings.horizon ?? base.horizonMs,
    outboxBytesMax: settings['outbox-max'] ?? base.outboxBytesMax,
    queues: settings.queue ?? base.queues,
    subscribe: settings.subscribe ?? base.subscribe,
    advertise: settings.advertise,
    secret: files.secret,
    password: files.password,
    admin: settings.admin,
    serveWhileLoading: settings['serve-while-loading'] ?? base.serveWhileLoading,
    valueBytesMax: settings['max-value'] ?? base.valueBytesMax,
    stopTimeoutMs: settings['stop-timeout'] ?? base.stopTimeoutMs,
    logLevel: settings['log-level'] ?? base.logLevel,
  };
  checkStore(config, settings);
  checkWhole(config);
  return config;
}

/** What only a Redis store has, and what each is for. */
const REDIS_ONLY = [
  ['cache', 'the embedded store already answers from this process'],
  ['foreign-writes', 'nobody else writes to the embedded store'],
] as const;

function checkStore(config: Config, settings: Settings): void {
  if (config.store.kind === 'redis') {
    if (settings['outbox-max'] === undefined) return;
    throw badValue('--outbox-max is for the embedded store: of a Redis each mark is a flag of its key');
  }
  const [name, why] = REDIS_ONLY.find(([option]) => settings[option] !== undefined) ?? [];
  if (name !== undefined) throw badValue(`--${name} needs a Redis as --store: ${why}`);
}

/** The rules between options. */
function checkWhole(config: Config): void {
  checkQueues(config);
  if (config.password !== undefined) {
    if (!config.queues.some(({ kind }) => kind === 'peers') || config.secret !== undefined) return;
    throw badValue(
      '--queue peers:// with --password-file needs --secret-file too: without it any program on this machine could link and read all keys',
    );
  }
  const open = config.listen.find((address) => address.kind === 'tcp' && !isLoopback(address.host));
  if (open === undefined) return;
  throw badValue(
    `--listen "${formatAddress(open)}" can be reached from other machines and there is no password (protected mode); ` +
      'give --password-file FILE, or listen on 127.0.0.1, [::1] or unix:PATH',
  );
}

function checkQueues({ queues, subscribe }: Config): void {
  if (subscribe.length > 0 && queues.length === 0)
    throw badValue('--subscribe needs --queue: without it nothing would carry the writes of this site');
  if (queues.length > QUEUES_MAX)
    throw badValue(`--queue is given ${queues.length} times, at most ${QUEUES_MAX}`);
  if (queues.filter(({ kind }) => kind === 'peers').length > 1)
    throw badValue('--queue names peers:// twice; write peers://HOST:PORT,HOST:PORT');
  const all = [...queues, ...subscribe].map((url) => JSON.stringify(url));
  if (new Set(all).size < all.length) throw badValue('--queue and --subscribe name the same queue twice');
}

/** Checks the bytes of a password or secret file and cuts one line end. Errors: MqkvError `BAD_VALUE`. */
export function secretBytes(bytes: Buffer, bytesMin: number): Buffer {
  const end = bytes.at(-1) !== 10 ? bytes.length : bytes.at(-2) === 13 ? bytes.length - 2 : bytes.length - 1;
  if (end >= bytesMin && end <= 1024) return bytes.subarray(0, end);
  throw badValue(`must hold ${bytesMin} to 1024 bytes`);
}
