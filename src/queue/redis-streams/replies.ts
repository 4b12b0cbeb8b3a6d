// Replies of Redis about streams, taken apart; and what its errors mean.
import { MqkvError } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';

/** One entry of the stream. */
export interface Entry {
  readonly id: string;
  /** undefined: it has been trimmed away meanwhile. */
  readonly body: Buffer | undefined;
}

/** Errors that will not go away by trying again, by their first word. */
const FINAL = ['NOAUTH', 'WRONGPASS', 'NOPERM', 'WRONGTYPE'];

/** The items of an array; none for a null. Errors: MqkvError for an error reply, and for anything else. */
export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  if (reply?.kind === 'array') return reply.items;
  if (reply === undefined || reply.kind === 'null') return [];
  if (reply.kind === 'error') throw replyError(reply.text);
  throw new MqkvError('QUEUE_UNREACHABLE', `Redis answered with a ${reply.kind} where a list was expected`);
}

/** The text of a string or number; '' for anything else. */
export function textOf(reply: Reply | undefined): string {
  if (reply?.kind === 'bulk') return reply.bytes.toString('latin1');
  if (reply?.kind === 'simple') return reply.text;
  return reply?.kind === 'integer' ? String(reply.value) : '';
}

/** The number of an integer or a numeric string; null where there is none. */
export function numberOf(reply: Reply | undefined): number | null {
  const text = textOf(reply);
  return text === '' ? null : Number(text);
}

/** Throws what an error reply says. */
export function expectNoError(reply: Reply): void {
  if (reply.kind === 'error') throw replyError(reply.text);
}

/** Whether a reply says that the group or the stream is not there. */
export function isNoGroup(reply: Reply): boolean {
  return reply.kind === 'error' && (reply.text.startsWith('NOGROUP') || reply.text.startsWith('UNBLOCKED'));
}

/** What Redis' refusal means for the queue. */
export function replyError(text: string): MqkvError {
  const isFinal = FINAL.some((word) => text.startsWith(word));
  return new MqkvError(
    isFinal ? 'QUEUE_REFUSED' : 'QUEUE_UNREACHABLE',
    `Redis answered: ${text.slice(0, 300)}`,
  );
}

/** `[[id, [field, value]], …]`. */
export function entriesOf(reply: Reply | undefined): Entry[] {
  return itemsOf(reply).map((item) => {
    const [id, fields] = itemsOf(item);
    const value = fields === undefined || fields.kind === 'null' ? undefined : itemsOf(fields)[1];
    return { id: textOf(id), body: value?.kind === 'bulk' ? value.bytes : undefined };
  });
}

/** The first stream's entries of a read: `[[stream, entries]]`, or null. */
export function readEntriesOf(reply: Reply): Entry[] {
  const [first] = itemsOf(reply);
  return first === undefined ? [] : entriesOf(itemsOf(first)[1]);
}

/** The fields of one row of XINFO. */
export function rowOf(reply: Reply): ReadonlyMap<string, Reply> {
  const items = itemsOf(reply);
  const row = new Map<string, Reply>();
  for (let at = 0; at + 1 < items.length; at += 2) {
    const value = items[at + 1];
    if (value !== undefined) row.set(textOf(items[at]), value);
  }
  return row;
}
