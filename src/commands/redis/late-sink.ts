// Replies of a run of commands on their way from the executor to their place among the client's replies.
import type { LaterReply } from '../../server/index.ts';
import type { ReplySink } from '../../store/index.ts';
import { type RedisSession, runEnded } from './redis-session.ts';

/** What a client is told of a write whose connection died under way. */
const UNCERTAIN = Buffer.from(
  '-UNCERTAIN the connection to Redis was lost: the write may or may not have been applied\r\n',
);
/** What a client is told of a command that never reached Redis. */
const UNAVAILABLE = Buffer.from('-UNAVAILABLE Redis cannot be reached: not applied\r\n');

/** Fills one place with `count` replies. */
export class LateSink implements ReplySink {
  readonly #session: RedisSession;
  readonly #later: LaterReply;
  readonly #ended: (() => void) | undefined;
  #left: number;

  /** Takes the place of the session's running commands. `ended`: all have been answered. */
  constructor(session: RedisSession, count: number, ended?: () => void) {
    this.#session = session;
    this.#later = session.connection.later(count);
    this.#left = count;
    this.#ended = ended;
    session.runsUnderWay++;
  }

  replies(bytes: Buffer, count: number): void {
    this.#later.writeBytes(bytes);
    this.#left -= count;
    if (this.#left > 0) return;
    this.#later.end();
    this.#ended?.();
    runEnded(this.#session);
  }

  failed(count: number, written: boolean): void {
    for (let i = 0; i < count; i++) this.replies(written ? UNCERTAIN : UNAVAILABLE, 1);
  }
}
