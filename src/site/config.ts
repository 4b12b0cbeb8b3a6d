// The one table of options, from which flags, environment, config file, help, docs and validation come; and Config.
import { STOP_TIMEOUT_MS, VALUE_BYTES_MAX } from '../base/index.ts';
import {
  formatAddress,
  type HostPort,
  isLoopback,
  type ListenAddress,
  parseHostPort,
  parseListen,
} from './addresses.ts';
import { badValue, durationParser, sizeParser, wordParser } from './quantities.ts';
import { parseQueueUrl, parseStoreUrl, parseSubscribeUrl, type QueueUrl, type StoreUrl } from './urls.ts';

/** One option of `mqkv serve`. Its name is the flag without dashes and the key in the config file. */
export interface Option<T = unknown> {
  /** May be given several times; the value is then the list of all. */
  readonly repeatable?: true;
  /** What stands for the value in help. */
  readonly value: string;
  /** As a user would write it; undefined: none, or `defaultDoc` says where it comes from. */
  readonly default?: string;
  readonly defaultDoc?: string;
  /** What is allowed, for the docs. */
  readonly range: string;
  readonly doc: string;
  /** Errors: MqkvError `BAD_VALUE` saying what is allowed. */
  readonly parse: (text: string) => T;
}

/** An option of the design whose feature does not exist yet; refused. */
export interface LaterOption {
  readonly feature: string;
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
/** From which level on lines are logged. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Every option. Order: as help and docs show them. */
export const OPTIONS = {
  listen: {
    repeatable: true,
    value: 'ADDRESS',
    default: '127.0.0.1:6389',
    range: 'HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 takes a free one',
    doc: 'Where Redis clients connect. Beyond loopback only with a password.',
    parse: parseListen,
  },
  'tls-cert': {
    value: 'FILE',
    range: 'a PEM file',
    doc: 'Certificate chain; all TCP addresses then speak TLS. Needs --tls-key.',
    parse: filePath,
  },
  'tls-key': {
    value: 'FILE',
    range: 'a PEM file',
    doc: 'Private key of the certificate. Needs --tls-cert.',
    parse: filePath,
  },
  site: {
    value: 'NAME',
    defaultDoc: "the machine's host name",
    range: '1 to 64 of A-Z a-z 0-9 . _ -',
    doc: 'Name of this site, different from every other site. The channel of its queue.',
    parse: siteName,
  },
  store: {
    value: 'URL',
    default: 'memory:',
    range: 'memory:',
    doc: 'Where the data lies.',
    parse: parseStoreUrl,
  },
  queue: {
    value: 'URL',
    defaultDoc: 'none: one site alone',
    range:
      'nsq://HOST:PORT[,…]?lookupd=http://HOST:PORT[,…]&topic=NAME&http=HOST:PORT or peers://HOST:PORT[,…]',
    doc: 'What carries writes to the other sites and brings theirs.',
    parse: parseQueueUrl,
  },
  subscribe: {
    repeatable: true,
    value: 'URL',
    range: 'as --queue, nsq:// only',
    doc: 'A further queue that is consumed but not written to. Needs --queue.',
    parse: parseSubscribeUrl,
  },
  advertise: {
    value: 'HOST:PORT',
    defaultDoc: 'the first --listen address',
    range: 'HOST:PORT or [IPV6]:PORT, port from 1',
    doc: 'The address under which other sites reach this one.',
    parse: (text) => parseHostPort(text, 1),
  },
  'secret-file': {
    value: 'FILE',
    range: 'a file with 16 to 1024 bytes; one line end after them is ignored',
    doc: 'The secret that all sites share: authenticates peer links.',
    parse: filePath,
  },
  'password-file': {
    value: 'FILE',
    range: 'a file with 1 to 1024 bytes; one line end after them is ignored',
    doc: 'Clients must give this password (AUTH, HELLO).',
    parse: filePath,
  },
  admin: {
    value: 'HOST:PORT|off',
    default: '127.0.0.1:6390',
    range: 'HOST:PORT, [IPV6]:PORT or off; port 0 takes a free one',
    doc: 'Where the admin HTTP (health, statistics, metrics, profiles) listens. It asks for no password.',
    parse: (text) => (text === 'off' ? undefined : parseHostPort(text, 0)),
  },
  'max-value': {
    value: 'SIZE',
    default: '512mb',
    range: '1kb to 512mb',
    doc: 'Largest value of a key or field; a larger one is refused.',
    parse: sizeParser('1kb', '512mb'),
  },
  'stop-timeout': {
    value: 'DURATION',
    default: '10s',
    range: '0s to 1h',
    doc: 'How long a stop waits for waiting writes to be published.',
    parse: durationParser('0s', '1h'),
  },
  'log-level': {
    value: 'LEVEL',
    default: 'info',
    range: LOG_LEVELS.join(', '),
    doc: 'From which level on lines are logged.',
    parse: wordParser(LOG_LEVELS),
  },
  config: {
    value: 'FILE',
    range: 'a TOML file of at most 1mb; its keys are the names of the other options',
    doc: 'Reads options from this file. Flags and the environment win over it.',
    parse: filePath,
  },
} as const satisfies Readonly<Record<string, Option>>;

/** The options whose feature does not exist yet. */
export const LATER_OPTIONS: Readonly<Record<string, LaterOption>> = {
  cache: { feature: 'the near cache' },
  horizon: { feature: 'forgetting of tombstones' },
  'outbox-max': { feature: 'the bound of the outbox' },
  'max-memory': { feature: 'the memory limit' },
  'serve-while-loading': { feature: 'bootstrap from a peer' },
  'foreign-writes': { feature: 'detection of foreign writes' },
  'local-channels': { feature: 'local channels' },
};

/** Name of an option. */
export type OptionName = keyof typeof OPTIONS;
type Parsed<N extends OptionName> = ReturnType<(typeof OPTIONS)[N]['parse']>;
/** The parsed values given anywhere, or by default. Repeatable options are lists. */
export type Settings = {
  readonly [N in OptionName]?: (typeof OPTIONS)[N] extends { readonly repeatable: true }
    ? readonly Parsed<N>[]
    : Parsed<N>;
};

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
  readonly queue: QueueUrl | undefined;
  readonly subscribe: readonly QueueUrl[];
  readonly advertise: HostPort | undefined;
  readonly secret: Buffer | undefined;
  /** Bytes, as clients send them in AUTH. */
  readonly password: Buffer | undefined;
  /** undefined: no admin HTTP. */
  readonly admin: HostPort | undefined;
  /** Units: bytes. */
  readonly valueBytesMax: number;
  /** Units: ms. */
  readonly stopTimeoutMs: number;
  readonly logLevel: LogLevel;
}

