// The scripts that mqkv runs inside Redis: put together from the .lua files beside this module.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { assert } from '../../base/index.ts';

/** A script as Redis gets it. */
export interface Script {
  readonly name: string;
  readonly text: string;
  /** Shape: 40 lower-case hex digits; what EVALSHA takes. */
  readonly sha1: string;
}

/** Files of commands' rows. Order: as they stand in the text; those not there are left out. */
const ROWS = [
  'rows-strings',
  'rows-counters',
  'rows-keys',
  'rows-hashes',
  'rows-sets',
  'rows-zsets',
  'rows-whole',
  'rows-lists',
  'rows-streams',
  'rows-bits',
  'rows-geo',
  'rows-all',
  'rows-adopt',
  'rows-eval',
];

const REAL_TIME = "local TIME = redis.call('TIME')";
const NATIVE_TTL = 'local NATIVE_TTL = true';

function source(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}

function isThere(name: string): boolean {
  return existsSync(new URL(`./lua/${name}.lua`, import.meta.url));
}

/** Comments and indentation cost Redis nothing but the parsing; they go so that the text sent is short. */
function squeezed(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('--')).join('\n');
}

function scriptOf(name: string, text: string): Script {
  return { name, text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** What the rows stand on: states as text and the rules of local writes. Order: each uses those before it. */
const CORE = ['numbers', 'common', 'native', 'registers', 'shown', 'states', 'effects', 'finish', 'commands'];

/** The short ways of the commonest commands: `lua/quick-NAME.lua`, each made when a command of it comes. */
const QUICK = ['fields', 'counters', 'keys', 'strings', 'whole'];

/** A script of the store's own work (merging, outbox, walker): the clock, where headers lie, and `lua/NAME.lua`. */
export function assembleStore(name: string): Script {
  return scriptOf(name, squeezed(`${source('clock')}${source('place')}${source(name)}`));
}

/** The merge inside Redis: what it stands on is the write script's. */
export function assembleMerge(): Script {
  const core = CORE.filter((name) => name !== 'commands');
  return scriptOf('merge', squeezed(`${source('clock')}${core.map(source).join('')}${source('merge')}`));
}

/**
 * Rows of a file, made when a command of theirs comes: `names` are its commands, `*` stands for some that the text makes.
 * Each file is a function of its own: in Lua 5.1 a closure's cost grows with the locals that the function around it shares.
 */
function loader(file: string): string {
  const text = source(file);
  const names = [...text.matchAll(/\brow\('([^']+)'/g)].map(([, name]) => name);
  if (/\brow\([a-z]/.test(text)) names.push('*');
  return `LOADERS[#LOADERS + 1] = { names = ' ${names.join(' ')} ', load = function()\n${text}end }\n`;
}

/**
 * The write script: what only the general units need is made when the first of them comes, so that a call with plain
 * SETs alone pays nothing for it.
 */
export function assembleWrite(): Script {
  const rows = ROWS.filter(isThere).map(loader).join('');
  const general = `local function make_general()\n${CORE.map(source).join('')}${rows}${source('units')}end\n`;
  const parts = QUICK.map((name) => `local function make_${name}()\n${source(`quick-${name}`)}end\n`).join(
    '',
  );
  const quick = `local function make_quick(plain)\n${source('quick-header')}${parts}${source('quick')}end\n`;
  return scriptOf('write', squeezed(`${source('clock')}${general}${quick}${source('write')}`));
}

/**
 * The script with the test harness' clock in place of Redis': the key `mqkv:clock` holds the Unix ms, and nothing expires
 * natively. Never in a running site.
 */
export function withTestClock({ name, text }: Script): Script {
  assert(text.includes(REAL_TIME) && text.includes(NATIVE_TTL), 'a script has the two lines of the clock');
  const clock =
    "local TIME = tonumber(redis.call('GET', 'mqkv:clock')) TIME = {math.floor(TIME / 1000), TIME % 1000 * 1000}";
  return scriptOf(name, text.replace(REAL_TIME, clock).replace(NATIVE_TTL, 'local NATIVE_TTL = false'));
}

/** Loads scripts into the Redis that `call` reaches. Errors: those of `call`. */
export async function loadScripts(
  call: (args: readonly string[]) => Promise<unknown>,
  scripts: readonly Script[],
): Promise<void> {
  await Promise.all(scripts.map(({ text }) => call(['SCRIPT', 'LOAD', text])));
}
