// Between the gateway's executor and the nodes: every command goes to the node that serves its slot, and what that node
// refused without applying it (MOVED, ASK, TRYAGAIN, LOADING, READONLY, an unknown script) is sent again, in order.
// The fast path passes bytes on and replies back untouched; routing/ has the rest.
import { type Clock, MqkvError, ROUTER_WAITING_BYTES_MAX } from '../../base/index.ts';
import { encodeCommand, type Reply, ReplyParser } from '../../resp/index.ts';
import { Job, type JobOwner, type RouteRequest } from './routing/job.ts';
import { SlotQueue, TICK_MS } from './routing/slot-queue.ts';
import type { Script } from './scripts.ts';
import type { Node, Topology } from './topology/index.ts';
import type { ReplySink } from '../../redis-link/index.ts';

export type { RouteRequest } from './routing/job.ts';

/** Options of a single command. */
export interface CallOptions {
  /** It may be repeated when the connection died. Default: false. */
  readonly isRead?: boolean;
  /** Default: 2. */
  readonly protocol?: 2 | 3;
}

/** A call of one of our scripts whose arguments are bulks already. */
export interface ScriptRequest {
  readonly slot: number;
  readonly script: Script;
  readonly keyCount: number;
  /** Keys, then arguments, each as `$length CRLF bytes CRLF`. Owns: the router, unchanged until the reply. */
  readonly bulks: Buffer | readonly Buffer[];
  readonly bulkCount: number;
  readonly protocol: 2 | 3;
  /** The script changes nothing. Default: false. */
  readonly isRead?: boolean;
}

/** Sends commands where they belong. */
export interface Router extends AsyncDisposable {
  readonly isCluster: boolean;
  /** The masters, as known now. */
  readonly nodes: readonly Node[];
  /** How often commands were refused and sent again, by the first word of the error (MOVED, ASK, TRYAGAIN, …): for metrics. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Calls of scripts so far. */
  readonly scriptCalls: number;
  /** Told what the topology tells. */
  onChange: Topology['onChange'];
  /**
   * Sends commands of one slot. Order: as given, where it can be seen (same slot, an argument in common, not only reads). Errors: `sink` gets every reply in `replies`, never
   * `failed`: `-UNCERTAIN …` for a write that was in flight when the connection died, `-UNAVAILABLE …` (not applied) for
   * what found no node for 2 s. Reads are repeated instead.
   */
  send(request: RouteRequest, sink: ReplySink): void;
  /** Writes what was sent so far at once: nothing more comes in this turn. */
  flush(): void;
  /** One command with a decoded reply. Errors: rejects UNCERTAIN, UNAVAILABLE; other error replies are values. */
  call(slot: number, args: readonly (string | Uint8Array)[], options?: CallOptions): Promise<Reply>;
  /** One call of a script, loaded where it is not known. Errors: as `call`. */
  script(slot: number, script: Script, given: ScriptArguments): Promise<Reply>;
  /** The same for bytes: one raw reply. Errors: as `send`. */
  scriptRaw(request: ScriptRequest, sink: ReplySink): void;
  /** Answers what waits with UNAVAILABLE. Does not close the topology. Idempotent. */
  close(): Promise<void>;
}

/** What `script` passes. */
export interface ScriptArguments extends CallOptions {
  readonly keys: readonly (string | Uint8Array)[];
  readonly args: readonly (string | Uint8Array)[];
}

const SLOTS = 16_384;

/** Opens a router over a topology, which it takes `onChange` of. */
export function openRouter(topology: Topology, around: { readonly clock: Clock }): Router {
  return new Routes(topology, around.clock);
}

class Routes implements Router {
  onChange: Topology['onChange'];
  readonly refusals = new Map<string, number>();
  scriptCalls = 0;
  readonly #topology: Topology;
  readonly #clock: Clock;
  /** By slot; the last is for any node. A single master has one queue, so that everything keeps its order. */
  readonly #queues: (SlotQueue | undefined)[];
  readonly #waiting = new Set<SlotQueue>();
  #ticker: { cancel(): void } | undefined;
  #waitingBytes = 0;
  #seq = 0;
  #isClosed = false;

