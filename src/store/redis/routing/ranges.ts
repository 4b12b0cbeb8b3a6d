// Where single replies and single commands lie in bytes that were passed on as one piece. Used when something was refused.
import { assert } from '../../../base/index.ts';
import { CommandBatch, RequestParser } from '../../../resp/index.ts';

const CR = 13;
const MINUS = 45;
/** `$` `=` `!`: a length, then bytes. */
const BULKS = [36, 61, 33];
/** `*` `~` `>`: elements. */
const AGGREGATES = [42, 126, 62];
/** `%` `|`: pairs; attributes stand before the reply they belong to. */
const MAP = 37;
const ATTRIBUTES = 124;

/** Where the complete reply that begins at `at` ends, exclusive. */
export function replyEnd(bytes: Buffer, at: number): number {
  let end = at;
  for (let left = 1; left > 0; left--) {
    const mark = bytes[end];
    const line = bytes.indexOf(CR, end);
    assert(line >= 0, 'a reply is complete');
    const next = line + 2;
    if (mark === 43 || mark === MINUS || mark === 58) {
      end = next;
      continue;
    }
    const length = BULKS.includes(mark) || AGGREGATES.includes(mark) || mark === MAP || mark === ATTRIBUTES;
    const count = length ? Math.max(Number(bytes.toString('latin1', end + 1, line)), -1) : -1;
    end = next;
    if (count < 0) continue;
    if (BULKS.includes(mark)) end = next + count + 2;
    else left += AGGREGATES.includes(mark) ? count : mark === MAP ? 2 * count : 2 * count + 1;
  }
  return end;
}

/** Each of the `count` commands in `bytes`, as views. */
export function commandsOf(bytes: Buffer | readonly Buffer[], count: number): readonly Buffer[] {
  const whole = bytes instanceof Uint8Array ? bytes : bytes.length === 1 ? bytes[0] : Buffer.concat(bytes);
  if (count === 1) return [whole];
  const parser = new RequestParser();
  parser.authenticated = true;
  const batch = new CommandBatch();
  parser.parse(whole, batch);
  assert(batch.count === count, `a request holds ${count} commands, not ${batch.count}`);
  const commands: Buffer[] = [];
  for (let i = 0; i < count; i++)
    commands.push(whole.subarray(i === 0 ? 0 : commandEnd(batch, i - 1), commandEnd(batch, i)));
  return commands;
}

function commandEnd(batch: CommandBatch, i: number): number {
  return batch.end(i, batch.argc(i) - 1) + 2;
}
