// A client of one site: a real Redis client on the site's Unix socket, which needs no network.
import { Redis } from 'ioredis';
import { PASSWORD } from './site.ts';

/** What became of a command. `refused`: certainly not applied; `unknown`: perhaps. */
export type Outcome =
  | { readonly kind: 'ok'; readonly reply: unknown }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };

export interface ChaosClient {
  /** The commands of one pipeline. Order: as given. Never rejects. */
  pipeline(commands: readonly (readonly string[])[], timeoutMs: number): Promise<readonly Outcome[]>;
  /** Errors: rejects with the reply's error. */
  command(...command: readonly string[]): Promise<unknown>;
  /** Whether nothing more can be sent on it. */
  readonly isOver: boolean;
  close(): void;
}

/** Units: ms that a connection may take. */
const CONNECT_MS = 2_000;

/** Connects. Errors: rejects when nobody listens or answers there. */
export async function openClient(socket: string): Promise<ChaosClient> {
  const redis = new Redis({
    path: socket,
    password: PASSWORD,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // What failed is not sent again: it would count twice.
    retryStrategy: () => null,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // It would wait until the store has loaded.
    enableReadyCheck: false,
  });
  redis.on('error', () => {});
  try {
    await within(redis.connect(), CONNECT_MS);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return {
    pipeline: (commands, timeoutMs) => outcomesOf(redis, commands, timeoutMs),
    command: (...[name = '', ...args]) => redis.call(name, ...args),
    get isOver() {
      return redis.status !== 'ready';
    },
    close: () => redis.disconnect(),
  };
}

async function outcomesOf(
  redis: Redis,
  commands: readonly (readonly string[])[],
  timeoutMs: number,
): Promise<readonly Outcome[]> {
  try {
    const sent = redis.pipeline(commands.map(([name = '', ...args]) => [name.toLowerCase(), ...args]));
    const replies = (await within(sent.exec(), timeoutMs)) ?? [];
    return commands.map((_, i) => outcomeOf(replies[i]));
  } catch (error) {
    redis.disconnect();
    const why = error instanceof Error ? error.message : String(error);
    return commands.map(() => ({ kind: 'unknown', why }));
  }
}

/** The replies that say that a command may have been applied. */
const UNSURE = /^UNCERTAIN|Connection is closed|Command aborted|ECONN|EPIPE|maxRetries|Stream isn't/;

function outcomeOf(reply: [error: Error | null, result: unknown] | undefined): Outcome {
  if (reply === undefined) return { kind: 'unknown', why: 'no reply' };
  const [error, result] = reply;
  if (error === null) return { kind: 'ok', reply: result };
  return { kind: UNSURE.test(error.message) ? 'unknown' : 'refused', why: error.message };
}

function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout: not within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
