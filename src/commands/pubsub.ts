// PUBLISH, SUBSCRIBE and their families, PUBSUB.
import type { Latin1 } from '../base/index.ts';
import type { PubSub, SubscriptionKind } from '../server/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { unknownSubcommand, wrongArity } from './errors.ts';
import { replyHelp } from './help.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';

/** A call on a connection of a gateway; commands without one are refused. */
export function attached(c: Call): { session: Session; shared: Shared } | undefined {
  if (c.session !== undefined && c.shared !== undefined) return { session: c.session, shared: c.shared };
  return c.fail(`ERR '${c.spec.name}' needs a connection`);
}

type Subscribing = 'subscribe' | 'psubscribe' | 'ssubscribe';
type Unsubscribing = 'unsubscribe' | 'punsubscribe' | 'sunsubscribe';

function subscribe(method: Subscribing): CommandHandler {
  return (c) => {
    const on = attached(c);
    if (on === undefined) return;
    for (const name of c.rest(1)) on.shared.pubsub[method](on.session.connection, name, c.reply);
  };
}

function unsubscribe(method: Unsubscribing): CommandHandler {
  return (c) => {
    const on = attached(c);
    on?.shared.pubsub[method](on.session.connection, c.rest(1), c.reply);
  };
}

function publish(c: Call): void {
  if (c.shared === undefined) return c.reply.integer(0);
  const message = Buffer.from(c.bytes(2));
  c.reply.integer(c.shared.pubsub.publish(c.text(1), message));
  c.shared.options.publish?.(c.text(1), message);
}

function spublish(c: Call): void {
  c.reply.integer(c.shared?.pubsub.spublish(c.text(1), Buffer.from(c.bytes(2))) ?? 0);
}

function listNames(c: Call, names: (pattern?: Latin1) => Latin1[]): void {
  if (c.argc > 3) return c.fail(wrongArity(c.spec.name));
  c.strings(names(c.argc > 2 ? c.text(2) : undefined));
}

function countNames(c: Call, pubsub: PubSub, kind: SubscriptionKind): void {
  const names = c.rest(2);
  c.reply.array(names.length * 2);
  for (const name of names) {
    c.reply.latin1(name);
    c.reply.integer(pubsub.receivers(kind, name));
  }
}

function pubsubCommand(c: Call): void {
  const pubsub = c.shared?.pubsub;
  if (pubsub === undefined) return void attached(c);
  const word = c.word(1);
  if (word === 'CHANNELS') listNames(c, (pattern) => pubsub.names('channel', pattern));
  else if (word === 'SHARDCHANNELS') listNames(c, (pattern) => pubsub.names('shard', pattern));
  else if (word === 'NUMSUB') countNames(c, pubsub, 'channel');
  else if (word === 'SHARDNUMSUB') countNames(c, pubsub, 'shard');
  else if (word === 'NUMPAT') c.reply.integer(pubsub.patterns);
  else if (word === 'HELP') replyHelp(c);
  else c.fail(unknownSubcommand('pubsub', c.text(1)));
}

export const pubsubCommands: Readonly<Record<string, CommandHandler>> = {
  subscribe: subscribe('subscribe'),
  psubscribe: subscribe('psubscribe'),
  ssubscribe: subscribe('ssubscribe'),
  unsubscribe: unsubscribe('unsubscribe'),
  punsubscribe: unsubscribe('punsubscribe'),
  sunsubscribe: unsubscribe('sunsubscribe'),
  publish,
  spublish,
  pubsub: pubsubCommand,
};
