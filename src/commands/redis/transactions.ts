// MULTI, EXEC, DISCARD, WATCH, UNWATCH over a Redis store: what is queued becomes one script call, or native bytes when it only reads.
import type { Latin1 } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { namedKeys } from '../dispatch.ts';
import { endQueue, type Queued, type Session } from '../session.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import { extrasOf } from './extras.ts';
import type { Port, Words } from './port.ts';
import { asCommandReply, elementsOf, errorText, isErrorReply, isNullReply } from './raw-reply.ts';
import { isNullArray, unblocked } from './unblocked.ts';

const ABORTED = 'EXECABORT Transaction discarded because of previous errors.';

/** What the family works with besides the port. */
export interface Transactions {
  readonly port: Port;
  /** The newest version that each key holds; empty: none. */
  versionsOf(session: Session, keys: readonly Latin1[]): Promise<string[]>;
  /** Executes a queued command that is about the gateway, into `reply`'s array. Its raw reply. */
  inside(session: Session, queued: Queued): Promise<Buffer>;
  /** What is executed for a queued command: EVAL for EVALSHA, DEL of all keys for FLUSHALL; a text is the error. */
  prepared(session: Session, words: Words): Promise<Words | string>;
}

/** Executes one of the family. false: the command is none of them. */
export function transactRedis(c: Call, session: Session, on: Transactions): boolean | Promise<void> {
  switch (c.spec.name) {
    case 'multi':
      return multi(c, session);
    case 'discard':
      return discard(c, session);
    case 'watch':
      return watch(c, session, on);
    case 'unwatch':
      unwatch(session);
      c.reply.ok();
      return true;
    case 'exec':
      return exec(c, session, on);
    default:
      return false;
  }
}

/** Forgets the watched keys and what was queued. */
export function endTransaction(session: Session): void {
  endQueue(session);
  unwatch(session);
}

function unwatch(session: Session): void {
  extrasOf(session).watched.clear();
}

function multi(c: Call, session: Session): true {
  if (session.queue !== undefined) c.fail('ERR MULTI calls can not be nested');
  else {
    session.queue = [];
    c.reply.ok();
  }
  return true;
}

function discard(c: Call, session: Session): true {
  if (session.queue === undefined) c.fail('ERR DISCARD without MULTI');
  else {
    endTransaction(session);
    c.reply.ok();
  }
  return true;
}

function watch(c: Call, session: Session, on: Transactions): boolean | Promise<void> {
  if (session.queue !== undefined) {
    c.fail('ERR WATCH inside MULTI is not allowed');
    return true;
  }
  const { watched } = extrasOf(session);
  const keys = [...new Set(c.rest(1))].filter((key) => !watched.has(key));
  if (on.port.isCluster && !haveOneSlot([...watched.keys(), ...keys])) {
    c.fail(CROSS_SLOT);
    return true;
  }
  return on.versionsOf(session, keys).then(
    (versions) => {
      keys.forEach((key, i) => watched.set(key, versions[i]));
      c.reply.ok();
    },
    (error: Error) => void c.fail(error.message),
  );
}

function exec(c: Call, session: Session, on: Transactions): boolean | Promise<void> {
  const { queue, queueBroken } = session;
  if (queue === undefined) {
    c.fail('ERR EXEC without MULTI');
    return true;
  }
  const watches = new Map(extrasOf(session).watched);
  endTransaction(session);
  if (queueBroken) {
    c.fail(ABORTED);
    return true;
  }
  return executeQueue(c, { session, queue, watches, on });
}

interface Execution {
  readonly session: Session;
  readonly queue: readonly Queued[];
  readonly watches: ReadonlyMap<Latin1, string>;
  readonly on: Transactions;
}

/** What a queued command is for the store: nothing, a read, a write. */
function roleOf({ spec }: Queued, isCluster: boolean): 'gateway' | 'read' | 'write' {
  if (spec.isWrite || SCRIPTS.has(spec.name)) return 'write';
  if (ABOUT_ALL.has(spec.name)) return isCluster ? 'gateway' : 'write';
  return spec.keys.length > 0 && spec.group !== 'pubsub' ? 'read' : 'gateway';
}

