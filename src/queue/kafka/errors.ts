// What the driver's errors mean for the queue.
import { messageOf, MqkvError } from '../../base/index.ts';

/** Names of Kafka's own error codes that will not go away by trying again. */
const FINAL = [
  'SASL_AUTHENTICATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'INVALID_TOPIC_EXCEPTION',
];
const TOO_LARGE = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'];

/** An error of the driver, with the queue's code. */
export function queueError(error: unknown): MqkvError {
  if (error instanceof MqkvError) return error;
  const all = causesOf(error);
  const names = all.map(nameOf);
  const deepest = all.at(-1) ?? error;
  const text = all.length > 1 ? `${messageOf(error)} ${messageOf(deepest)}` : messageOf(error);
  const isTooLarge = names.some((name) => TOO_LARGE.includes(name));
  if (isTooLarge) return new MqkvError('MESSAGE_TOO_LARGE', text, { cause: error });
  const isFinal = names.some((name) => FINAL.includes(name) || name === 'PLT_KFK_AUTHENTICATION');
  return new MqkvError(isFinal ? 'QUEUE_REFUSED' : 'QUEUE_UNREACHABLE', text, { cause: error });
}

/** Whether Kafka says that it cannot at this moment: a coordinator or leader is being found. */
export function isPassing(error: unknown): boolean {
  return causesOf(error).some(
    (one) => (one as { canRetry?: unknown } | null)?.canRetry === true && nameOf(one) !== 'PLT_KFK_NETWORK',
  );
}

/** Whether Kafka says that the topic is not there. */
export function isUnknownTopic(error: unknown): boolean {
  const isUnknown = (one: unknown): boolean =>
    nameOf(one) === 'UNKNOWN_TOPIC_OR_PARTITION' ||
    (nameOf(one) === 'PLT_KFK_USER' && messageOf(one).startsWith('Unknown topic'));
  return causesOf(error).some(isUnknown);
}

/** Whether Kafka says that the topic is there already. */
export function isTopicThere(error: unknown): boolean {
  return causesOf(error).some((one) => nameOf(one) === 'TOPIC_ALREADY_EXISTS');
}

/** Kafka's name of the error, or the driver's code. */
function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { apiId, code } = error as { apiId?: unknown; code?: unknown };
  if (typeof apiId === 'string') return apiId;
  return typeof code === 'string' ? code : '';
}

/** The error, what it is made of and what caused it. */
function causesOf(error: unknown): unknown[] {
  if (!(error instanceof Error)) return [error];
  const parts: unknown[] = error instanceof AggregateError ? error.errors : [];
  return [error, ...parts.flatMap(causesOf), ...(error.cause === undefined ? [] : causesOf(error.cause))];
}
