// One connection at the server's side: its protocol, database, transaction and subscriptions.
import type { Database } from './database.ts';
import {
  encodeReply,
  fail,
  Failure,
  notSimulated,
  NULL_ARRAY,
  OK,
  Pairs,
  Push,
  type RedisReply,
  Status,
} from './replies.ts';
import { Requests } from './requests.ts';
import { failureOf, type RedisServer } from './server.ts';
import { integerOf } from './numbers.ts';

type Run = (args: readonly string[]) => RedisReply;

const QUEUED = new Status('QUEUED');
const AT_ONCE = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
const SETTINGS: Readonly<Record<string, string>> = {
  'maxmemory-policy': 'noeviction',
  'proto-max-bulk-len': '536870912',
};
let lastId = 0;

export class Session {
  readonly #server: RedisServer;
  readonly #send: (bytes: string) => void;
  readonly #requests = new Requests();
  readonly #channels = new Set<string>();
  readonly #id = ++lastId;
  #protocol: 2 | 3 = 2;
  #dbIndex = 0;
  #name = '';
  #transaction: string[][] | undefined;
  #isSpoilt = false;
  #out = '';

  constructor(server: RedisServer, send: (bytes: string) => void) {
    this.#server = server;
    this.#send = send;
  }

  /** Bytes of the client; all replies leave together. */
  feed(bytes: string): void {
    this.#requests.feed(bytes, (args) => this.#take(args));
    this.#flush();
  }

  push(reply: Push): void {
    this.#out += encodeReply(reply, this.#protocol);
    this.#flush();
  }

  /** The connection is over. */
  close(): void {
    for (const channel of this.#channels) this.#server.unsubscribe(channel, this);
  }

  #flush(): void {
    const bytes = this.#out;
    this.#out = '';
    if (bytes !== '') this.#send(bytes);
  }

