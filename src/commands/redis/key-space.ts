// Commands about all keys, over every node: SCAN, KEYS, DBSIZE, RANDOMKEY, FLUSHALL, FLUSHDB. mqkv's own keys are left out.
import { bytesOf, FLUSH_KEYS_MAX, type Latin1, messageOf, MqkvError } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import { SYNTAX } from '../errors.ts';
import type { Session } from '../session.ts';
import type { Port } from './port.ts';
import { errorText, isErrorReply } from './raw-reply.ts';

/** The key space of one gateway's store. */
export class KeySpace {
  readonly #port: Port;

  constructor(port: Port) {
    this.#port = port;
  }

  /** Executes one of the family. false: the command is none of them. */
  run(c: Call, session: Session): boolean | Promise<void> {
    const work = this.#workOf(c);
    if (work === undefined) return false;
    return this.barrier(session)
      .then(() => work(session))
      .catch((error: unknown) => {
        if (!(error instanceof MqkvError)) throw error;
        c.fail(error.message.startsWith(error.code) ? error.message : `${error.code} ${messageOf(error)}`);
      });
  }

  #workOf(c: Call): ((session: Session) => Promise<void>) | undefined {
    const { allNodes } = this.#port;
    switch (c.spec.name) {
      case 'scan':
        return () => this.#scan(c);
      case 'keys':
        return async () => replyKeys(c, await allNodes.keys(c.bytes(1)));
      case 'dbsize':
        return async () => c.reply.integer(await allNodes.size());
      case 'randomkey':
        return () => this.#randomKey(c);
      case 'flushall':
      case 'flushdb':
        return (session) => this.#flush(c, session);
      default:
        return undefined;
    }
  }

  /** Keys shown. */
  async count(session: Session): Promise<number> {
    await this.barrier(session);
    return this.#port.allNodes.size();
  }

  /** Every key shown. Those written meanwhile may be missing. */
  async all(session: Session): Promise<Latin1[]> {
    await this.barrier(session);
    const found = new Set<Latin1>();
    await this.#port.allNodes.each((keys) => {
      for (const key of keys) found.add(key.toString('latin1'));
    });
    return [...found];
  }

  /** Resolves when all that the connection has asked before has been executed. */
  async barrier(session: Session): Promise<void> {
    const { protocol } = session.connection;
    const nodes = this.#port.everyNode();
    await Promise.all(nodes.map((slot) => this.#port.ask(session, [['PING']], { slot, protocol })));
  }

  /** Goes on until about as many keys as asked for have been seen: mqkv's own, left out, would else make pages short. */
  async #scan(c: Call): Promise<void> {
    const options = c.rest(2).map(bytesOf);
    const wanted = countOf(c);
    const keys: Buffer[] = [];
    let cursor = c.text(1) === '' ? '0' : c.text(1);
    for (let step = 0; step < SCAN_STEPS_MAX && keys.length < wanted; step++) {
      const scanned = await this.#port.allNodes.scan(cursor, options);
      if (scanned.kind === 'error') return c.fail(scanned.text);
      keys.push(...scanned.keys);
      cursor = scanned.cursor;
      if (cursor === '0') break;
    }
    c.reply.array(2);
    c.reply.latin1(cursor);
    replyKeys(c, keys);
  }

  async #randomKey(c: Call): Promise<void> {
    const key = await this.#port.allNodes.randomKey();
    if (key === undefined) c.reply.null();
    else c.reply.bulk(key);
  }

  async #flush(c: Call, session: Session): Promise<void> {
    if (c.argc > 2 || (c.argc === 2 && !['SYNC', 'ASYNC'].includes(c.word(1)))) return c.fail(SYNTAX);
    for (const group of this.#groups(await this.all(session))) {
      const unit = { kind: 'command', args: ['del', ...group], keys: group } as const;
      const raw = await this.#port.write(session, unit, session.connection.protocol);
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
}

/** Native steps of one SCAN. */
const SCAN_STEPS_MAX = 4;

function countOf(c: Call): number {
  for (let a = 2; a + 1 < c.argc; a += 2) if (c.word(a) === 'COUNT') return Number(c.text(a + 1)) || 1;
  return 10;
}

function replyKeys(c: Call, keys: readonly Buffer[]): void {
  c.reply.array(keys.length);
  for (const key of keys) c.reply.bulk(key);
}
