// Single commands without a rule of their own off the hot path: a read forwarded, a write as one unit.
import type { Latin1 } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { RESERVED } from '../errors.ts';
import type { Session } from '../session.ts';
import { keyPositions } from '../spec.ts';
import type { Plain } from './context.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import type { Port } from './port.ts';

/** The gateway's own way with a command. */
export function openPlain(port: Port): Plain {
  const plain: Plain = {
    run: (call, session) => run(call, session, plain),
    read: (call, session) => read(call, session, port),
    write: (call, session) => write(call, session, port),
  };
  return plain;
}

function run(c: Call, session: Session, plain: Plain): void | Promise<void> {
  if (c.spec.isWrite) return plain.write(c, session);
  if (c.spec.flags.has('readonly') || c.spec.via === 'pass') return plain.read(c, session);
  return c.fail(`ERR '${c.spec.name.replace('|', ' ')}' is not supported over a Redis store`);
}

async function read(c: Call, session: Session, port: Port): Promise<void> {
  const keys = checkedKeys(c, port);
  if (keys === undefined) return;
  const place = { slot: keys.length === 0 ? 0 : slotOf(keys[0]), protocol: c.reply.protocol };
  const [raw] = await port.ask(session, [c.rest(0)], place);
  answer(c, raw);
}

async function write(c: Call, session: Session, port: Port): Promise<void> {
  const keys = checkedKeys(c, port);
  if (keys === undefined) return;
  answer(c, await port.write(session, { kind: 'command', args: c.rest(0), keys }, c.reply.protocol));
}

/** The keys; undefined: an error was replied. What Redis must word the error of names none. */
function checkedKeys(c: Call, port: Port): readonly Latin1[] | undefined {
  const keys = (keyPositions(c.spec, c) ?? findable(c)).map((at) => c.text(at));
  if (keys.some((key) => key.startsWith('mqkv:'))) return c.fail(RESERVED);
  if (port.isCluster && !haveOneSlot(keys)) return c.fail(CROSS_SLOT);
  return keys;
}

/** Where the arguments make no sense as a whole: the keys that are still found. The Redis refuses the command. */
function findable(c: Call): number[] {
  return c.spec.keys.flatMap((key) => keyPositions({ ...c.spec, keys: [key] }, c) ?? []);
}

function answer(c: Call, raw: Buffer): void {
  if (raw[0] === 45) c.failed = true;
  c.reply.raw(raw);
}
