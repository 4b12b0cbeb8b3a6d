// Commands over keys of several slots of a cluster: one command for each slot, their replies joined in the order of the keys.
import type { Latin1 } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { namedKeys, reservedError } from '../dispatch.ts';
import type { Session } from '../session.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import type { Port, Words } from './port.ts';
import { elementsOf, errorText, isErrorReply } from './raw-reply.ts';

/** How the replies of the parts become one. */
type Join = 'sum' | 'list' | 'ok';

const SPLIT: Readonly<Record<string, Join>> = {
  del: 'sum',
  unlink: 'sum',
  exists: 'sum',
  touch: 'sum',
  mget: 'list',
  mset: 'ok',
};

/** The arguments that belong to one slot, with their places among the keys. */
interface Part {
  readonly slot: number;
  readonly words: Latin1[];
  readonly keys: Latin1[];
  readonly places: number[];
}

/** Executes a command whose keys lie in several slots. false: they lie in one. */
export function splitBySlot(c: Call, session: Session, port: Port): boolean | Promise<void> {
  if (!port.isCluster) return false;
  const keys = namedKeys(c.spec, c);
  if (haveOneSlot(keys)) return false;
  const join = SPLIT[c.spec.name];
  const refused = join === undefined ? CROSS_SLOT : reservedError(c.spec, keys);
  if (join === undefined || refused !== undefined) {
    c.fail(refused ?? CROSS_SLOT);
    return true;
  }
  if (join === 'ok' && c.argc % 2 === 0) {
    c.fail("ERR wrong number of arguments for 'mset' command");
    return true;
  }
  return execute(c, session, { port, parts: partsOf(c, join === 'ok' ? 2 : 1), join });
}

/** `step`: 2 where a value follows each key. */
function partsOf(c: Call, step: number): Part[] {
  const bySlot = new Map<number, Part>();
  for (let a = 1, place = 0; a < c.argc; a += step, place++) {
    const key = c.text(a);
    const slot = slotOf(key);
    const part: Part = bySlot.get(slot) ?? { slot, words: [c.text(0)], keys: [], places: [] };
    bySlot.set(slot, part);
    part.words.push(key);
    if (step === 2) part.words.push(c.text(a + 1));
    part.keys.push(key);
    part.places.push(place);
  }
  return [...bySlot.values()];
}

interface Execution {
  readonly port: Port;
  readonly parts: readonly Part[];
  readonly join: Join;
}

async function execute(c: Call, session: Session, { port, parts, join }: Execution): Promise<void> {
  const replies = await Promise.all(
    parts.map(({ words, keys, slot }) => one({ c, session, port }, { words, keys, slot })),
  );
  const failed = replies.find(isErrorReply);
  if (failed !== undefined) return c.fail(errorText(failed));
  if (join === 'ok') return c.reply.ok();
  if (join === 'sum') return c.reply.integer(replies.reduce((sum, raw) => sum + integerOf(raw), 0));
  const joined: Buffer[] = [];
  replies.forEach((raw, p) => {
    elementsOf(raw)?.forEach((element, i) => {
      joined[parts[p].places[i]] = element;
    });
  });
  c.reply.array(joined.length);
  for (const element of joined) c.reply.raw(element);
}

function integerOf(raw: Buffer): number {
  return Number(raw.toString('latin1', 1, raw.length - 2));
}

async function one(
  { c, session, port }: { readonly c: Call; readonly session: Session; readonly port: Port },
  { words, keys, slot }: { readonly words: Words; readonly keys: readonly Latin1[]; readonly slot: number },
): Promise<Buffer> {
  const { protocol } = c.reply;
  if (c.spec.isWrite) return port.write(session, { kind: 'command', args: words, keys }, protocol);
  const [raw] = await port.ask(session, [words], { slot, protocol });
  return raw;
}
