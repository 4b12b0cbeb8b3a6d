// The keys that encoded deltas name, without decoding what is in them: the grammar is in codec.ts.
import { MqkvError } from '../base/index.ts';
import { FORM_DELETED, FORM_GENERAL, FORM_PLAIN, FORM_PLAIN_TTL } from './codec.ts';

/** Units: bytes of a delta before its key, by form. */
const HEAD_BYTES: Readonly<Record<number, number>> = {
  [FORM_PLAIN]: 21,
  [FORM_PLAIN_TTL]: 27,
  [FORM_DELETED]: 17,
  [FORM_GENERAL]: 9,
};

/**
 * Calls `visit` with where each delta's key stands in `deltas`. For deltas that this process made: what is cut short is refused, what is
 * inside is not looked at. Errors: MqkvError `MALFORMED_DELTA`.
 */
export function visitDeltaKeys(deltas: Buffer, visit: (start: number, end: number) => void): void {
  for (let at = 0; at < deltas.length; ) {
    const form = deltas[at] ?? 0;
    const head = HEAD_BYTES[form];
    if (head === undefined || at + head > deltas.length)
      throw new MqkvError('MALFORMED_DELTA', 'malformed delta: unknown form or cut short');
    const start = at + head;
    const end = start + deltas.readUInt32LE(at + 1);
    const rest = form === FORM_DELETED ? 0 : deltas.readUInt32LE(at + 5);
    if (end + rest > deltas.length) throw new MqkvError('MALFORMED_DELTA', 'malformed delta: cut short');
    visit(start, end);
    at = end + rest;
  }
}
