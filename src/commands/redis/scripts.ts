// EVAL and its family, SCRIPT, FUNCTION: texts lie in the store under `mqkv:script:<digest>`, so that EVALSHA works at every gateway.
import { createHash } from 'node:crypto';
import { type Latin1, SCRIPTS_CACHED_MAX } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { namedKeys } from '../dispatch.ts';
import { SYNTAX } from '../errors.ts';
import type { Session } from '../session.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import type { Port, Words } from './port.ts';
import { errorText, isErrorReply } from './raw-reply.ts';

const NO_SCRIPT = 'NOSCRIPT No matching script. Please use EVAL.';
const FUNCTIONS_REFUSED =
  'ERR functions that may write are refused: what they write could not be recorded; use EVAL';

function nameOf(digest: string): string {
  return `mqkv:script:${digest}`;
}

/** SHA-1 of a script's text, as Redis names it. */
function digestOf(text: Latin1): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

interface Kept {
  readonly text: Latin1;
  readonly isLoaded: boolean;
}

/** Units: s. Texts made for one execution would else fill the Redis; whoever uses such a text by its digest later sends it again. */
const EXECUTED_SCRIPT_SECONDS = 86_400;

/** The scripts that this gateway has seen, and those kept in the store. */
export class Scripts {
  readonly #port: Port;
  /** Texts known to lie in the store, for good where loaded; the least recently used goes first. */
  readonly #texts = new Map<string, Kept>();

  constructor(port: Port) {
    this.#port = port;
  }

  /** Keeps a script in the store: one that was loaded for good, one that was only executed for a day. Result: an error text, if that failed. */
  async keep(text: Latin1, how: 'loaded' | 'executed'): Promise<string | undefined> {
    const digest = digestOf(text);
    const isLoaded = how === 'loaded';
    const held = this.#touch(digest);
    if (held !== undefined && (held.isLoaded || !isLoaded)) return undefined;
    const life = isLoaded ? [] : ['EX', String(EXECUTED_SCRIPT_SECONDS), 'NX'];
    const reply = await this.#store(['SET', nameOf(digest), text, ...life], digest);
    if (reply.kind === 'error') return reply.text;
    this.#remember(digest, { text, isLoaded });
    return undefined;
  }

  /** A script's text. undefined: nobody has it. */
  async find(digest: string): Promise<Latin1 | undefined> {
    const known = this.#touch(digest);
    if (known !== undefined) return known.text;
    const reply = await this.#store(['GET', nameOf(digest)], digest);
    if (reply.kind !== 'bulk') return undefined;
    const text = reply.bytes.toString('latin1');
    this.#remember(digest, { text, isLoaded: false });
    return text;
  }

  async exists(digest: string): Promise<boolean> {
    const reply = await this.#store(['EXISTS', nameOf(digest)], digest);
    return reply.kind === 'integer' && reply.value === 1;
  }

  /** Removes every script. */
  async flush(): Promise<void> {
    this.#texts.clear();
    for (const slot of this.#port.everyNode()) await this.#flushNode(slot);
  }

  async #flushNode(slot: number): Promise<void> {
    let cursor = '0';
    do {
      const reply = await this.#port.call(['SCAN', cursor, 'MATCH', 'mqkv:script:*', 'COUNT', '1000'], slot);
      const [next, names] = reply.kind === 'array' ? reply.items : [];
      cursor = next?.kind === 'bulk' ? next.bytes.toString('latin1') : '0';
      for (const name of names?.kind === 'array' ? names.items : [])
        if (name.kind === 'bulk') await this.#port.call(['DEL', name.bytes], slotOf(name.bytes));
    } while (cursor !== '0');
  }

  #store(args: Words, digest: string): Promise<Reply> {
    return this.#port.call(args, slotOf(nameOf(digest)));
  }

  #touch(digest: string): Kept | undefined {
    const held = this.#texts.get(digest);
    if (held === undefined) return undefined;
    this.#texts.delete(digest);
    this.#texts.set(digest, held);
    return held;
  }

  #remember(digest: string, kept: Kept): void {
    this.#texts.set(digest, kept);
    if (this.#texts.size > SCRIPTS_CACHED_MAX) this.#texts.delete(this.#texts.keys().next().value ?? '');
  }
}

/** EVAL for EVAL or EVALSHA, its script kept; a text is the error. Other commands stay as they are. */
export async function asEval(words: Words, scripts: Scripts): Promise<Words | string> {
  const name = words[0].toLowerCase();
  if (name === 'eval') return (await scripts.keep(words[1], 'executed')) ?? words;
  if (name !== 'evalsha') return words;
  const text = await scripts.find(words[1].toLowerCase());
  return text === undefined ? NO_SCRIPT : ['eval', text, ...words.slice(2)];
}

