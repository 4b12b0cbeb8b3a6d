// Commands about all keys, over every node: SCAN, KEYS, DBSIZE, RANDOMKEY, FLUSHALL, FLUSHDB. mqkv's own keys are left out.
import {
  FLUSH_KEYS_MAX,
  HIDDEN_KEYS_COUNTED_MAX,
  type Latin1,
  RANDOM_KEY_TRIES_MAX,
} from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { SYNTAX } from '../errors.ts';
import type { Session } from '../session.ts';
import type { Port, Words } from './port.ts';
import { elementsOf, errorText, isErrorReply, isNullReply } from './raw-reply.ts';

const HIDDEN = 'mqkv:';
/** Units: ms. How long the number of hidden keys is taken for the present one where there are many keys. */
const HIDDEN_AGE_MAX_MS = 10_000;
const PAGE = '2000';

/** The content of a bulk. Owns: a view. */
function contentOf(bulk: Buffer): Buffer {
  const from = bulk.indexOf(10) + 1;
  return bulk.subarray(from, bulk.length - 2);
}

function isShown(bulk: Buffer): boolean {
  return !contentOf(bulk).subarray(0, HIDDEN.length).equals(HIDDEN_BYTES);
}

const HIDDEN_BYTES = Buffer.from(HIDDEN);

/** A failure of the store while all keys are looked at: its text is the reply. */
class Refused extends Error {}

/** The key space of one gateway's store. */
export class KeySpace {
  readonly #port: Port;
  #hidden: { readonly count: number; readonly atMs: number } | undefined;

  constructor(port: Port) {
    this.#port = port;
  }

  /** Executes one of the family. false: the command is none of them. */
  run(c: Call, session: Session): boolean | Promise<void> {
    const work = this.#workOf(c, session);
    return work === undefined
      ? false
      : work.catch((error: unknown) => {
          if (!(error instanceof Refused)) throw error;
          c.fail(error.message);
        });
  }

