// Commands that the table does not know, e.g. of modules: classified by what the connected Redis says of them.
import { type Clock, isWithin, type Latin1, messageOf, type Logger } from '../../base/index.ts';
import { plainReply, type Reply } from '../../resp/index.ts';
import { type CommandSpec, commandTable } from '../spec.ts';

/** Units: ms. COMMAND is asked at most so often: a module may be loaded later, and clients may send any word. */
const ASK_EVERY_MS = 10_000;

/** What it works with. */
export interface ForeignOptions {
  call(args: readonly Latin1[]): Promise<Reply>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The commands of the connected Redis that mqkv does not know. */
export class ForeignCommands {
  readonly #options: ForeignOptions;
  #specs: ReadonlyMap<string, CommandSpec> = new Map();
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(options: ForeignOptions) {
    this.#options = options;
  }

  /** A command by its name in any case. undefined: not there either. */
  find(name: string): CommandSpec | undefined {
    return this.#specs.get(name.toLowerCase());
  }

  /** What has to be waited for before `find` can tell. undefined: nothing. */
  prepare(name: string): Promise<void> | undefined {
    const lower = name.toLowerCase();
    if (commandTable.has(lower) || this.#specs.has(lower)) return undefined;
    if (this.#asking !== undefined) return this.#asking;
    if (isWithin(this.#options.clock, this.#askedAtMs + ASK_EVERY_MS, ASK_EVERY_MS)) return undefined;
    this.#asking = this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { call, clock, logger } = this.#options;
    try {
      const reply = plainReply(await call(['COMMAND']));
      this.#askedAtMs = clock.now();
      if (Array.isArray(reply)) this.#specs = foreignOf(reply);
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'the commands of the Redis are not known');
    }
  }
}

function foreignOf(entries: readonly unknown[]): ReadonlyMap<string, CommandSpec> {
  const specs = new Map<string, CommandSpec>();
  for (const entry of entries) {
    if (!Array.isArray(entry)) continue;
    const name = String(entry[0]).toLowerCase();
    if (!commandTable.has(name)) specs.set(name, specOf(name, entry));
  }
  return specs;
}

/** Shape of an entry: name, arity, flags, first key, last key, step, … */
function specOf(name: string, [, arity, flags, first, last, step]: readonly unknown[]): CommandSpec {
  const all = new Set(Array.isArray(flags) ? flags.map(String) : []);
  const begin = Number(first);
  const end = Number(last);
  const isRead = all.has('readonly') && !all.has('blocking');
  const find = {
    kind: 'range',
    last: end < 0 ? end : end - begin,
    step: Math.max(1, Number(step)),
    limit: 0,
  } as const;
  return {
    name,
    arity: Number(arity),
    flags: all,
    keys: begin > 0 ? [{ flags: ['RO'], begin, find }] : [],
    acl: [],
    since: '',
    group: 'module',
    summary: '',
    touches: '',
    subcommands: new Map(),
    stores: 'redis',
    supported: false,
    via: isRead ? 'pass' : 'refused',
    reason: isRead ? '' : 'what it changes is not known to mqkv',
    nullArray: false,
    isWrite: all.has('write'),
  };
}
