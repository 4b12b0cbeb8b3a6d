// EVAL: the script text in a Lua of this process. Scripts are compiled once; one Lua state serves all, as in Redis.
import { createHash } from 'node:crypto';
import { compileLua } from '../lua/compile.ts';
import { libraries, libraryOf } from '../lua/library.ts';
import { general } from '../lua/numbers.ts';
import { textArgument } from '../lua/strings.ts';
import { first, LuaError, type LuaFunction, type LuaResult, LuaTable, type LuaValue } from '../lua/values.ts';
import { argumentsOf, luaOf, replyOf } from './lua-replies.ts';
import { CommandError, Failure, type RedisReply, fail } from './replies.ts';

/** Runs one command of a script. Errors: CommandError. */
type CallFromScript = (args: readonly string[], protocol: 2 | 3) => RedisReply;

export interface ScriptRun {
  readonly keys: readonly string[];
  readonly args: readonly string[];
  /** Protocol of the client. */
  readonly protocol: 2 | 3;
  readonly call: CallFromScript;
}

const CHUNK = 'user_script';
/** Compiled functions by text: many simulated servers run the same. Bounded by what a run loads. */
const compiledTexts = new Map<string, ReturnType<typeof compileLua>>();
const COMPILED_MAX = 1_000;

function compiled(text: string, name: string): ReturnType<typeof compileLua> {
  const id = `${name}\n${text}`;
  const held = compiledTexts.get(id);
  if (held !== undefined) return held;
  if (compiledTexts.size >= COMPILED_MAX) compiledTexts.clear();
  const made = compileLua(text, name);
  compiledTexts.set(id, made);
  return made;
}

