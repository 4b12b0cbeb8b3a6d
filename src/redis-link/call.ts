// One command whose reply is decoded.
import { assert, type MqkvError } from '../base/index.ts';
import { encodeCommand, type Reply, ReplyParser } from '../resp/index.ts';
import type { ReplySink } from './link.ts';

type Forward = (bytes: Buffer, count: number, sink: ReplySink) => void;

/** Sends one command by `forward` and decodes its reply. */
export function callBy(forward: Forward, args: readonly (string | Uint8Array)[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    forward(encodeCommand(args), 1, {
      replies: (bytes) => resolve(decode(bytes)),
      failed: (_count, _written, error: MqkvError) => reject(error),
    });
  });
}

function decode(bytes: Buffer): Reply {
  let found: Reply | undefined;
  const parser = new ReplyParser();
  parser.parse(bytes, (reply) => {
    found = reply;
  });
  assert(found !== undefined, `a scanned reply is a reply: ${parser.problem}`);
  return found;
}
