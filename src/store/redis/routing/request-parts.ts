// Which single commands lie in bytes that are passed on as one piece. Used when something was refused.
import { assert, type Latin1 } from '../../../base/index.ts';
import { CommandBatch, RequestParser } from '../../../resp/index.ts';

/** Each of the `count` commands in `bytes`, as views. */
export function commandsOf(bytes: Buffer | readonly Buffer[], count: number): readonly Buffer[] {
  const whole = joined(bytes);
  if (count === 1) return [whole];
  const batch = parsed(whole, count);
  const commands: Buffer[] = [];
  for (let i = 0; i < count; i++)
    commands.push(whole.subarray(i === 0 ? 0 : commandEnd(batch, i - 1), commandEnd(batch, i)));
  return commands;
}

/** All arguments of the `count` commands in `bytes` but their names: whatever they are, the keys are among them. */
export function wordsOf(bytes: Buffer | readonly Buffer[], count: number): ReadonlySet<Latin1> {
  const batch = parsed(joined(bytes), count);
  const words = new Set<Latin1>();
  for (let i = 0; i < count; i++) for (let a = 1; a < batch.argc(i); a++) words.add(batch.text(i, a));
  return words;
}

function joined(bytes: Buffer | readonly Buffer[]): Buffer {
  return bytes instanceof Uint8Array ? bytes : bytes.length === 1 ? bytes[0] : Buffer.concat(bytes);
}

function parsed(whole: Buffer, count: number): CommandBatch {
  const parser = new RequestParser();
  parser.authenticated = true;
  const batch = new CommandBatch();
  parser.parse(whole, batch);
  assert(batch.count === count, `a request holds ${count} commands, not ${batch.count}`);
  return batch;
}

function commandEnd(batch: CommandBatch, i: number): number {
  return batch.end(i, batch.argc(i) - 1) + 2;
}
