// Where option values come from: the command line, the environment and the config file. Texts only, not yet parsed.
import { parseArgs } from 'node:util';
import { MqkvError, messageOf } from '../base/index.ts';
import { envName, LATER_OPTIONS, type Option, OPTIONS, type OptionName, suggestion } from '../site/index.ts';

/** One option's texts from one source. More than one text only where the option is repeatable. */
export interface Given {
  readonly texts: readonly string[];
  /** How messages name the place: `--max-value`, `MQKV_MAX_VALUE`, `mqkv.toml: max-value`. */
  readonly where: string;
}

/** What one source gives. */
export type Source = ReadonlyMap<OptionName, Given>;

/** The environment's source, and warnings about variables that mean nothing. */
export interface EnvironmentSource {
  readonly source: Source;
  readonly unknown: readonly { readonly variable: string; readonly hint: string }[];
}

const NAMES = Object.keys(OPTIONS).filter(isOptionName);
const LATER_NAMES = Object.keys(LATER_OPTIONS);

/** The command line is wrong; exit code 2. */
export function usageError(message: string): MqkvError {
  return new MqkvError('USAGE', message);
}

/** Whether a word names an option. */
export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** An option of the table. */
export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

/** Flags: `--name value` or `--name=value`; of a flag that is not repeatable the last counts. Errors: MqkvError `USAGE`. */
export function fromArguments(args: readonly string[]): Source {
  const found = new Map<OptionName, Given>();
  const known = NAMES.map((name) => [name, { type: 'string' }] as const);
  const options = Object.fromEntries(known);
  const { tokens } = parseArgs({
    args: args.map(withValue),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional')
      throw usageError(`unexpected argument "${token.value}"; flags begin with --`);
    if (token.kind === 'option-terminator') throw usageError('unexpected argument "--"');
    const name = knownName(token.name, { shown: token.rawName, prefix: '--', what: 'flag' });
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
      throw usageError(`"--${name}" needs a value: --${name} ${optionOf(name).value}`);
    }
    const before = optionOf(name).repeatable ? (found.get(name)?.texts ?? []) : [];
    found.set(name, { texts: [...before, token.value], where: `--${name}` });
  }
  return found;
}

/** A flag that means something without a value gets it. */
function withValue(arg: string): string {
  const name = arg.slice(2);
  const bare = arg.startsWith('--') && isOptionName(name) ? optionOf(name).bare : undefined;
  return bare === undefined ? arg : `${arg}=${bare}`;
}

/** Variables `MQKV_…`; several values of a repeatable option are separated by spaces. An empty one counts as not given. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): EnvironmentSource {
  const source = new Map<OptionName, Given>();
  const unknown: { variable: string; hint: string }[] = [];
  const variables = NAMES.map(envName);
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('MQKV_') || text === undefined) continue;
    const name = variable.slice(5).toLowerCase().replaceAll('_', '-');
    if (variable !== envName(name) || !isOptionName(name)) {
      unknown.push({ variable, hint: hintOf(name, variable, variables) });
    } else if (text !== '') {
      const texts = optionOf(name).repeatable ? text.split(/\s+/).filter((part) => part !== '') : [text];
      source.set(name, { texts, where: variable });
    }
  }
  return { source, unknown };
}

/** Keys of a config file. Errors: MqkvError `USAGE`. */
export async function fromToml(text: string, path: string): Promise<Source> {
  const { parse, TomlError } = await import('smol-toml');
  const found = new Map<OptionName, Given>();
  for (const [key, value] of Object.entries(parseToml(text, path))) {
    const name = knownName(key, { shown: key, prefix: '', what: `key in ${path}` });
    if (name === 'config')
      throw usageError(`"config" cannot stand in ${path}: one file does not name another`);
    found.set(name, { texts: textsOf(value, name, path), where: `${path}: ${name}` });
  }
  return found;

  function parseToml(toml: string, from: string): Readonly<Record<string, unknown>> {
    try {
      return parse(toml);
    } catch (error) {
      const line = error instanceof TomlError ? ` line ${error.line}` : '';
      const reason = messageOf(error).split('\n')[0]?.replace('Invalid TOML document: ', '') ?? '';
      throw usageError(`--config "${from}"${line}: ${reason}`);
    }
  }
}

interface Place {
  readonly shown: string;
  readonly prefix: string;
  readonly what: string;
}

function knownName(name: string, place: Place): OptionName {
  if (isOptionName(name)) return name;
  const later = Object.hasOwn(LATER_OPTIONS, name) ? LATER_OPTIONS[name] : undefined;
  if (later !== undefined)
    throw usageError(`"${place.shown}" is not available yet: this version has not got ${later.feature}`);
  const near = suggestion(name.replaceAll('_', '-'), [...NAMES, ...LATER_NAMES], place.prefix);
  throw usageError(
    `unknown ${place.what} "${place.shown}"${near === '' ? '; "mqkv help serve" lists all' : near}`,
  );
}

function hintOf(name: string, variable: string, variables: readonly string[]): string {
  if (LATER_NAMES.includes(name)) return 'not available yet';
  return suggestion(variable, variables).replace(/^; /, '') || 'no option has this name';
}

function textsOf(value: unknown, name: OptionName, path: string): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'bigint') return [String(value)];
  if (typeof value === 'boolean' && optionOf(name).bare !== undefined) return [value ? 'yes' : 'no'];
  const list = optionOf(name).repeatable && Array.isArray(value) ? value : [];
  const texts = list.filter((element) => typeof element === 'string');
  if (texts.length > 0 && texts.length === list.length) return texts;
  const allowed = optionOf(name).repeatable ? 'a string or a list of strings' : 'a string';
  throw usageError(`${path}: ${name} must be ${allowed}: ${optionOf(name).range}`);
}
