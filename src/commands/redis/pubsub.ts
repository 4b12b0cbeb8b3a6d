// SUBSCRIBE, PUBLISH and their families over a Redis store.
import type { SubscriptionKind } from '../../server/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Call } from '../call.ts';
import type { Session } from '../session.ts';
import type { Channels } from './channels.ts';
import { CROSS_SLOT, haveOneSlot } from './cross-slot.ts';
import type { Port } from './port.ts';
import { isErrorReply } from './raw-reply.ts';

const SUBSCRIBES: Readonly<Record<string, SubscriptionKind>> = {
  subscribe: 'channel',
  psubscribe: 'pattern',
  ssubscribe: 'shard',
};
const METHODS = { channel: 'subscribe', pattern: 'psubscribe', shard: 'ssubscribe' } as const;
const RESERVED_CHANNEL = "ERR channel names beginning with 'mqkv:' are reserved";

/** Subscribes or unsubscribes. false: another command. */
export function subscribe(c: Call, session: Session, channels: Channels): boolean | Promise<void> {
  const { name } = c.spec;
  if (name.endsWith('unsubscribe')) {
    channels.released();
    return false;
  }
  const kind = SUBSCRIBES[name];
  if (kind === undefined) return false;
  const names = c.rest(1);
  const refused = reasonAgainst(kind, names, c);
  if (refused !== undefined) {
    c.fail(refused);
    return true;
  }
  const { pubsub } = channels.port.shared;
  return channels.want(kind, names, () => {
    for (const each of names) pubsub[METHODS[kind]](session.connection, each, c.reply);
  });
}

function reasonAgainst(kind: SubscriptionKind, names: readonly string[], c: Call): string | undefined {
  if (kind !== 'pattern' && names.some((name) => name.startsWith('mqkv:'))) return RESERVED_CHANNEL;
  const isTorn = kind === 'shard' && c.spec.name === 'ssubscribe' && !haveOneSlot(names);
  return isTorn ? CROSS_SLOT : undefined;
}

/** PUBLISH and SPUBLISH, by the Redis' own: all gateways of the site and whoever subscribes there get it. false: another command. */
export function publish(c: Call, session: Session, port: Port): boolean | Promise<void> {
  if (c.spec.name !== 'publish' && c.spec.name !== 'spublish') return false;
  if (!c.text(1).startsWith('mqkv:')) return send(c, session, port);
  c.fail(RESERVED_CHANNEL);
  return true;
}

async function send(c: Call, session: Session, port: Port): Promise<void> {
  const channel = c.text(1);
  const message = Buffer.from(c.bytes(2));
  const isShard = c.spec.name === 'spublish';
  const slot = isShard ? slotOf(channel) : 0;
  const [raw] = await port.ask(session, [c.rest(0)], { slot, protocol: c.reply.protocol, isOnce: true });
  c.reply.raw(raw);
  if (!isShard && !isErrorReply(raw)) port.shared.options.publish?.(channel, message);
}