  get #db(): Database {
    return this.#server.database(this.#dbIndex);
  }

  #take(args: readonly string[]): void {
    this.#server.executed++;
    const reply = this.#answer([...args]);
    if (reply !== undefined) this.#out += encodeReply(reply, this.#protocol);
  }

  /** undefined: the reply has been written. */
  #answer(args: string[]): RedisReply | undefined {
    const name = args[0].toLowerCase();
    try {
      if (
        this.#server.isLoading &&
        name !== 'hello' &&
        name !== 'info' &&
        name !== 'auth' &&
        name !== 'client'
      )
        fail('LOADING Redis is loading the dataset in memory');
      if (this.#transaction !== undefined && !AT_ONCE.has(name)) {
        this.#transaction.push(args);
        return QUEUED;
      }
      return this.#execute(name, args);
    } catch (error) {
      if (this.#transaction !== undefined) this.#isSpoilt = true;
      return failureOf(error);
    }
  }

  #execute(name: string, args: readonly string[]): RedisReply | undefined {
    const own: Run | undefined = Object.hasOwn(this.#own, name) ? this.#own[name] : undefined;
    if (name === 'subscribe' || name === 'unsubscribe') return this.#subscribing(name, args);
    if (own !== undefined) return own(args);
    return this.#server.execute(args, this.#db, this.#protocol);
  }

  #subscribing(name: string, [, ...channels]: readonly string[]): undefined {
    for (const channel of channels) {
      if (name === 'subscribe') {
        this.#channels.add(channel);
        this.#server.subscribe(channel, this);
      } else {
        this.#channels.delete(channel);
        this.#server.unsubscribe(channel, this);
      }
      this.#out += encodeReply(new Push([name, channel, this.#channels.size]), this.#protocol);
    }
  }

  readonly #own: Readonly<Record<string, Run>> = {
    ping: ([, text]) => text ?? new Status('PONG'),
    echo: ([, text]) => text,
    time: () => this.#server.time(),
    select: ([, index]) => {
      const db = integerOf(index);
      this.#server.database(db);
      this.#dbIndex = db;
      return OK;
    },
    auth: () => OK,
    readonly: () => OK,
    hello: (args) => this.#hello(args),
    client: (args) => this.#client(args),
    config: (args) => this.#config(args),
    info: (args) => this.#info(args),
    script: (args) => this.#script(args),
    eval: (args) => this.#evaluate(this.#server.scripting.load(args[1]), args, false),
    eval_ro: (args) => this.#evaluate(this.#server.scripting.load(args[1]), args, true),
    evalsha: (args) => this.#evaluate(args[1].toLowerCase(), args, false),
    evalsha_ro: (args) => this.#evaluate(args[1].toLowerCase(), args, true),
    publish: ([, channel, message]) => this.#server.publish(channel, message),
    multi: () => {
      if (this.#transaction !== undefined) fail('ERR MULTI calls can not be nested');
      this.#transaction = [];
      return OK;
    },
    exec: () => this.#exec(),
    discard: () => {
      if (this.#transaction === undefined) fail('ERR DISCARD without MULTI');
      this.#transaction = undefined;
      this.#isSpoilt = false;
      return OK;
    },
    flushall: () => {
      for (const db of this.#server.databases.values()) db.clear();
      return OK;
    },
  };

  #exec(): RedisReply {
    const queued = this.#transaction ?? fail('ERR EXEC without MULTI');
    this.#transaction = undefined;
    const isSpoilt = this.#isSpoilt;
    this.#isSpoilt = false;
    if (isSpoilt) fail('EXECABORT Transaction discarded because of previous errors.');
    return queued.map((args) => {
      try {
        return this.#execute(args[0].toLowerCase(), args) ?? NULL_ARRAY;
      } catch (error) {
        return failureOf(error);
      }
    });
  }

  #hello([, version]: readonly string[]): RedisReply {
    if (version !== undefined) {
      if (version !== '2' && version !== '3') fail('NOPROTO unsupported protocol version');
      this.#protocol = version === '3' ? 3 : 2;
    }
    const facts: Readonly<Record<string, RedisReply>> = {
      server: 'redis',
      version: '7.0.15',
      proto: this.#protocol,
      id: this.#id,
      mode: 'standalone',
      role: 'master',
      modules: [],
    };
    return new Pairs(Object.entries(facts).flat());
  }

  #client(args: readonly string[]): RedisReply {
    const what = args[1].toLowerCase();
    if (what === 'setname') {
      this.#name = args[2];
      return OK;
    }
    if (what === 'id') return this.#id;
    if (what === 'getname') return this.#name === '' ? null : this.#name;
    return notSimulated(`CLIENT ${args[1]}`);
  }

  #config(args: readonly string[]): RedisReply {
    const value = args[1].toLowerCase() === 'get' ? SETTINGS[args[2]] : undefined;
    return value === undefined
      ? notSimulated(`CONFIG ${args.slice(1).join(' ')}`)
      : new Pairs([args[2], value]);
  }

  #info([, section]: readonly string[]): RedisReply {
    const { replid, isMaster, isLoading, databases } = this.#server;
    const role = `role:${isMaster ? 'master' : 'slave'}`;
    const sections: Readonly<Record<string, readonly string[]>> = {
      server: ['redis_version:7.0.15', 'redis_mode:standalone'],
      persistence: [`loading:${isLoading ? 1 : 0}`],
      memory: ['used_memory:1000000', 'maxmemory_policy:noeviction'],
      replication: [role, 'connected_slaves:0', `master_replid:${replid}`],
      keyspace: [...databases].map(([index, { size }]) => `db${index}:keys=${size},expires=0,avg_ttl=0`),
    };
    const wanted = section === undefined ? Object.keys(sections) : [section.toLowerCase()];
    const lines = wanted.flatMap((name) => [
      `# ${name}`,
      ...(sections[name] ?? notSimulated(`INFO ${name}`)),
      '',
    ]);
    return lines.join('\r\n');
  }

  #script(args: readonly string[]): RedisReply {
    const what = args[1].toLowerCase();
    const { scripting } = this.#server;
    if (what === 'load') return scripting.load(args[2]);
    if (what === 'exists') return args.slice(2).map((sha) => (scripting.knows(sha) ? 1 : 0));
    if (what !== 'flush') return notSimulated(`SCRIPT ${args[1]}`);
    scripting.flush();
    return OK;
  }

  #evaluate(sha: string, args: readonly string[], onlyReads: boolean): RedisReply {
    const count = integerOf(args[2]);
    if (count > args.length - 3) fail("ERR Number of keys can't be greater than number of args");
    if (count < 0) fail("ERR Number of keys can't be negative");
    const [keys, rest] = [args.slice(3, 3 + count), args.slice(3 + count)];
    const reply = this.#server.runScript(
      sha,
      { keys, args: rest, onlyReads },
      { db: this.#db, protocol: this.#protocol },
    );
    return reply instanceof Failure && reply.text === '' ? new Failure('ERR unknown error') : reply;
  }
}
