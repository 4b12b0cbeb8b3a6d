// The name under which a site consumes, which every broker must take as it is.
import { MqkvError } from '../base/index.ts';

const CHANNEL = /^[.a-zA-Z0-9_-]{1,64}$/;

/** Errors: MqkvError `BAD_CHANNEL`. */
export function checkChannel(channel: string): void {
  if (CHANNEL.test(channel)) return;
  throw new MqkvError('BAD_CHANNEL', `channel "${channel}" must be 1 to 64 of A-Z a-z 0-9 . _ -`);
}
