// A client's way past the wires: the shipped executor and write script on the server at once, and looks at what lies there.
import { bytesOf, type Latin1 } from '../../src/base/index.ts';
import type { KeyState } from '../../src/crdt/index.ts';
import { check, namedKeys } from '../../src/commands/dispatch.ts';
import { encodeCommand, type Reply, ReplyParser } from '../../src/resp/index.ts';
import { type Executor, openLane, type ReplySink } from '../../src/store/executor.ts';
import { openExecutor, type UpstreamRequest } from '../../src/store/redis/executor.ts';
import { heldKey, itemsOf, stateOfHeld } from '../../src/store/redis/held-key.ts';
import { assembleStore, assembleWrite } from '../../src/store/redis/scripts.ts';
import { slotOf, tagOf } from '../../src/store/redis/slots.ts';
import type { WriteListener } from '../../src/store/redis/write-replies.ts';
import type { RedisServer } from './engine/server.ts';
import { Session } from './engine/session.ts';

const WRITE = assembleWrite();
const READ = assembleStore('read');
const VALUE_BYTES_MAX = 512 * 1024 * 1024;
const UNCERTAIN = '-UNCERTAIN\r\n';

/** Commands and answers without time passing. */
export class Direct {
  /** The next write is executed, and nobody hears of it: the connection broke. */
  losesNextReply = false;
  readonly #server: RedisServer;
  readonly #session: Session;
  readonly #parser = new ReplyParser();
  #out = '';

  constructor(server: RedisServer) {
    this.#server = server;
    this.#session = new Session(server, (text) => {
      this.#out += text;
    });
  }

  /** Raw replies to raw commands. */
  raw(bytes: Buffer): Buffer {
    this.#out = '';
    this.#session.feed(bytes.toString('latin1'));
    return Buffer.from(this.#out, 'latin1');
  }

  call(args: readonly string[]): Reply {
    let found: Reply = { kind: 'null' };
    this.#parser.parse(this.raw(encodeCommand(args)), (reply) => {
      found = reply;
    });
    return found;
  }

  /** The shipped executor on it. `origin`: of versions; `noted` hears of writes as in a gateway. */
  executor(origin: () => number, noted: WriteListener): DirectExecutor {
    return new DirectExecutor(this, { origin, noted });
  }

  send({ bytes, evalBytes, count, isRead }: UpstreamRequest, sink: ReplySink, origin: number): void {
    const isKnown = evalBytes === undefined || this.#server.scripting.knows(WRITE.sha1);
    const given = isKnown ? bytes : evalBytes(origin);
    const replies = this.raw(given instanceof Uint8Array ? given : Buffer.concat(given));
    if (!isRead && this.losesNextReply) {
      this.losesNextReply = false;
      sink.failed(count, true);
    } else sink.replies(replies, count, replies[0] === 45 ? 0 : -1);
  }

  stateOf(key: Latin1): KeyState | undefined {
    const sha = this.#server.scripting.load(READ.text);
    const reply = this.call(['EVALSHA', sha, '0', '128', tagOf(slotOf(key)), key, '*']);
    const held = heldKey(key, itemsOf(itemsOf(reply)[1]));
    return held.header === undefined ? undefined : stateOfHeld(held);
  }

  allKeys(): Latin1[] {
    const db = this.#server.database(0);
    const found = new Set<Latin1>();
    for (const name of db.keys()) {
      if (!/^mqkv:\{[^}]*\}\.?$/.test(name)) continue;
      for (const [key, header] of db.hash(name) ?? []) if (header !== 'L') found.add(key);
    }
    return [...found];
  }
}

/** Units through the executor, answered before they return. */
export class DirectExecutor {
  readonly #executor: Executor;
  #flush: (() => void) | undefined;

  constructor(direct: Direct, { origin, noted }: { origin: () => number; noted: WriteListener }) {
    this.#executor = openExecutor({
      upstream: { isCluster: false, send: (request, sink) => direct.send(request, sink, origin()) },
      script: WRITE,
      origin,
      noted,
      marks: true,
      maxValueBytes: VALUE_BYTES_MAX,
      turn: (run) => {
        this.#flush = run;
      },
    });
  }

  /** Runs commands as one unit. Result: replies, raw. */
  execute(commands: readonly (readonly Latin1[])[]): string {
    let text = '';
    const sink: ReplySink = {
      replies: (bytes) => {
        text += bytes.toString('latin1');
      },
      failed: () => {
        text += UNCERTAIN;
      },
    };
    this.#give(commands, sink);
    this.#flush?.();
    return text;
  }

  #give(commands: readonly (readonly Latin1[])[], sink: ReplySink): void {
    const names = new Set<Latin1>();
    let writes = false;
    for (const command of commands) {
      const args = { argc: command.length, text: (a: number) => command[a] ?? '' };
      const { spec } = check(args, 'redis');
      if (spec === undefined) throw new Error(`no such command: ${command.join(' ')}`);
      if (command[0] !== 'GET') writes = true;
      for (const key of namedKeys(spec, args)) names.add(key);
    }
    const [first = []] = commands;
    if (!writes && commands.length === 1) {
      const bytes = Buffer.from(encodeCommand(first));
      return this.#executor.read(openLane(), { slot: 0, protocol: 2, bytes, count: 1 }, sink);
    }
    const run = this.#executor.writes(openLane(), { slot: 0, protocol: 2 }, sink);
    const units = commands.map((words) => {
      const bytes = encodeCommand(words);
      return { argc: words.length, args: bytes.subarray(bytes.indexOf(10) + 1) };
    });
    const keys = [...names].map(bytesOf);
    const [one] = units;
    if (one === undefined || units.length > 1) run.transaction({ keys, commands: units, watches: [] });
    else run.command({ keys, ...one, isNullArray: false });
  }
}
