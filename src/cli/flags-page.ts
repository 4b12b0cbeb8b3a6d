// docs/flags.md, from the table of options: `npm run docs` writes it, a test keeps it fresh.
import { envName, LATER_OPTIONS, type Option, OPTIONS } from '../site/index.ts';
import { defaultOf } from './help.ts';

/** The page as Markdown. */
export function flagsPage(): string {
  const rows = Object.entries(OPTIONS).map(([name, option]) => row(name, option));
  const later = Object.entries(LATER_OPTIONS).map(([name, { feature }]) => `- \`--${name}\`: ${feature}`);
  return `# Flags of \`mqkv serve\`

Written by \`npm run docs\` from the table in \`src/site/options.ts\`. Each flag is also a variable in the environment and, by its name
without dashes, a key in the TOML file of \`--config\`. Flags win over the environment, the environment wins over the file. Unknown
flags and keys are refused with a suggestion; unknown \`MQKV_…\` variables are only warned of.

| flag | environment | default | allowed | what |
|---|---|---|---|---|
${rows.join('\n')}

Refused until their feature exists:

${later.join('\n')}
`;
}

function row(name: string, option: Option): string {
  const standard = defaultOf(option)?.replace(/^default /, '') ?? 'none';
  const flag = `\`--${name} ${option.value}\`${option.repeatable ? ' (repeatable)' : ''}`;
  const cells = [flag, `\`${envName(name)}\``, standard, option.range, option.doc];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