  constructor(topology: Topology, clock: Clock) {
    this.#topology = topology;
    this.#clock = clock;
    this.#queues = new Array(topology.isCluster ? SLOTS + 1 : 1).fill(undefined);
    topology.onChange = (change) => {
      for (const queue of this.#waiting) queue.wake();
      this.onChange?.(change);
    };
  }

  get isCluster(): boolean {
    return this.#topology.isCluster;
  }

  get nodes(): readonly Node[] {
    return this.#topology.nodes;
  }

  get isFull(): boolean {
    return this.#waitingBytes > ROUTER_WAITING_BYTES_MAX || this.#isClosed;
  }

  get topology(): Topology {
    return this.#topology;
  }

  send(request: RouteRequest, sink: ReplySink): void {
    const queue = this.#queueOf(request.slot);
    const job = new Job(request, this.#seq++, { sink, owner: queue });
    if (request.replica === true && request.isRead && this.#sendToReplica(job, queue)) return;
    queue.send(job);
  }

  flush(): void {
    for (const node of this.#topology.nodes) node.flush?.();
  }

  call(slot: number, args: readonly (string | Uint8Array)[], options: CallOptions = {}): Promise<Reply> {
    const { isRead = false, protocol = 2 } = options;
    return replyOf((sink) =>
      this.send({ slot, bytes: encodeCommand(args), count: 1, protocol, isRead }, sink),
    );
  }

  script(slot: number, script: Script, given: ScriptArguments): Promise<Reply> {
    const { keys, args, isRead = false, protocol = 2 } = given;
    const all = [...keys, ...args];
    // A command without its first line is its bulks.
    const command = encodeCommand(all);
    const bulks = command.subarray(command.indexOf(10) + 1);
    const request = { slot, script, keyCount: keys.length, bulks, bulkCount: all.length, protocol, isRead };
    return replyOf((sink) => this.scriptRaw(request, sink));
  }

  scriptRaw(request: ScriptRequest, sink: ReplySink): void {
    const { slot, script, protocol, isRead = false } = request;
    this.scriptCalls++;
    const bytes = evalBytes(request, 'EVALSHA', script.sha1);
    const text = (): readonly Buffer[] => evalBytes(request, 'EVAL', script.text);
    this.send({ slot, bytes, count: 1, protocol, isRead, evalBytes: text }, sink);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ticker?.cancel();
    for (const queue of this.#waiting) queue.close();
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For the queues: ticks while something waits. */
  waits(queue: SlotQueue): void {
    this.#waiting.add(queue);
    this.#ticker ??= this.#clock.every(TICK_MS, () => this.#tick());
  }

  /** For the queues: see `QueueAround`. */
  count(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  /** For the queues: see `QueueAround`. */
  note(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  #tick(): void {
    for (const queue of this.#waiting) {
      queue.tick();
      if (queue.isIdle) this.#waiting.delete(queue);
    }
    if (this.#waiting.size > 0) return;
    this.#ticker?.cancel();
    this.#ticker = undefined;
  }

  #queueOf(slot: number): SlotQueue {
    const at = !this.#topology.isCluster ? 0 : slot < 0 ? SLOTS : slot;
    const queue = this.#queues[at] ?? new SlotQueue(this.#topology.isCluster ? slot : 0, this);
    this.#queues[at] = queue;
    return queue;
  }

  /** What a replica does not answer goes to the master after all. */
  #sendToReplica(job: Job, queue: SlotQueue): boolean {
    const node = this.#topology.nodeOf(Math.max(0, job.request.slot));
    const link = node?.replica?.(job.request.protocol);
    if (node === undefined || link?.state !== 'ready') return false;
    job.owner = replicaOwner(queue);
    job.start(link, node.origin);
    return true;
  }
}

function replicaOwner(queue: SlotQueue): JobOwner {
  return {
    isCluster: queue.isCluster,
    refused: () => {},
    isStale: () => false,
    settled: (job) => {
      if (job.isDone) return;
      job.owner = queue;
      queue.send(job);
    },
  };
}

function evalBytes(request: ScriptRequest, name: string, script: string): readonly Buffer[] {
  const count = String(request.keyCount);
  const head = `*${3 + request.bulkCount}\r\n$${name.length}\r\n${name}\r\n$${script.length}\r\n${script}\r\n$${count.length}\r\n${count}\r\n`;
  const { bulks } = request;
  return bulks instanceof Uint8Array
    ? [Buffer.from(head, 'latin1'), bulks]
    : [Buffer.from(head, 'latin1'), ...bulks];
}

/** Runs `send` with a sink for one reply and decodes that. */
function replyOf(send: (sink: ReplySink) => void): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const parser = new ReplyParser();
    const settle = (reply: Reply): void => {
      const code = reply.kind === 'error' ? /^(UNCERTAIN|UNAVAILABLE) /.exec(reply.text)?.[1] : undefined;
      if (reply.kind === 'error' && code !== undefined)
        reject(new MqkvError(code, reply.text.slice(code.length + 1)));
      else resolve(reply);
    };
    send({
      replies: (bytes) => {
        if (parser.parse(Buffer.from(bytes), settle) !== 'done')
          reject(new MqkvError('UNCERTAIN', `not a reply: ${parser.problem}`));
      },
      failed: (_count, written) => {
        reject(new MqkvError(written ? 'UNCERTAIN' : 'UNAVAILABLE', 'connection to Redis lost'));
      },
    });
  });
}
