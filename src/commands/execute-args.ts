// Commands in process, without a connection: what the golden cases and tests drive a store with.
import { type Clock, latin1Of, type Random, seededRandom, VALUE_BYTES_MAX } from '../base/index.ts';
import { ReplyWriter } from '../resp/index.ts';
import type { Keyspace } from '../store/index.ts';
import { Call, type CallContext } from './call.ts';
import { check, namedKeys, reservedError, run, unitKeys } from './dispatch.ts';

/** The reply in place of a command that EXEC would not reach. */
const ABORTED = 'EXECABORT Transaction discarded because of previous errors.';

/** Where and when the commands run. */
export interface ExecuteOptions {
  /** Units: Unix ms. Stands still during the unit. */
  readonly now: number;
  /** For SPOP and the like. Default: seeded with 1. */
  readonly random?: Random;
  /** Default: 2. */
  readonly protocol?: 2 | 3;
}

/**
 * Executes commands as one unit over all keys that they name: one command alone, several as MULTI/EXEC would (none of
 * them if one cannot be queued).
 * Result: the replies, one after the other, as RESP.
 */
export function executeArgs(
  keyspace: Keyspace,
  commands: readonly (readonly Uint8Array[])[],
  options: ExecuteOptions,
): Buffer {
  const reply = new ReplyWriter();
  reply.protocol = options.protocol ?? 2;
  const ctx = contextOf(keyspace, options);
  const calls = commands.map((args) => prepared(ctx, args.map(latin1Of), reply));
  keyspace.begin(options.now);
  try {
    for (const { call } of calls)
      if (call !== undefined) for (const key of unitKeys(call)) keyspace.name(key);
    const isBroken = calls.length > 1 && calls.some(({ call }) => call === undefined);
    for (const { call, error } of calls) {
      keyspace.command();
      if (call === undefined) reply.error(error);
      else if (isBroken) reply.error(ABORTED);
      else void run(call);
    }
  } finally {
    keyspace.end();
  }
  return Buffer.concat(reply.take());
}

type Prepared =
  | { readonly call: Call; readonly error: '' }
  | { readonly call?: undefined; readonly error: string };

function prepared(ctx: CallContext, args: string[], reply: ReplyWriter): Prepared {
  const checked = check({ argc: args.length, text: (a) => args[a] });
  if (checked.error !== undefined) return { error: checked.error };
  const call = new Call({ ctx, spec: checked.spec, reply, args });
  const refused = reservedError(checked.spec, namedKeys(checked.spec, call));
  return refused === undefined ? { call, error: '' } : { error: refused };
}

function contextOf(keyspace: Keyspace, options: ExecuteOptions): CallContext {
  const clock: Clock = {
    now: () => options.now,
    after: () => ({ cancel() {} }),
    every: () => ({ cancel() {} }),
  };
  return { keyspace, random: options.random ?? seededRandom(1), clock, maxValueBytes: VALUE_BYTES_MAX };
}
