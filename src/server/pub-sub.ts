// Publish and subscribe over connections: channels, patterns, and Redis' sharded channels.
import type { Latin1 } from '../base/index.ts';
import type { ReplyWriter } from '../resp/index.ts';
import type { Connection } from './connection.ts';
import { matchesGlob } from './glob.ts';

/** The three kinds of subscription; each has names of its own. */
export type SubscriptionKind = 'channel' | 'pattern' | 'shard';

interface Words {
  readonly subscribed: string;
  readonly unsubscribed: string;
}

const WORDS: Readonly<Record<SubscriptionKind, Words>> = {
  channel: { subscribed: 'subscribe', unsubscribed: 'unsubscribe' },
  pattern: { subscribed: 'psubscribe', unsubscribed: 'punsubscribe' },
  shard: { subscribed: 'ssubscribe', unsubscribed: 'sunsubscribe' },
};

type Names = Record<SubscriptionKind, Set<Latin1>>;

/** Subscriptions of a server's connections. A connection's subscriptions end when it closes. */
export class PubSub {
  readonly #subscribers: Readonly<Record<SubscriptionKind, Map<Latin1, Set<Connection>>>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  readonly #names = new Map<Connection, Names>();

  /** SUBSCRIBE to one name, with its confirmation. */
  subscribe(connection: Connection, channel: Latin1, reply: ReplyWriter): void {
    this.add(connection, 'channel', channel);
    this.#confirm(connection, { word: WORDS.channel.subscribed, kind: 'channel', name: channel }, reply);
  }

  /** PSUBSCRIBE to one pattern, with its confirmation. */
  psubscribe(connection: Connection, pattern: Latin1, reply: ReplyWriter): void {
    this.add(connection, 'pattern', pattern);
    this.#confirm(connection, { word: WORDS.pattern.subscribed, kind: 'pattern', name: pattern }, reply);
  }

  /** SSUBSCRIBE to one shard channel, with its confirmation. */
  ssubscribe(connection: Connection, channel: Latin1, reply: ReplyWriter): void {
    this.add(connection, 'shard', channel);
    this.#confirm(connection, { word: WORDS.shard.subscribed, kind: 'shard', name: channel }, reply);
  }

  /** UNSUBSCRIBE from some names, or from all with none given, with a confirmation each. */
  unsubscribe(connection: Connection, channels: readonly Latin1[], reply: ReplyWriter): void {
    this.#unsubscribeAll(connection, { kind: 'channel', names: channels }, reply);
  }

  /** PUNSUBSCRIBE. */
  punsubscribe(connection: Connection, patterns: readonly Latin1[], reply: ReplyWriter): void {
    this.#unsubscribeAll(connection, { kind: 'pattern', names: patterns }, reply);
  }

  /** SUNSUBSCRIBE. */
  sunsubscribe(connection: Connection, channels: readonly Latin1[], reply: ReplyWriter): void {
    this.#unsubscribeAll(connection, { kind: 'shard', names: channels }, reply);
  }