function sha1Of(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

/** A script's own error, with where it was raised. */
function failureOf(error: LuaError, sha: string, line: number): Failure {
  const { value } = error;
  const place = ` script: ${sha}, on @${CHUNK}:${line}.`;
  if (value instanceof LuaTable) {
    const text = value.get('err');
    return new Failure(
      typeof text === 'string' ? text + (value.get('isPlaced') === true ? '' : place) : 'ERR unknown error',
    );
  }
  return new Failure(`ERR ${typeof value === 'string' ? value : 'unknown error'}${place}`);
}

/** The Lua state of one server. */
export class Scripting {
  readonly #texts = new Map<string, string>();
  readonly #bound = new Map<string, LuaFunction>();
  readonly #globals = new LuaTable();
  #run: ScriptRun | undefined;
  #protocol: 2 | 3 = 2;
  #line = 0;

  constructor() {
    this.#fill();
  }

  /** SCRIPT LOAD. Result: the digest. Errors: CommandError. */
  load(text: string): string {
    const sha = sha1Of(text);
    if (this.#texts.has(sha)) return sha;
    try {
      this.#bound.set(sha, this.#bind(text.replace(/^#![^\n]*/, ''), CHUNK));
    } catch (error) {
      if (!(error instanceof LuaError)) throw error;
      fail(`ERR Error compiling script (new function): ${String(error.value)}`);
    }
    this.#texts.set(sha, text);
    return sha;
  }

  knows(sha: string): boolean {
    return this.#texts.has(sha.toLowerCase());
  }

  textOf(sha: string): string | undefined {
    return this.#texts.get(sha.toLowerCase());
  }

  flush(): void {
    this.#texts.clear();
    this.#bound.clear();
  }

  /** Runs a loaded script. */
  run(sha: string, run: ScriptRun): RedisReply {
    const main = this.#bound.get(sha);
    if (main === undefined) return fail('NOSCRIPT No matching script. Please use EVAL.');
    this.#run = run;
    this.#protocol = 2;
    this.#globals.map.set('KEYS', new LuaTable([...run.keys]));
    this.#globals.map.set('ARGV', new LuaTable([...run.args]));
    try {
      return replyOf(first(main()), this.#protocol);
    } catch (error) {
      if (!(error instanceof LuaError)) throw error;
      return failureOf(error, sha, this.#line);
    } finally {
      this.#run = undefined;
    }
  }

  #bind(text: string, name: string): LuaFunction {
    const { map } = this.#globals;
    return compiled(
      text,
      name,
    )({
      global: (key, line) => map.get(key) ?? this.#missing(key, line),
      setGlobal: (key) => {
        throw new LuaError(`${name}: Attempt to modify a readonly table (${key})`);
      },
      at: (line) => {
        this.#line = line;
      },
    });
  }

  #missing(key: string, line = this.#line): LuaValue {
    this.#line = line;
    if (this.#globals.map.has(key)) return undefined;
    throw new LuaError(`${CHUNK}:${line}: Script attempted to access nonexistent global variable '${key}'`);
  }

  #fill(): void {
    const { map } = this.#globals;
    for (const [name, value] of Object.entries(libraries())) map.set(name, value);
    map.set('_G', this.#globals);
    map.set('error', (value: LuaValue, level: LuaValue = 1) => this.#raise(value, level));
    map.set('loadstring', (text: LuaValue, name: LuaValue) => this.#loadText(text, name));
    map.set('load', (pieces: LuaValue, name: LuaValue) => this.#loadPieces(pieces, name));
    map.set('redis', this.#api());
    map.set('__redis__err__handler', (failure: LuaValue) => this.#placed(failure));
    this.#globals.meta = libraryOf({
      __index: (_table: LuaValue, key: LuaValue) => this.#missing(String(key)),
    });
  }

  #raise(value: LuaValue, level: LuaValue): never {
    const isPlaced = typeof value === 'string' && level === 1 && this.#line > 0;
    throw new LuaError(isPlaced ? `${CHUNK}:${this.#line}: ${value}` : value);
  }

  /** What Redis' own handler makes of an error. */
  #placed(failure: LuaValue): LuaValue {
    if (failure instanceof LuaTable) {
      failure.rawSet('source', failure.rawGet('source') ?? `@${CHUNK}`);
      failure.rawSet('line', failure.rawGet('line') ?? this.#line);
      return failure;
    }
    const text = typeof failure === 'string' ? failure : 'unknown error';
    return libraryOf({ err: `ERR ${text}`, source: `@${CHUNK}`, line: this.#line });
  }

  #loadText(text: LuaValue, name: LuaValue): LuaResult {
    const chunk =
      typeof name === 'string' && name.startsWith('@') ? name.slice(1) : `[string "${String(name ?? text)}"]`;
    try {
      return this.#bind(textArgument(text, 1, 'loadstring'), chunk);
    } catch (error) {
      if (!(error instanceof LuaError)) throw error;
      return [undefined, error.value];
    }
  }

  #loadPieces(pieces: LuaValue, name: LuaValue): LuaResult {
    let text = '';
    if (typeof pieces !== 'function') throw new LuaError("bad argument #1 to 'load' (function expected)");
    for (let piece = first(pieces()); typeof piece === 'string' && piece !== ''; piece = first(pieces()))
      text += piece;
    return this.#loadText(text, name ?? '=(load)');
  }

  #api(): LuaTable {
    const api = libraryOf({
      call: (...values) => this.#call(values, true),
      pcall: (...values) => this.#call(values, false),
      sha1hex: (text) => sha1Of(textArgument(text, 1, 'sha1hex')),
      error_reply: (text) => libraryOf({ err: errorText(textArgument(text, 1, 'error_reply')) }),
      status_reply: (text) => libraryOf({ ok: textArgument(text, 1, 'status_reply') }),
      setresp: (protocol) => {
        if (protocol !== 2 && protocol !== 3) throw new LuaError('RESP version must be 2 or 3.');
        this.#protocol = protocol;
        return [];
      },
      log: () => [],
      replicate_commands: () => true,
      REDIS_VERSION_NUM: 0x0007000f,
      REDIS_VERSION: '7.0.15',
      LOG_DEBUG: 0,
      LOG_VERBOSE: 1,
      LOG_NOTICE: 2,
      LOG_WARNING: 3,
    });
    api.isReadOnly = true;
    return api;
  }

  #call(values: readonly LuaValue[], isRaising: boolean): LuaValue {
    const reply = this.#answer(values);
    const value = luaOf(reply, this.#protocol);
    if (isRaising && reply instanceof Failure) throw new LuaError(value);
    return value;
  }

  #answer(values: readonly LuaValue[]): RedisReply {
    if (values.length === 0)
      return new Failure('ERR Please specify at least one argument for this redis.call() call');
    const args = argumentsOf(values, (x) => general(x, 17, false));
    if (args === undefined)
      return new Failure('ERR Lua redis lib command arguments must be strings or integers');
    try {
      return this.#run?.call(args, this.#protocol) ?? null;
    } catch (error) {
      if (error instanceof CommandError) return new Failure(error.message);
      throw error;
    }
  }
}

function errorText(text: string): string {
  const stripped = text.startsWith('-') ? text.slice(1) : text;
  return stripped.includes(' ') ? stripped : `ERR ${stripped}`;
}
