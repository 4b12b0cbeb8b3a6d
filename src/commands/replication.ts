// Commands about the other sites: MQKV.ACK, MQKV.FREEZE, MQKV.SITES, MQKV.LAG.
import type { Call, CommandHandler } from './call.ts';
import { SYNTAX } from './errors.ts';
import type { Fact, Facts, ReplicationFace } from './shared.ts';

/** Units: ms that a write waits for the queue (MQKV.ACK queue). */
export const ACK_MS = 5_000;

/** In place of a write's reply, when the queue has not taken it by then: it is done here, and will be sent. */
export const UNCERTAIN = `UNCERTAIN the write is done at this site; the queue has not accepted it within ${ACK_MS / 1000} s`;

const ALONE = 'ERR this site has no queue';

/** Replication, or the error is replied. */
function faceOf(c: Call): ReplicationFace | undefined {
  const face = c.shared?.options.replication?.();
  return face === undefined ? c.fail(ALONE) : face;
}

function ack(c: Call): void {
  const { session } = c;
  const word = c.word(1);
  if (session === undefined || (word !== 'QUEUE' && word !== 'LOCAL')) return c.fail(SYNTAX);
  if (word === 'QUEUE' && faceOf(c) === undefined) return;
  session.ack = word === 'QUEUE' ? 'queue' : 'local';
  c.reply.ok();
}

function freeze(c: Call): void {
  const word = c.text(1).toLowerCase();
  if (word !== 'in' && word !== 'out' && word !== 'off') return c.fail(SYNTAX);
  const face = faceOf(c);
  if (face === undefined) return;
  face.freeze(word);
  c.reply.ok();
}

function sites(c: Call): void {
  const face = faceOf(c);
  if (face !== undefined) replyFacts(c, face.sites());
}

function lag(c: Call): void {
  const face = faceOf(c);
  if (face !== undefined) replyFacts(c, face.lags());
}

/** An array of maps (RESP2: flat arrays). */
function replyFacts(c: Call, all: readonly Facts[]): void {
  c.reply.array(all.length);
  for (const facts of all) {
    const entries = Object.entries(facts);
    c.reply.map(entries.length);
    for (const [name, fact] of entries) {
      c.reply.latin1(name);
      replyFact(c, fact);
    }
  }
}

function replyFact({ reply }: Call, fact: Fact): void {
  if (fact === null) reply.null();
  else if (typeof fact === 'string') reply.latin1(fact);
  else if (typeof fact === 'number') reply.integer(fact);
  else if (typeof fact === 'boolean') reply.integer(fact ? 1 : 0);
  else if (isNumbers(fact)) {
    reply.array(fact.length);
    for (const one of fact) reply.integer(one);
  } else {
    const entries = Object.entries(fact);
    reply.map(entries.length);
    for (const [name, count] of entries) {
      reply.latin1(name);
      reply.integer(count);
    }
  }
}

function isNumbers(fact: Fact): fact is readonly number[] {
  return Array.isArray(fact);
}

export const replicationCommands: Readonly<Record<string, CommandHandler>> = {
  'mqkv.ack': ack,
  'mqkv.freeze': freeze,
  'mqkv.sites': sites,
  'mqkv.lag': lag,
};