interface On {
  readonly port: Port;
  readonly scripts: Scripts;
}

/** What is wrong with the number of keys of EVAL and FCALL. */
function keysError(c: Call): string | undefined {
  if (c.spec.name.startsWith('evalsha') && c.text(1).length !== 40) return NO_SCRIPT;
  const text = c.text(2);
  if (!/^-?\d+$/.test(text)) return 'ERR value is not an integer or out of range';
  if (Number(text) < 0) return "ERR Number of keys can't be negative";
  return Number(text) > c.argc - 3 ? "ERR Number of keys can't be greater than number of args" : undefined;
}

async function evaluate(c: Call, session: Session, { port, scripts }: On): Promise<void> {
  const keys = namedKeys(c.spec, c);
  const wrong = keysError(c) ?? (port.isCluster && !haveOneSlot(keys) ? CROSS_SLOT : undefined);
  if (wrong !== undefined) return c.fail(wrong);
  const words = await asEval(c.rest(0), scripts);
  if (typeof words === 'string') return c.fail(words);
  c.reply.raw(await port.write(session, { kind: 'command', args: words, keys }, c.reply.protocol));
}

/** EVAL_RO, EVALSHA_RO, FCALL_RO: Redis itself sees to it that they write nothing. */
async function evaluateReading(c: Call, session: Session, { port, scripts }: On): Promise<void> {
  const keys = namedKeys(c.spec, c);
  const wrong = keysError(c) ?? (port.isCluster && !haveOneSlot(keys) ? CROSS_SLOT : undefined);
  if (wrong !== undefined) return c.fail(wrong);
  const place = {
    slot: keys.length === 0 ? 0 : slotOf(keys[0]),
    protocol: c.reply.protocol,
  };
  const words = c.rest(0);
  const [raw] = await port.ask(session, [words], place);
  const isMissing =
    c.spec.name === 'evalsha_ro' && isErrorReply(raw) && errorText(raw).startsWith('NOSCRIPT');
  const text = isMissing ? await scripts.find(c.text(1).toLowerCase()) : undefined;
  if (text === undefined) return c.reply.raw(raw);
  const [again] = await port.ask(session, [['EVAL_RO', text, ...words.slice(2)]], place);
  c.reply.raw(again);
}

async function load(c: Call, { port, scripts }: On): Promise<void> {
  const text = c.text(2);
  const compiled = await port.call(['SCRIPT', 'LOAD', text]);
  if (compiled.kind === 'error') return c.fail(compiled.text);
  const failed = await scripts.keep(text, 'loaded');
  if (failed !== undefined) return c.fail(failed);
  c.reply.latin1(digestOf(text));
}

async function script(c: Call, on: On): Promise<void> {
  const word = c.word(1);
  if (word === 'LOAD' && c.argc === 3) return load(c, on);
  if (word === 'EXISTS' && c.argc > 2) {
    const found = await Promise.all(c.rest(2).map((digest) => on.scripts.exists(digest.toLowerCase())));
    c.reply.array(found.length);
    for (const yes of found) c.reply.integer(yes ? 1 : 0);
  } else if (word === 'FLUSH') {
    if (c.argc > 3 || (c.argc === 3 && !['SYNC', 'ASYNC'].includes(c.word(2))))
      return c.fail('ERR SCRIPT FLUSH only support SYNC|ASYNC option');
    await on.scripts.flush();
    c.reply.ok();
  } else if (word === 'KILL') c.fail('NOTBUSY No scripts in execution right now.');
  else if (word === 'DEBUG') c.fail('ERR SCRIPT DEBUG is refused: it would stop a live site');
  else c.fail(SYNTAX);
}

const FUNCTIONS_PASSED: ReadonlySet<string> = new Set(['LIST', 'DUMP', 'STATS', 'HELP']);

async function functions(c: Call, session: Session, port: Port): Promise<void> {
  if (!FUNCTIONS_PASSED.has(c.word(1))) return c.fail(FUNCTIONS_REFUSED);
  const [raw] = await port.ask(session, [c.rest(0)], {
    slot: 0,
    protocol: c.reply.protocol,
  });
  c.reply.raw(raw);
}

/** Executes EVAL, SCRIPT, FUNCTION and their kin. false: the command is none of them. */
export function runScripts(c: Call, session: Session, on: On): boolean | Promise<void> {
  switch (c.spec.name.split('|')[0]) {
    case 'eval':
    case 'evalsha':
      return evaluate(c, session, on);
    case 'eval_ro':
    case 'evalsha_ro':
    case 'fcall_ro':
      return evaluateReading(c, session, on);
    case 'fcall':
      c.fail(FUNCTIONS_REFUSED);
      return true;
    case 'script':
      return script(c, on);
    case 'function':
      return functions(c, session, on.port);
    default:
      return false;
  }
}
