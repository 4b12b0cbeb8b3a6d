// The help texts, from the table of options.
import { LATER_OPTIONS, type Option, OPTIONS } from '../site/index.ts';

/** The commands, with a line on each. */
export const COMMANDS: Readonly<Record<string, string>> = {
  serve: 'run one site; "mqkv help serve" lists its flags',
  demo: 'run three sites on this machine, joined by peer links, and say what to try',
  repair: 'repair DIR: keep what can be read of the damaged folder of a file: store',
  version: 'print the version',
  help: 'print this, or the help of a command',
};

/** Commands of later versions: refused, saying so. */
export const LATER_COMMANDS: readonly string[] = ['doctor', 'bench', 'import', 'export'];

/** What `mqkv help` prints. */
export function generalHelp(): string {
  const rows = Object.entries(COMMANDS).map(([name, doc]) => `  ${name.padEnd(9)}${doc}`);
  return `mqkv: a Redis-protocol key-value store for many sites

Usage: mqkv COMMAND [FLAGS]

Commands
${rows.join('\n')}

Start with: mqkv serve, then: redis-cli -p 6389 set k v
`;
}

/** What `mqkv help serve` prints. */
export function serveHelp(): string {
  const rows = Object.entries(OPTIONS).map(([name, option]) => optionHelp(name, option));
  return `Usage: mqkv serve [FLAGS]

Runs one site until SIGTERM or SIGINT. Logs are JSON lines on stderr; stdout says "ready HOST:PORT" once.
Each flag is also a variable MQKV_… in the environment (--max-value: MQKV_MAX_VALUE; several values
separated by spaces) and a key in the config file (max-value = "64mb"). Flags win over the environment, the
environment wins over the file.

${rows.join('\n')}
Not available yet: ${Object.keys(LATER_OPTIONS)
    .map((name) => `--${name}`)
    .join(', ')}
`;
}

function optionHelp(name: string, option: Option): string {
  const notes = [option.repeatable ? 'repeatable' : undefined, defaultOf(option)].filter(
    (note) => note !== undefined,
  );
  const tail = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  return `  --${name} ${option.value}${tail}\n      ${option.doc}\n      ${option.range}\n`;
}

/** `default X`, or nothing. */
export function defaultOf(option: Option): string | undefined {
  const text = option.default ?? option.defaultDoc;
  return text === undefined ? undefined : `default ${text}`;
}
