// What the clients of one server share.
import { type Clock, type Logger, messageOf } from '../base/index.ts';
import { ReplyWriter } from '../resp/index.ts';
import type { Client } from './client.ts';
import type { Connection, Handler } from './connection.ts';
import { type Lane, Lanes } from './lane.ts';
import type { ServerLimits, Settings } from './options.ts';
import type { Output } from './output.ts';

/** Commands that are prepared together: few enough to stay in the cache, enough for their memory accesses to overlap. */
const GROUP = 32;

/** The shared part of a server. */
export class ServerCore {
  readonly handler: Handler;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lanes = new Lanes();
  /** For out-of-band output, which may be written while a lane's writer is in use. */
  readonly pushWriter = new ReplyWriter();
  readonly clients = new Map<number, Client>();
  commands = 0;
  inputBytes = 0;
  outputBytes = 0;
  /** Called when the last client has gone. */
  emptied: (() => void) | undefined;
  #added: Output[] = [];

  constructor(settings: Settings) {
    this.handler = settings.handler;
    this.limits = settings.limits;
    this.clock = settings.clock;
    this.logger = settings.logger;
  }

  /** Something was added to an output that goes out at the end of the turn. */
  endOfTurn(output: Output): void {
    if (this.#added.push(output) === 1) queueMicrotask(() => this.#endTurn());
  }

  /** A client has come. */
  remember(client: Client): void {
    this.clients.set(client.id, client);
    this.#tell('opened', client);
  }

  /** A client has gone. */
  forget(client: Client): void {
    if (!this.clients.delete(client.id)) return;
    this.#tell('closed', client);
    if (this.clients.size === 0) this.emptied?.();
  }

  /** Prepares the group that begins at a command. Result: the first command after the group. */
  prepare(client: Client, lane: Lane, from: number): number {
    const to = Math.min(from + GROUP, lane.batch.count);
    if (to - from < 2) return to;
    try {
      this.handler.prepare?.(client, lane.batch, from, to);
    } catch (error) {
      this.logger.error({ error: messageOf(error), client: client.id }, 'handler failed: prepare');
    }
    return to;
  }

  /** A handler has thrown: a bug, answered as an internal error. */
  logFailure(client: Client, command: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.logger.error({ error: messageOf(error), stack, command, client: client.id }, 'handler failed');
  }

  #endTurn(): void {
    const added = this.#added;
    this.#added = [];
    for (const output of added) output.endOfTurn();
  }

  #tell(what: 'opened' | 'closed', connection: Connection): void {
    try {
      this.handler[what]?.(connection);
    } catch (error) {
      this.logger.error({ error: messageOf(error), client: connection.id }, `handler failed: ${what}`);
    }
  }
}
