// The small script language of golden cases (its description stands at the top of test/merge-cases.txt).

/** One step of a case. `text` is the step as written. */
export type Step =
  | {
      readonly kind: 'command';
      readonly site: number;
      readonly commands: readonly (readonly string[])[];
      readonly text: string;
    }
  | { readonly kind: 'delta'; readonly number: number; readonly to: number; readonly text: string }
  | { readonly kind: 'all'; readonly from: number; readonly to: number; readonly text: string }
  | { readonly kind: 'sync' | 'repair' | 'unknown'; readonly text: string }
  | { readonly kind: 'pass'; readonly ms: number; readonly text: string }
  | { readonly kind: 'clock'; readonly site: number; readonly ms: number; readonly text: string }
  | { readonly kind: 'free'; readonly site: number; readonly text: string }
  | {
      readonly kind: 'expect';
      readonly site: number | undefined;
      readonly key: string;
      readonly view: string;
      readonly text: string;
    };

/** One line of a file. */
export interface Case {
  readonly line: number;
  readonly name: string;
  readonly sites: number;
  readonly steps: readonly Step[];
}

/** Parses a file. Order: as written. What is no step becomes one of kind `unknown`. */
export function parseCases(text: string): Case[] {
  const cases: Case[] = [];
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = raw.trim();
    if (line !== '' && !line.startsWith('#')) cases.push(parseCase(line, index + 1));
  }
  return cases;
}

function parseCase(line: string, number: number): Case {
  const bar = /(?:^|\s)\|(?:\s|$)/.exec(line);
  const name = bar === null ? line : line.slice(0, bar.index);
  const parts = bar === null ? [] : splitSteps(line.slice(bar.index + bar[0].length));
  const steps = parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseStep);
  return { line: number, name: name.trim(), sites: sitesOf(steps), steps };
}

/** Splits at bars between blanks, but not inside of quotes. */
function splitSteps(text: string): string[] {
  const steps: string[] = [];
  let from = 0;
  for (const match of text.matchAll(/(?<![^\s{,:])"(?:\\.|[^"\\])*"|(?<!\S)'[^']*'(?!\S)|(?<!\S)\|(?!\S)/g)) {
    if (match[0] !== '|') continue;
    steps.push(text.slice(from, match.index));
    from = match.index + 1;
  }
  steps.push(text.slice(from));
  return steps;
}

function sitesOf(steps: readonly Step[]): number {
  let greatest = 1;
  for (const step of steps) {
    if ('site' in step && step.site !== undefined) greatest = Math.max(greatest, step.site);
    if ('to' in step) greatest = Math.max(greatest, step.to);
    if ('from' in step) greatest = Math.max(greatest, step.from);
  }
  return greatest + 1;
}

function parseStep(text: string): Step {
  if (text === 'sync' || text === 'repair') return { kind: text, text };
  const pass = /^\+(\d+)$/.exec(text);
  if (pass) return { kind: 'pass', ms: Number(pass[1]), text };
  const delta = /^d(\d+)>s(\d+)$/.exec(text);
  if (delta) return { kind: 'delta', number: Number(delta[1]), to: Number(delta[2]), text };
  const all = /^s(\d+)>s(\d+)$/.exec(text);
  if (all) return { kind: 'all', from: Number(all[1]), to: Number(all[2]), text };
  const clock = /^s(\d+)\s+clock\s+([+-]?\d+)$/.exec(text);
  if (clock) return { kind: 'clock', site: Number(clock[1]), ms: Number(clock[2]), text };
  const free = /^s(\d+)\s+free$/.exec(text);
  if (free) return { kind: 'free', site: Number(free[1]), text };
  const expect = /^(?:s(\d+)\s+)?("(?:\\.|[^"\\])*"|\S+)\s+=\s+(-|\w+\s*\{.*)$/.exec(text);
  if (expect) {
    const site = expect[1] === undefined ? undefined : Number(expect[1]);
    return { kind: 'expect', site, key: unquoted(expect[2] ?? ''), view: (expect[3] ?? '').trim(), text };
  }
  const command = /^s(\d+)\s+(.+)$/.exec(text);
  if (command)
    return { kind: 'command', site: Number(command[1]), commands: parseCommands(command[2] ?? ''), text };
  return { kind: 'unknown', text };
}

function parseCommands(text: string): string[][] {
  const commands: string[][] = [[]];
  for (const token of text.match(/"(?:\\.|[^"\\])*"|'[^']*'|;|[^\s;]+/g) ?? []) {
    if (token === ';') commands.push([]);
    else commands.at(-1)?.push(unquoted(token));
  }
  return commands.filter((command) => command.length > 0);
}

function unquoted(token: string): string {
  if (token.length >= 2 && token.startsWith('"') && token.endsWith('"')) return unescaped(token.slice(1, -1));
  if (token.length >= 2 && token.startsWith("'") && token.endsWith("'")) return token.slice(1, -1);
  return token;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07', f: '\f' };

/** Escapes as redis-cli and JSON have them. */
function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/g, (_, unicode, byte, other) => {
    const code: string | undefined = unicode ?? byte;
    return code === undefined ? (ESCAPES[other] ?? other) : String.fromCharCode(Number.parseInt(code, 16));
  });
}
