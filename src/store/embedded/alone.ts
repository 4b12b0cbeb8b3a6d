// A site without a queue: nobody takes its marks, so they go by themselves.
import type { Clock, Timer } from '../../base/index.ts';
import type { EmbeddedOutbox } from './embedded-outbox.ts';

/** Units: ms that marks stay: together they cost less than one by one, but not so many that clients notice. */
const DROP_MS = 100;

/** Lets marks go shortly after they appear, until it is cancelled. Takes the outbox's `onMark`. */
export function dropMarks(outbox: EmbeddedOutbox, clock: Clock): Timer {
  let timer: Timer | undefined;
  outbox.onMark = () => {
    timer?.cancel();
    timer = clock.after(DROP_MS, () => outbox.drop());
  };
  if (outbox.pending > 0) outbox.onMark();
  return {
    cancel: () => {
      outbox.onMark = undefined;
      timer?.cancel();
    },
  };
}
