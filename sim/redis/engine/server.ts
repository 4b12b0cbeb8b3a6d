// One simulated redis-server: databases, scripts, subscribers, and what can be wrong with it. Time comes from a clock given.
import { type Clock, type Random, randomHex } from '../../../src/base/index.ts';
import type { Command, Context } from './command.ts';
import { DATA_COMMANDS } from './commands/index.ts';
import { Database } from './database.ts';
import { CommandError, fail, Failure, notSimulated, Push, type RedisReply } from './replies.ts';
import { Scripting } from './scripting.ts';

const DATABASES = 16;
/** Keys that one turn of the active expiry frees, and how often it comes. */
const EXPIRED_A_TURN = 20;
const ACTIVE_EXPIRY_MS = 100;
const OOM = "OOM command not allowed when used memory > 'maxmemory'.";

/** Who hears of a channel. */
export interface Listener {
  push(reply: Push): void;
}

/** All data of a server at one time. */
export interface Image {
  readonly atMs: number;
  readonly databases: ReadonlyMap<number, Database>;
}

export interface RedisServerOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** What a script that runs has done, for the rules of a full Redis. */
interface ScriptState {
  readonly wasFull: boolean;
  hasWritten: boolean;
  readonly onlyReads: boolean;
}

export class RedisServer {
  readonly clock: Clock;
  readonly random: Random;
  /** master_replid. Shape: 40 hex digits. */
  replid: string;
  isMaster = true;
  isLoading = false;
  /** Out of memory. */
  isFull = false;
  /** MISCONF: it cannot write its data to disk. */
  isStuck = false;
  /** Commands executed, those of scripts not counted. */
  executed = 0;
  readonly scripting = new Scripting();
  #databases = new Map<number, Database>();
  readonly #channels = new Map<string, Set<Listener>>();
  #script: ScriptState | undefined;
  #now = 0;

  constructor({ clock, random }: RedisServerOptions) {
    this.clock = clock;
    this.random = random;
    this.replid = randomHex(random, 20);
    clock.every(ACTIVE_EXPIRY_MS, () => this.#expire());
  }

  database(index: number): Database {
    const held = this.#databases.get(index);
    if (held !== undefined) return held;
    if (!(index >= 0 && index < DATABASES)) fail('ERR DB index is out of range');
    const made = new Database();
    this.#databases.set(index, made);
    return made;
  }

  get databases(): ReadonlyMap<number, Database> {
    return this.#databases;
  }

  /** A copy of all data. */
  image(): Image {
    const databases = new Map([...this.#databases].map(([index, db]) => [index, db.copy()] as const));
    return { atMs: this.clock.now(), databases };
  }

  /** Takes that data in place of its own (undefined: none), as a process that has just started: another history, no scripts. */
  restart(image: Image | undefined): void {
    this.#databases = new Map(
      [...(image?.databases ?? [])].map(([index, db]) => [index, db.copy()] as const),
    );
    this.replid = randomHex(this.random, 20);
    this.scripting.flush();
    this.#channels.clear();
  }

  /** A data command. Errors: CommandError. */
  execute(args: readonly string[], db: Database, protocol: 2 | 3): RedisReply {
    this.#now = this.clock.now();
    return this.#run(this.#commandOf(args), args, { db, now: this.#now, protocol, random: this.random });
  }

  #commandOf(args: readonly string[]): Command {
    const command = DATA_COMMANDS.get(args[0]) ?? DATA_COMMANDS.get(args[0].toLowerCase());
    return command ?? notSimulated(`command ${args[0]}`);
  }

  #run({ name, arity, kind, run }: Command, args: readonly string[], on: Context): RedisReply {
    if (arity > 0 ? args.length !== arity : args.length < -arity)
      fail(
        `ERR ${this.#script === undefined ? `wrong number of arguments for '${name}' command` : 'Wrong number of args calling Redis command from script'}`,
      );
    if (kind !== 'read') this.#mayWrite(kind === 'grow');
    on.db.now = on.now;
    return run(args, on);
  }

  #mayWrite(isGrowing: boolean): void {
    const script = this.#script;
    if (script?.onlyReads === true) fail('ERR Write commands are not allowed from read-only scripts.');
    if (!this.isMaster) fail("READONLY You can't write against a read only replica.");
    if (this.isStuck && script?.hasWritten !== true)
      fail(
        'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
      );
    if (isGrowing && (script === undefined ? this.isFull : script.wasFull && !script.hasWritten)) fail(OOM);
    if (script !== undefined) script.hasWritten = true;
  }

  /** EVALSHA of a loaded script. Errors: CommandError. */
  runScript(
    sha: string,
    given: {
      readonly keys: readonly string[];
      readonly args: readonly string[];
      readonly onlyReads: boolean;
    },
    session: { readonly db: Database; readonly protocol: 2 | 3 },
  ): RedisReply {
    this.#now = this.clock.now();
    const now = this.#now;
    this.#script = { wasFull: this.isFull, hasWritten: false, onlyReads: given.onlyReads };
    const { db } = session;
    db.now = now;
    try {
      return this.scripting.run(sha, {
        keys: given.keys,
        args: given.args,
        protocol: session.protocol,
        call: (args, protocol) => this.#fromScript(args, { db, now, protocol, random: this.random }),
      });
    } finally {
      this.#script = undefined;
    }
  }

  #fromScript(args: readonly string[], on: Context): RedisReply {
    const command = DATA_COMMANDS.get(args[0]) ?? DATA_COMMANDS.get(args[0].toLowerCase());
    if (command !== undefined) return this.#run(command, args, on);
    const name = args[0].toLowerCase();
    if (name === 'time') return this.time();
    if (name === 'publish') return this.publish(args[1], args[2]);
    if (name === 'ping') return args[1] ?? 'PONG';
    return notSimulated(`command ${args[0]} for scripts`);
  }

  time(): RedisReply {
    const now = this.#script === undefined ? this.clock.now() : this.#now;
    return [String(Math.floor(now / 1000)), String((now % 1000) * 1000)];
  }

  /** Result: how many heard it. */
  publish(channel: string, message: string): number {
    const listeners = [...(this.#channels.get(channel) ?? [])];
    for (const listener of listeners) listener.push(new Push(['message', channel, message]));
    return listeners.length;
  }

  subscribe(channel: string, listener: Listener): void {
    const listeners = this.#channels.get(channel) ?? new Set();
    listeners.add(listener);
    this.#channels.set(channel, listeners);
  }

  unsubscribe(channel: string, listener: Listener): void {
    this.#channels.get(channel)?.delete(listener);
  }

  #expire(): void {
    if (!this.isMaster) return;
    for (const db of this.#databases.values()) {
      db.now = this.clock.now();
      db.freeExpired(EXPIRED_A_TURN);
    }
  }
}

/** An error that a command ended with, as its reply. Others go on. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) return new Failure(error.message);
  throw error;
}