const SCRIPTS: ReadonlySet<string> = new Set(['eval', 'evalsha']);
/** On one Redis inside the unit; on a cluster each node is asked, after it. */
const ABOUT_ALL: ReadonlySet<string> = new Set(['keys', 'scan', 'dbsize', 'randomkey']);
const FLUSHES: ReadonlySet<string> = new Set(['flushall', 'flushdb']);

async function executeQueue(c: Call, execution: Execution): Promise<void> {
  const { queue, watches, on } = execution;
  const data = queue.filter((queued) => roleOf(queued, on.port.isCluster) !== 'gateway');
  const keys = [...new Set(data.flatMap(keysOfQueued))];
  if (on.port.isCluster && !haveOneSlot([...keys, ...watches.keys()])) return c.fail(CROSS_SLOT);
  const onlyReads = data.every((queued) => roleOf(queued, false) === 'read') && watches.size === 0;
  const answer = onlyReads ? await readNatively(c, execution, data) : undefined;
  const raw = answer ?? (await writeUnit(c, execution, { data, keys }));
  if (typeof raw === 'string') return c.fail(raw);
  if (isErrorReply(raw)) return c.fail(errorText(raw));
  if (isNullReply(raw)) return c.reply.nullArray();
  await replyJoined(c, execution, { data, elements: elementsOf(raw) ?? [] });
}

function keysOfQueued({ spec, args }: Queued): string[] {
  return namedKeys(spec, { argc: args.length, text: (a) => args[a] });
}

/** As MULTI … EXEC of the Redis itself. undefined: it has moved meanwhile, or there is nothing to read. */
async function readNatively(
  c: Call,
  { session, on }: Execution,
  data: readonly Queued[],
): Promise<Buffer | undefined> {
  if (data.length === 0) return Buffer.from('*0\r\n');
  const slot = slotOf(keysOfQueued(data[0])[0] ?? '');
  const commands = [['MULTI'], ...data.map(({ args }) => unblocked(args)), ['EXEC']];
  const replies = await on.port.ask(session, commands, { slot, protocol: c.reply.protocol });
  const last = replies[replies.length - 1];
  const isTorn = isErrorReply(last) && /^(EXECABORT|MOVED|ASK|ERR EXEC without)/.test(errorText(last));
  return isTorn ? undefined : last;
}

async function writeUnit(
  c: Call,
  { session, watches, on }: Execution,
  { data, keys }: { readonly data: readonly Queued[]; readonly keys: readonly Latin1[] },
): Promise<Buffer | string> {
  const commands: Words[] = [];
  for (const { args } of data) {
    const prepared = await on.prepared(session, unblocked(args));
    if (typeof prepared === 'string') return prepared;
    commands.push(prepared);
  }
  const flushed = commands.flatMap((words, i) => (FLUSHES.has(data[i].spec.name) ? words.slice(1) : []));
  const all = [...new Set([...keys, ...watches.keys(), ...flushed])];
  if (on.port.isCluster && !haveOneSlot(all)) return CROSS_SLOT;
  return on.port.write(session, { kind: 'transaction', commands, keys: all, watches }, c.reply.protocol);
}

/** The replies of the unit and those of the gateway's own commands, in the order queued. */
async function replyJoined(
  c: Call,
  { queue, session, on }: Execution,
  { data, elements }: { readonly data: readonly Queued[]; readonly elements: readonly Buffer[] },
): Promise<void> {
  const parts: Buffer[] = [];
  for (const queued of queue) {
    const at = data.indexOf(queued);
    if (at < 0) parts.push(await on.inside(session, queued));
    else if (FLUSHES.has(queued.spec.name)) parts.push(Buffer.from('+OK\r\n'));
    else parts.push(asCommandReply(elements[at], isNullArray(queued.args)));
  }
  c.reply.array(parts.length);
  for (const part of parts) c.reply.raw(part);
}