  /** Sends a message to the channel's subscribers and to matching patterns. Result: how many it was sent to. */
  publish(channel: Latin1, message: Uint8Array): number {
    let receivers = this.toChannel(channel, message);
    for (const pattern of this.#subscribers.pattern.keys())
      if (matchesGlob(pattern, channel)) receivers += this.toPattern(pattern, channel, message);
    return receivers;
  }

  /** Sends a message to the channel's own subscribers only. Result: how many it was sent to. */
  toChannel(channel: Latin1, message: Uint8Array): number {
    const connections = this.#subscribers.channel.get(channel);
    for (const connection of connections ?? []) send(connection, ['message', channel], message);
    return connections?.size ?? 0;
  }

  /** Sends a message of a channel to the subscribers of a pattern that matches it. Result: how many it was sent to. */
  toPattern(pattern: Latin1, channel: Latin1, message: Uint8Array): number {
    const connections = this.#subscribers.pattern.get(pattern);
    for (const connection of connections ?? []) send(connection, ['pmessage', pattern, channel], message);
    return connections?.size ?? 0;
  }

  /** SPUBLISH. Result: how many it was sent to. */
  spublish(channel: Latin1, message: Uint8Array): number {
    const connections = this.#subscribers.shard.get(channel);
    for (const connection of connections ?? []) send(connection, ['smessage', channel], message);
    return connections?.size ?? 0;
  }

  /** Names with subscribers, those that match a pattern when one is given (PUBSUB CHANNELS). */
  names(kind: SubscriptionKind, pattern?: Latin1): Latin1[] {
    const names = [...this.#subscribers[kind].keys()];
    return pattern === undefined ? names : names.filter((name) => matchesGlob(pattern, name));
  }

  /** Subscribers of a name (PUBSUB NUMSUB). */
  receivers(kind: SubscriptionKind, name: Latin1): number {
    return this.#subscribers[kind].get(name)?.size ?? 0;
  }

  /** Different patterns (PUBSUB NUMPAT). */
  get patterns(): number {
    return this.#subscribers.pattern.size;
  }

  /** Subscriptions of a connection: channels and patterns together, or shard channels. */
  count(connection: Connection, kind: SubscriptionKind = 'channel'): number {
    const names = this.#names.get(connection);
    if (names === undefined) return 0;
    return kind === 'shard' ? names.shard.size : names.channel.size + names.pattern.size;
  }

  /** Whether the connection has any subscription: on RESP2 it may then only use the pub/sub commands, PING, QUIT, RESET. */
  isSubscribed(connection: Connection): boolean {
    return this.#names.has(connection);
  }

  /** Subscribes without a confirmation. false: it was subscribed already. */
  add(connection: Connection, kind: SubscriptionKind, name: Latin1): boolean {
    const names = this.#names.get(connection) ?? this.#remember(connection);
    if (names[kind].has(name)) return false;
    names[kind].add(name);
    const connections = this.#subscribers[kind].get(name);
    if (connections === undefined) this.#subscribers[kind].set(name, new Set([connection]));
    else connections.add(connection);
    return true;
  }

  /** Unsubscribes without a confirmation. false: it was not subscribed. */
  remove(connection: Connection, kind: SubscriptionKind, name: Latin1): boolean {
    const names = this.#names.get(connection);
    if (names === undefined || !names[kind].delete(name)) return false;
    const connections = this.#subscribers[kind].get(name);
    connections?.delete(connection);
    if (connections?.size === 0) this.#subscribers[kind].delete(name);
    if (names.channel.size + names.pattern.size + names.shard.size === 0) {
      this.#names.delete(connection);
      connection.keepOpen = false;
    }
    return true;
  }

  /** Ends all subscriptions of a connection (RESET; by itself when it closes). */
  drop(connection: Connection): void {
    const names = this.#names.get(connection);
    if (names === undefined) return;
    for (const kind of ['channel', 'pattern', 'shard'] as const) {
      for (const name of names[kind]) this.remove(connection, kind, name);
    }
  }

  #remember(connection: Connection): Names {
    const names = { channel: new Set<Latin1>(), pattern: new Set<Latin1>(), shard: new Set<Latin1>() };
    this.#names.set(connection, names);
    connection.keepOpen = true;
    const known = this.#watched.has(connection);
    this.#watched.add(connection);
    if (!known) connection.signal.addEventListener('abort', () => this.drop(connection), { once: true });
    return names;
  }

  readonly #watched = new WeakSet<Connection>();

  #unsubscribeAll(
    connection: Connection,
    { kind, names }: { readonly kind: SubscriptionKind; readonly names: readonly Latin1[] },
    reply: ReplyWriter,
  ): void {
    const word = WORDS[kind].unsubscribed;
    const which = names.length > 0 ? names : [...(this.#names.get(connection)?.[kind] ?? [])];
    for (const name of which) {
      this.remove(connection, kind, name);
      this.#confirm(connection, { word, kind, name }, reply);
    }
    if (which.length === 0) this.#confirm(connection, { word, kind, name: undefined }, reply);
  }

  #confirm(
    connection: Connection,
    { word, kind, name }: { word: string; kind: SubscriptionKind; name: Latin1 | undefined },
    reply: ReplyWriter,
  ): void {
    reply.push(3);
    reply.latin1(word);
    if (name === undefined) reply.null();
    else reply.latin1(name);
    reply.integer(this.count(connection, kind));
  }
}

function send(connection: Connection, head: readonly Latin1[], message: Uint8Array): void {
  connection.push((reply) => {
    reply.push(head.length + 1);
    for (const text of head) reply.latin1(text);
    reply.bulk(message);
  });
}