/** The variable of an option in the environment: `MQKV_MAX_VALUE` of `max-value`. */
export function envName(option: string): string {
  return `MQKV_${option.toUpperCase().replaceAll('-', '_')}`;
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
    queue: undefined,
    subscribe: [],
    advertise: undefined,
    secret: undefined,
    password: undefined,
    admin: undefined,
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
    queue: settings.queue,
    subscribe: settings.subscribe ?? base.subscribe,
    advertise: settings.advertise,
    secret: files.secret,
    password: files.password,
    admin: settings.admin,
    valueBytesMax: settings['max-value'] ?? base.valueBytesMax,
    stopTimeoutMs: settings['stop-timeout'] ?? base.stopTimeoutMs,
    logLevel: settings['log-level'] ?? base.logLevel,
  };
  checkWhole(config);
  return config;
}

/** The rules between options. */
function checkWhole(config: Config): void {
  if (config.subscribe.length > 0 && config.queue === undefined) {
    throw badValue('--subscribe needs --queue: without it nothing would carry the writes of this site');
  }
  if (config.password !== undefined) {
    if (config.queue?.kind !== 'peers' || config.secret !== undefined) return;
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

function filePath(text: string): string {
  if (text !== '' && text.length <= 4096 && !text.includes('\0')) return text;
  throw badValue('must be the path of a file');
}

function siteName(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw badValue('must be 1 to 64 of A-Z a-z 0-9 . _ -');
}

/** Checks the bytes of a password or secret file and cuts one line end. Errors: MqkvError `BAD_VALUE`. */
export function secretBytes(bytes: Buffer, bytesMin: number): Buffer {
  const end = bytes.at(-1) !== 10 ? bytes.length : bytes.at(-2) === 13 ? bytes.length - 2 : bytes.length - 1;
  if (end >= bytesMin && end <= 1024) return bytes.subarray(0, end);
  throw badValue(`must hold ${bytesMin} to 1024 bytes`);
}
