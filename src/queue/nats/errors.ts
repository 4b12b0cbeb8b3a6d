// What the driver's errors mean for the queue.
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { messageOf, MqkvError } from '../../base/index.ts';

/** The server's number for a message above the stream's own limit. */
const TOO_LARGE = 10_054;

/** An error of connecting or publishing, with the queue's code. */
export function queueError(error: unknown): MqkvError {
  if (error instanceof MqkvError) return error;
  const text = reasonOf(error);
  if (error instanceof JetStreamApiError && error.code === TOO_LARGE)
    return new MqkvError('MESSAGE_TOO_LARGE', text, { cause: error });
  return new MqkvError(isRefusal(error) ? 'QUEUE_REFUSED' : 'QUEUE_UNREACHABLE', text, { cause: error });
}

/** The server said no, and will again. */
function isRefusal(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status >= 400 && error.status < 500;
  const { AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError } = errors;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof AuthorizationError || at instanceof PermissionViolationError) return true;
    if (at instanceof UserAuthenticationExpiredError) return true;
  }
  return false;
}

/** One line that says what the outermost error leaves to its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const text = messageOf(error).toLowerCase();
  return cause instanceof Error && cause.message !== '' ? `${text}: ${cause.message.toLowerCase()}` : text;
}