  #workOf(c: Call, session: Session): Promise<void> | undefined {
    switch (c.spec.name) {
      case 'scan':
        return this.#scan(c, session);
      case 'keys':
        return this.#keys(c, session);
      case 'dbsize':
        return this.count(session).then((count) => c.reply.integer(count));
      case 'randomkey':
        return this.#randomKey(c, session);
      case 'flushall':
      case 'flushdb':
        return this.#flush(c, session);
      default:
        return undefined;
    }
  }

  /** Keys shown. */
  async count(session: Session): Promise<number> {
    let total = 0;
    for (const slot of this.#port.everyNode()) {
      const raw = await this.#ask(session, ['DBSIZE'], slot);
      total += Number(raw.toString('latin1', 1, raw.length - 2));
    }
    return Math.max(0, total - (await this.#hiddenKeys(session, total)));
  }

  /** Every key shown. Those written meanwhile may be missing. */
  async all(session: Session): Promise<Latin1[]> {
    const found = new Set<Latin1>();
    for (const slot of this.#port.everyNode())
      await this.#walk(session, { slot, pattern: undefined }, (key) => {
        if (isShown(key)) found.add(contentOf(key).toString('latin1'));
      });
    return [...found];
  }

  async #hiddenKeys(session: Session, total: number): Promise<number> {
    const now = this.#port.clock.now();
    const known = this.#hidden;
    const isRecent = known !== undefined && now - known.atMs < HIDDEN_AGE_MAX_MS && now >= known.atMs;
    if (total > HIDDEN_KEYS_COUNTED_MAX && isRecent) return known.count;
    const found = new Set<string>();
    for (const slot of this.#port.everyNode())
      await this.#walk(session, { slot, pattern: `${HIDDEN}*` }, (key) => found.add(key.toString('latin1')));
    this.#hidden = { count: found.size, atMs: now };
    return found.size;
  }

  async #walk(
    session: Session,
    { slot, pattern }: { readonly slot: number; readonly pattern: string | undefined },
    each: (key: Buffer) => void,
  ): Promise<void> {
    let cursor = '0';
    do {
      const match = pattern === undefined ? [] : ['MATCH', pattern];
      const raw = await this.#ask(session, ['SCAN', cursor, ...match, 'COUNT', PAGE], slot);
      const [next, keys] = elementsOf(raw) ?? [];
      for (const key of elementsOf(keys) ?? []) each(key);
      cursor = contentOf(next).toString('latin1');
    } while (cursor !== '0');
  }

  /** A cursor over several nodes is the node's own, times their number, plus the node's place in their order. */
  async #scan(c: Call, session: Session): Promise<void> {
    if (!/^[0-9]{0,20}$/.test(c.text(1))) return c.fail('ERR invalid cursor');
    const slots = this.#port.everyNode();
    const nodes = BigInt(Math.max(1, slots.length));
    const cursor = BigInt(c.text(1) === '' ? 0 : c.text(1));
    let place = Number(cursor % nodes);
    const raw = await this.#ask(session, ['SCAN', String(cursor / nodes), ...c.rest(2)], slots[place] ?? 0);
    const [next, keys] = elementsOf(raw) ?? [];
    let left = BigInt(contentOf(next).toString('latin1'));
    if (left === 0n) place++;
    if (left === 0n && place >= slots.length) place = 0;
    else left = left * nodes + BigInt(place);
    const shown = (elementsOf(keys) ?? []).filter(isShown);
    c.reply.array(2);
    c.reply.latin1(String(left));
    c.reply.array(shown.length);
    for (const key of shown) c.reply.raw(key);
  }

  async #keys(c: Call, session: Session): Promise<void> {
    const found: Buffer[] = [];
    for (const slot of this.#port.everyNode()) {
      const raw = await this.#ask(session, ['KEYS', c.text(1)], slot);
      found.push(...(elementsOf(raw) ?? []).filter(isShown));
    }
    c.reply.array(found.length);
    for (const key of found) c.reply.raw(key);
  }

  async #randomKey(c: Call, session: Session): Promise<void> {
    const slots = this.#port.everyNode();
    for (let i = 0; i < RANDOM_KEY_TRIES_MAX; i++) {
      const raw = await this.#ask(session, ['RANDOMKEY'], slots[i % slots.length] ?? 0);
      if (!isNullReply(raw) && isShown(raw)) return c.reply.raw(raw);
    }
    const [any] = await this.all(session);
    if (any === undefined) c.reply.null();
    else c.reply.latin1(any);
  }

  async #flush(c: Call, session: Session): Promise<void> {
    if (c.argc > 2 || (c.argc === 2 && !['SYNC', 'ASYNC'].includes(c.word(1)))) return c.fail(SYNTAX);
    const keys = await this.all(session);
    for (const group of this.#groups(keys)) {
      const unit = { kind: 'command', args: ['del', ...group], keys: group } as const;
      const raw = await this.#port.write(session, unit, 2);
      if (isErrorReply(raw)) return c.fail(errorText(raw));
    }
    c.reply.ok();
  }

  /** Keys that one DEL may name. */
  #groups(keys: readonly Latin1[]): Latin1[][] {
    const bySlot = new Map<number, Latin1[]>();
    for (const key of keys) {
      const slot = this.#port.isCluster ? slotOf(key) : 0;
      const group = bySlot.get(slot);
      if (group === undefined) bySlot.set(slot, [key]);
      else group.push(key);
    }
    return [...bySlot.values()].flatMap((group) => {
      const parts: Latin1[][] = [];
      for (let at = 0; at < group.length; at += FLUSH_KEYS_MAX)
        parts.push(group.slice(at, at + FLUSH_KEYS_MAX));
      return parts;
    });
  }

  async #ask(session: Session, words: Words, slot: number): Promise<Buffer> {
    const [raw] = await this.#port.ask(session, [words], { slot, protocol: 2 });
    if (isErrorReply(raw)) throw new Refused(errorText(raw));
    return raw;
  }
}
