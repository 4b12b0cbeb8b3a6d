// Flags over environment over file over defaults, parsed and checked: the Config that a site is opened with.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { CONFIG_FILE_BYTES_MAX, MqkvError, messageOf } from '../base/index.ts';
import {
  buildConfig,
  type Config,
  type ConfigFiles,
  OPTIONS,
  type OptionName,
  secretBytes,
  type Settings,
  withoutPassword,
} from '../site/index.ts';
import {
  fromArguments,
  fromEnvironment,
  fromToml,
  type Given,
  optionOf,
  type Source,
  usageError,
} from './sources.ts';

/** A config and what should be said about its sources once there is a logger. */
export interface Loaded {
  readonly config: Config;
  readonly unknownVariables: readonly { readonly variable: string; readonly hint: string }[];
}

/** Loads the config of `mqkv serve`. Errors: MqkvError `USAGE`, its message one line for the user. */
export async function loadConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Loaded> {
  const flags = fromArguments(args);
  const environment = fromEnvironment(env);
  const file = await fileSource(flags.get('config') ?? environment.source.get('config'));
  const sources = [flags, environment.source, file];
  const settings = parseAll(sources);
  const files = await readFiles(settings, sources);
  const site = settings.site ?? siteOfHost();
  try {
    return { config: buildConfig({ ...settings, site }, files), unknownVariables: environment.unknown };
  } catch (error) {
    throw error instanceof MqkvError ? usageError(error.message) : error;
  }
}

async function fileSource(given: Given | undefined): Promise<Source> {
  const path = given?.texts.at(-1);
  if (given === undefined || path === undefined) return new Map();
  parseOption('config', path, given.where);
  return fromToml((await readSmall(path, given.where)).toString('utf8'), path);
}

/** The value of every option that is given, or has a default. */
function parseAll(sources: readonly Source[]): Settings {
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const option = optionOf(name);
    const byDefault =
      option.default === undefined ? undefined : { texts: [option.default], where: `--${name}` };
    const given = givenIn(sources, name) ?? byDefault;
    if (given === undefined) continue;
    const parsed = given.texts.map((text) => parseOption(name, text, given.where));
    values[name] = option.repeatable ? parsed : parsed.at(-1);
  }
  // The table's parsers give the types that Settings derives from the table.
  return values as Settings;
}

function givenIn(sources: readonly Source[], name: OptionName): Given | undefined {
  return sources.map((source) => source.get(name)).find((given) => given !== undefined);
}

function parseOption(name: OptionName, text: string, where: string): unknown {
  try {
    return optionOf(name).parse(text);
  } catch (error) {
    throw error instanceof MqkvError ? usageError(`${where} ${quoted(text)} ${error.message}`) : error;
  }
}

/** On one line, of bearable length, without a password. */
function quoted(text: string): string {
  const shown = withoutPassword(text);
  return JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown);
}

async function readFiles(settings: Settings, sources: readonly Source[]): Promise<ConfigFiles> {
  const whereOf = (name: OptionName): string => givenIn(sources, name)?.where ?? `--${name}`;
  return {
    tls: await readTls(settings, whereOf),
    secret: await readSecret(settings['secret-file'], whereOf('secret-file'), 16),
    password: await readSecret(settings['password-file'], whereOf('password-file'), 1),
  };
}

async function readTls(
  settings: Settings,
  whereOf: (name: OptionName) => string,
): Promise<ConfigFiles['tls']> {
  const certPath = settings['tls-cert'];
  const keyPath = settings['tls-key'];
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (keyPath === undefined)
    throw usageError(`${whereOf('tls-cert')} ${quoted(certPath ?? '')} needs --tls-key FILE`);
  if (certPath === undefined)
    throw usageError(`${whereOf('tls-key')} ${quoted(keyPath)} needs --tls-cert FILE`);
  const cert = await readSmall(certPath, whereOf('tls-cert'));
  const key = await readSmall(keyPath, whereOf('tls-key'));
  const { createSecureContext } = await import('node:tls');
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const files = `${quoted(certPath)} and --tls-key ${quoted(keyPath)}`;
    throw usageError(
      `${whereOf('tls-cert')} ${files} must be a PEM certificate and its key: ${messageOf(error)}`,
    );
  }
  return { cert, key };
}

async function readSecret(
  path: string | undefined,
  where: string,
  bytesMin: number,
): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readSmall(path, where);
  try {
    return secretBytes(bytes, bytesMin);
  } catch (error) {
    throw error instanceof MqkvError ? usageError(`${where} ${quoted(path)} ${error.message}`) : error;
  }
}

async function readSmall(path: string, where: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw usageError(`${where} ${quoted(path)} cannot be read: ${messageOf(error).split(',')[0]}`);
  });
  if (bytes.length <= CONFIG_FILE_BYTES_MAX) return bytes;
  throw usageError(`${where} ${quoted(path)} must not be larger than ${CONFIG_FILE_BYTES_MAX} bytes`);
}

function siteOfHost(): string {
  const name = hostname();
  try {
    return OPTIONS.site.parse(name);
  } catch {
    throw usageError(
      `the host name ${quoted(name)} cannot be the site's name; give --site NAME (${OPTIONS.site.range})`,
    );
  }
}
