// BLPOP and its kin, XREAD and XREADGROUP with BLOCK: tried as what does not wait, then the connection waits in the gateway.
import type { Latin1 } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { namedKeys, reservedError } from '../dispatch.ts';
import type { Session } from '../session.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import { bulkText } from './ears.ts';
import { extrasOf } from './extras.ts';
import type { Port, Words } from './port.ts';
import { asCommandReply, errorText, isErrorReply, isNullReply, parsedReply } from './raw-reply.ts';
import { type Blocking, blockingOf, isNullArray, withRefusedTimeout } from './unblocked.ts';
import type { Outcome, Waiting } from './waiting.ts';

const NEGATIVE = 'ERR timeout is negative';
const UNBLOCKED = 'UNBLOCKED client unblocked via CLIENT UNBLOCK';

interface On {
  readonly port: Port;
  readonly waiting: Waiting;
}

interface Attempted {
  readonly c: Call;
  readonly session: Session;
  readonly blocking: Blocking;
  readonly keys: readonly Latin1[];
}

/** Executes a blocking command. false: it is none, or its form does not wait. */
export function block(c: Call, session: Session, on: On): boolean | Promise<void> {
  const blocking = blockingOf(c.rest(0));
  if (blocking === undefined) return false;
  if (typeof blocking === 'string') return refuseTimeout(c, session, { ...on, error: blocking });
  const keys = namedKeys(c.spec, c);
  const refused = on.port.isCluster && !haveOneSlot(keys) ? CROSS_SLOT : reservedError(c.spec, keys);
  if (refused === undefined) return attempt({ c, session, blocking, keys }, on);
  c.fail(refused);
  return true;
}

/** Redis looks at some other arguments first: it is asked with a timeout that it refuses in any case. */
async function refuseTimeout(
  c: Call,
  session: Session,
  { port, error }: On & { readonly error: string },
): Promise<void> {
  if (c.spec.name.startsWith('x')) return c.fail(error);
  const slot = slotOf(namedKeys(c.spec, c)[0] ?? '');
  const [raw] = await port.ask(session, [withRefusedTimeout(c.rest(0))], {
    slot,
    protocol: c.reply.protocol,
  });
  c.fail(isErrorReply(raw) && errorText(raw) !== NEGATIVE ? errorText(raw) : error);
}

async function attempt(attempted: Attempted, on: On): Promise<void> {
  const { c, session, keys } = attempted;
  const words = await withLastIds(attempted, on.port);
  if (typeof words === 'string') return c.fail(words);
  const execute = (): Promise<Buffer> =>
    executed({ ...attempted, blocking: { ...attempted.blocking, words } }, on.port);
  const first = await execute();
  if (!isNullReply(first)) return c.reply.raw(first);
  const waiter = on.waiting.wait({
    keys,
    kind: kindOf(c.spec.name),
    timeoutMs: attempted.blocking.timeoutMs,
    signal: session.connection.signal,
    attempt: async () => {
      const bytes = await execute();
      return isNullReply(bytes) || isNotYet(bytes) ? undefined : bytes;
    },
  });
  const extras = extrasOf(session);
  const { gauges } = on.port.shared;
  extras.waiter = waiter;
  session.connection.isWaitOptional = true;
  gauges.blocked++;
  const outcome = await waiter.outcome;
  gauges.blocked--;
  session.connection.isWaitOptional = false;
  extras.waiter = undefined;
  answer(c, outcome);
}

function kindOf(name: string): string {
  if (name.startsWith('bz')) return 'zset';
  return name.startsWith('x') ? '' : 'list';
}

/** Whoever waits for a list does not mind a key of another type, or a Redis that is away: nothing was taken. */
function isNotYet(bytes: Buffer): boolean {
  return (
    isErrorReply(bytes) && /^(WRONGTYPE|UNAVAILABLE|LOADING|READONLY|CLUSTERDOWN)/.test(errorText(bytes))
  );
}

function answer(c: Call, outcome: Outcome): void {
  if (outcome.kind === 'reply') c.reply.raw(outcome.bytes);
  else if (outcome.kind === 'unblocked') c.fail(UNBLOCKED);
  else if (outcome.kind === 'timeout') c.reply.nullArray();
}

async function executed({ c, session, blocking, keys }: Attempted, port: Port): Promise<Buffer> {
  const { protocol } = c.reply;
  const { words } = blocking;
  if (c.spec.name === 'xread') {
    const [reply] = await port.ask(session, [words], { slot: slotOf(keys[0]), protocol });
    return reply;
  }
  const raw = await port.write(session, { kind: 'command', args: words, keys }, protocol);
  return asCommandReply(raw, isNullArray(words));
}

/** XREAD with each `$` as the stream's last id of now; a text is an error. */
async function withLastIds({ c, session, blocking, keys }: Attempted, port: Port): Promise<Words | string> {
  const { words } = blocking;
  if (c.spec.name !== 'xread' || !words.slice(-keys.length).includes('$')) return words;
  const ids = words.slice(-keys.length);
  for (const [i, key] of keys.entries()) {
    if (ids[i] !== '$') continue;
    const [raw] = await port.ask(session, [['XINFO', 'STREAM', key]], {
      slot: slotOf(key),
      protocol: c.reply.protocol,
    });
    if (isErrorReply(raw) && !errorText(raw).startsWith('ERR no such key')) return errorText(raw);
    ids[i] = isErrorReply(raw) ? '0-0' : lastIdOf(raw);
  }
  return [...words.slice(0, -keys.length), ...ids];
}

/** `last-generated-id` of XINFO STREAM: pairs in an array, or a map. */
function lastIdOf(raw: Buffer): string {
  const reply = parsedReply(raw);
  const items = reply.kind === 'map' ? reply.entries.flat() : reply.kind === 'array' ? reply.items : [];
  const at = items.findIndex((item) => bulkText(item) === 'last-generated-id');
  return bulkText(items[at + 1]) ?? '0-0';
}
