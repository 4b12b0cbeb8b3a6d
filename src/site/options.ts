// The one table of options, from which flags, environment, config file, help, docs and validation come.
import { parseHostPort, parseListen } from './addresses.ts';
import { badValue, durationParser, sizeParser, wordParser } from './quantities.ts';
import { parseQueueUrl, parseStoreUrl, parseSubscribeUrl } from './urls.ts';

/** One option of `mqkv serve`. Its name is the flag without dashes and the key in the config file. */
export interface Option<T = unknown> {
  /** May be given several times; the value is then the list of all. */
  readonly repeatable?: true;
  /** What the flag means without a value; a value then follows "=" only. */
  readonly bare?: string;
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

const FOREIGN_WRITES = ['report', 'adopt'] as const;
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
    range:
      'memory:, file:DIR[?fsync=always|everysec|no], redis[s]://[[USER]:PASSWORD@]HOST:PORT[/DB], unix:PATH, redis+sentinel://…HOST:PORT,…/NAME[/DB] or redis+cluster://…HOST:PORT,…',
    doc: "Where the data lies: in this process, in this process and a folder that outlives it (docs/file-store.md), or in the site's own Redis (docs/redis-store.md).",
    parse: parseStoreUrl,
  },
  cache: {
    value: 'SIZE',
    defaultDoc: 'none',
    range: '1mb to 1gb',
    doc: 'Memory for a near cache in front of a Redis store: values read by GET.',
    parse: sizeParser('1mb', '1gb'),
  },
  'foreign-writes': {
    value: 'WHAT',
    defaultDoc: 'report',
    range: FOREIGN_WRITES.join(', '),
    doc: "What to do about writes made to the site's Redis behind mqkv's back: log and count them, or send them to the other sites too.",
    parse: wordParser(FOREIGN_WRITES),
  },
  horizon: {
    value: 'DURATION',
    defaultDoc: '24h',
    range: '1m to 365d',
    doc: 'How long a store remembers what was deleted or has expired. A site that was away for longer must start anew.',
    parse: durationParser('1m', '365d'),
  },
  'outbox-max': {
    value: 'SIZE',
    defaultDoc: '256mb',
    range: '1mb to 16gb',
    doc: 'Memory for the marks of keys that the queue has not got yet. Beyond it the oldest are left to comparisons with the other sites. Not for a Redis store, where a mark is a flag of its key.',
    parse: sizeParser('1mb', '16gb'),
  },
  queue: {
    repeatable: true,
    value: 'URL',
    defaultDoc: 'none: one site alone',
    range:
      'nsq://HOST:PORT[,…]?lookupd=http://HOST:PORT[,…]&topic=NAME, kafka://HOST:PORT[,…]?topic=NAME, nats://HOST:PORT[,…]?stream=NAME, ' +
      'redis-streams://HOST:PORT[/DB]?stream=NAME or peers://HOST:PORT[,…]; logins, TLS and all parameters: docs/queues.md',
    doc: 'What carries writes to the other sites and brings theirs. Given several times (at most 4): each write goes to every one, for changing the queue without stopping.',
    parse: parseQueueUrl,
  },
  subscribe: {
    repeatable: true,
    value: 'URL',
    range: 'as --queue, but not peers://',
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
  'serve-while-loading': {
    bare: 'yes',
    value: 'yes|no',
    default: 'no',
    range: 'yes (also the flag alone), no',
    doc: 'Whether a site that is copying the data of another one answers data commands already, with what it has so far. Else it answers -LOADING for so long.',
    parse: yesOrNo,
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
  'max-memory': { feature: 'the memory limit' },
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

/** The variable of an option in the environment: `MQKV_MAX_VALUE` of `max-value`. */
export function envName(option: string): string {
  return `MQKV_${option.toUpperCase().replaceAll('-', '_')}`;
}

function yesOrNo(text: string): boolean {
  if (text === 'yes') return true;
  if (text === 'no') return false;
  throw badValue('must be yes or no');
}

function filePath(text: string): string {
  if (text !== '' && text.length <= 4096 && !text.includes('\0')) return text;
  throw badValue('must be the path of a file');
}

function siteName(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw badValue('must be 1 to 64 of A-Z a-z 0-9 . _ -');
}
