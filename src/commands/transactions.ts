// MULTI, EXEC, DISCARD, WATCH, UNWATCH: executed by the gateway itself, since they are about its connection.
import type { ReplyWriter } from '../resp/index.ts';
import { Call, type CallContext } from './call.ts';
import { namedKeys, reservedError, run, unitKeys } from './dispatch.ts';
import { endQueue, type Session, unwatchAll } from './session.ts';
import type { CommandSpec } from './spec.ts';

/** Commands that run at once inside MULTI. */
const AT_ONCE: ReadonlySet<string> = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);

/** Whether a command waits for EXEC now. */
export function isQueued(session: Session, spec: CommandSpec): boolean {
  return session.queue !== undefined && !AT_ONCE.has(spec.name);
}

/** Queues a command, or refuses it and breaks the transaction. */
export function enqueue(session: Session, c: Call): void {
  const refused = c.spec.flags.has('no_multi')
    ? 'ERR Command not allowed inside a transaction'
    : reservedError(c.spec, namedKeys(c.spec, c));
  if (refused !== undefined) {
    session.queueBroken = true;
    return c.fail(refused);
  }
  session.queue?.push({ spec: c.spec, args: c.rest(0) });
  c.reply.simple('QUEUED');
}

/** Executes one of the family. false: the command is none of them. */
export function transact(c: Call, session: Session, now: number): boolean | Promise<void> {
  switch (c.spec.name) {
    case 'multi':
      multi(c, session);
      return true;
    case 'discard':
      discard(c, session);
      return true;
    case 'watch':
      watch(c, session, now);
      return true;
    case 'unwatch':
      unwatchAll(session);
      c.reply.ok();
      return true;
    case 'exec':
      return exec(c, session, now) ?? true;
    default:
      return false;
  }
}

function multi(c: Call, session: Session): void {
  if (session.queue !== undefined) return c.fail('ERR MULTI calls can not be nested');
  session.queue = [];
  c.reply.ok();
}

function discard(c: Call, session: Session): void {
  if (session.queue === undefined) return c.fail('ERR DISCARD without MULTI');
  endQueue(session);
  c.reply.ok();
}

function watch(c: Call, session: Session, now: number): void {
  if (session.queue !== undefined) return c.fail('ERR WATCH inside MULTI is not allowed');
  c.keyspace.begin(now);
  for (const key of c.rest(1)) {
    if (session.watches.has(key)) continue;
    const changed = (): void => {
      session.watchBroken = true;
    };
    session.watches.set(key, c.keyspace.watch(key, changed));
  }
  c.keyspace.end();
  c.reply.ok();
}

function exec(c: Call, session: Session, now: number): Promise<void> | undefined {
  const { queue } = session;
  if (queue === undefined) return c.fail('ERR EXEC without MULTI');
  c.keyspace.begin(now);
  c.keyspace.end();
  const { queueBroken, watchBroken } = session;
  endQueue(session);
  if (queueBroken) return c.fail('EXECABORT Transaction discarded because of previous errors.');
  if (watchBroken) {
    c.reply.nullArray();
    return undefined;
  }
  const calls = queue.map(
    ({ spec, args }) =>
      new Call({ ctx: c.ctx, spec, reply: c.reply, args, session, shared: c.shared, isInside: true }),
  );
  return executeUnit(c.ctx, calls, { reply: c.reply, now });
}

/** Runs commands as one unit over all keys that they name, their replies as one array. */
function executeUnit(
  ctx: CallContext,
  calls: readonly Call[],
  { reply, now }: { readonly reply: ReplyWriter; readonly now: number },
): Promise<void> | undefined {
  const { keyspace } = ctx;
  const waits: Promise<void>[] = [];
  reply.array(calls.length);
  keyspace.begin(now);
  try {
    for (const call of calls) for (const key of unitKeys(call)) keyspace.name(key);
    for (const call of calls) {
      keyspace.command();
      const wait = inUnit(call, now);
      if (wait instanceof Promise) waits.push(wait);
    }
  } finally {
    keyspace.end();
  }
  return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
}

function inUnit(call: Call, now: number): void | Promise<void> {
  const { session } = call;
  if (session !== undefined && call.spec.name === 'unwatch') return void transact(call, session, now);
  return run(call);
}
