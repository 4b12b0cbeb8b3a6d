// CLIENT TRACKING for the gateway's own clients: who read which key, and who is told when it changes.
//
// 1. A key is watched at the Redis before it is read, so a change after the read is always told.
// 2. A change is told once; the key is then forgotten until it is read again. BCAST clients are told of every change.
// 3. When the connection that listens is lost, everything that it watched counts as changed.
import { type Latin1, TRACKED_KEYS_MAX } from '../../base/index.ts';
import type { Call } from '../call.ts';
import { namedKeys } from '../dispatch.ts';
import { SYNTAX } from '../errors.ts';
import type { Session } from '../session.ts';
import { Broadcast } from './broadcast.ts';
import type { Port } from './port.ts';
import { type TrackingOptions, trackingOptions } from './tracking-options.ts';
import type { Watcher } from './waiting.ts';

const CHANNEL = '__redis__:invalidate';
const NO_CACHING =
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled';

interface Tracked {
  options: TrackingOptions;
  /** CLIENT CACHING for the next command. */
  caching: 'yes' | 'no' | undefined;
  /** Keys that it has itself written and not been told of yet: NOLOOP with BCAST. */
  readonly own: Set<Latin1>;
}

/** The tracking of one gateway. */
export class Tracking {
  readonly #port: Port;
  readonly #watcher: Watcher;
  readonly #sessions = new Map<Session, Tracked>();
  /** Who read a key, oldest key first. */
  readonly #readers = new Map<Latin1, Set<Session>>();
  #broadcast: Broadcast | undefined;

  constructor(port: Port, watcher: Watcher) {
    this.#port = port;
    this.#watcher = watcher;
  }

  /** TRACKING, TRACKINGINFO, CACHING and GETREDIR of CLIENT. false: another subcommand. */
  command(c: Call, session: Session): boolean | Promise<void> {
    const word = c.word(1);
    if (word === 'TRACKING') return this.#turn(c, session);
    if (word === 'TRACKINGINFO') this.#info(c, session);
    else if (word === 'CACHING') this.#caching(c, session);
    else if (word === 'GETREDIR') c.reply.integer(this.#sessions.get(session)?.options.redirect ?? -1);
    else return false;
    return true;
  }

  /** Before a command of a connection that tracks: what it reads is watched first. */
  async before(c: Call, session: Session): Promise<void> {
    const tracked = this.#sessions.get(session);
    if (tracked === undefined) return;
    const { reads, writes } = keysOf(c, session);
    const { options, caching } = tracked;
    if (c.spec.name !== 'client|caching' && c.spec.name !== 'multi' && session.queue === undefined)
      tracked.caching = undefined;
    if (c.spec.name === 'exec') tracked.caching = undefined;
    if (options.isNoLoop) this.#writing(session, tracked, writes);
    const isWanted =
      options.mode === 'all' || (options.mode === 'optin' ? caching === 'yes' : caching !== 'no');
    if (options.mode === 'bcast' || !isWanted || reads.length === 0) return;
    for (const key of reads) this.#remember(key, session);
    await this.#watcher.watch(reads);
  }

  /** A key may have changed. */
  changed(key: Latin1): void {
    const readers = this.#readers.get(key);
    if (readers === undefined) return;
    this.#readers.delete(key);
    for (const session of readers) this.#tell(session, [key]);
  }

  /** A connection has gone, or turns tracking off. */
  drop(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    session.isTracking = false;
    for (const [key, readers] of this.#readers)
      if (readers.delete(session) && readers.size === 0) this.#readers.delete(key);
    this.#settleBroadcast();
  }

  close(): void {
    this.#broadcast?.close();
    this.#broadcast = undefined;
  }

  /** BCAST is confirmed once changes are heard of. */
  async #turn(c: Call, session: Session): Promise<void> {
    const word = c.word(2);
    if (word !== 'ON' && word !== 'OFF') return c.fail(SYNTAX);
    const held = this.#sessions.get(session);
    const options = trackingOptions(c, word === 'ON' ? held?.options : undefined);
    if (typeof options === 'string') return c.fail(options);
    if (word === 'OFF') this.drop(session);
    else if (held === undefined) this.#sessions.set(session, { options, caching: undefined, own: new Set() });
    else held.options = options;
    session.isTracking = word === 'ON';
    this.#settleBroadcast();
    await this.#broadcast?.ready;
    c.reply.ok();
  }

  #caching(c: Call, session: Session): void {
    const tracked = this.#sessions.get(session);
    const mode = tracked?.options.mode;
    if (tracked === undefined || (mode !== 'optin' && mode !== 'optout')) return c.fail(NO_CACHING);
    const word = c.word(2);
    if (word === 'YES' && mode !== 'optin')
      return c.fail('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.');
    if (word === 'NO' && mode !== 'optout')
      return c.fail('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.');
    if (word !== 'YES' && word !== 'NO') return c.fail(SYNTAX);
    tracked.caching = word === 'YES' ? 'yes' : 'no';
    c.reply.ok();
  }

  #info({ reply }: Call, session: Session): void {
    const tracked = this.#sessions.get(session);
    const flags = tracked === undefined ? ['off'] : flagsOf(tracked, this.#port.shared.sessions);
    reply.map(3);
    reply.latin1('flags');
    reply.set(flags.length);
    for (const flag of flags) reply.latin1(flag);
    reply.latin1('redirect');
    reply.integer(tracked?.options.redirect ?? -1);
    reply.latin1('prefixes');
    const prefixes = tracked?.options.prefixes ?? [];
    reply.array(prefixes.length);
    for (const prefix of prefixes) reply.latin1(prefix);
  }

  /** Its own writes are not told: as in Redis the keys are then not tracked any more. */
  #writing(session: Session, tracked: Tracked, keys: readonly Latin1[]): void {
    for (const key of keys) {
      if (tracked.options.mode === 'bcast') tracked.own.add(key);
      else this.#readers.get(key)?.delete(session);
    }
  }

  #remember(key: Latin1, session: Session): void {
    const readers = this.#readers.get(key);
    if (readers !== undefined) readers.add(session);
    else this.#readers.set(key, new Set([session]));
    if (this.#readers.size <= TRACKED_KEYS_MAX) return;
    const [oldest] = this.#readers.keys();
    this.changed(oldest);
  }

  #settleBroadcast(): void {
    this.#port.shared.gauges.tracking = this.#sessions.size;
    const isWanted = [...this.#sessions.values()].some(({ options }) => options.mode === 'bcast');
    if (isWanted) this.#broadcast ??= new Broadcast(this.#port, (keys) => this.#heardOfAll(keys));
    else this.close();
  }

  /** Every change at the Redis; undefined: some have been missed. */
  #heardOfAll(keys: readonly Latin1[] | undefined): void {
    for (const [session, { options, own }] of this.#sessions) {
      if (options.mode !== 'bcast') continue;
      if (keys === undefined) {
        this.#tell(session, undefined);
        continue;
      }
      const told = keys.filter(
        (key) => options.prefixes.some((prefix) => key.startsWith(prefix)) && !own.delete(key),
      );
      if (told.length > 0) this.#tell(session, told);
    }
  }

  #tell(session: Session, keys: readonly Latin1[] | undefined): void {
    const redirect = this.#sessions.get(session)?.options.redirect ?? 0;
    const target = redirect === 0 ? session : this.#port.shared.sessions.get(redirect);
    if (target === undefined) return;
    const { connection } = target;
    const isSubscribed = this.#port.shared.pubsub.isSubscribed(connection);
    if (connection.protocol === 2 && (redirect === 0 || !isSubscribed)) return;
    connection.push((reply) => {
      if (connection.protocol === 3) {
        reply.push(2);
        reply.latin1('invalidate');
      } else {
        reply.push(3);
        reply.latin1('message');
        reply.latin1(CHANNEL);
      }
      if (keys === undefined) return reply.null();
      reply.array(keys.length);
      for (const key of keys) reply.latin1(key);
    });
  }
}

/** Keys that a command, or the commands that EXEC executes, read and write. */
function keysOf(c: Call, session: Session): { readonly reads: Latin1[]; readonly writes: Latin1[] } {
  const reads: Latin1[] = [];
  const writes: Latin1[] = [];
  const isExec = c.spec.name === 'exec';
  if (!isExec && session.queue !== undefined) return { reads, writes };
  const commands = isExec ? (session.queue ?? []) : [{ spec: c.spec, args: c.rest(0) }];
  for (const { spec, args } of commands) {
    const keys = namedKeys(spec, { argc: args.length, text: (a) => args[a] });
    if (spec.isWrite) writes.push(...keys);
    else if (spec.flags.has('readonly')) reads.push(...keys);
  }
  return { reads, writes };
}

function flagsOf({ options, caching }: Tracked, sessions: ReadonlyMap<number, Session>): string[] {
  const flags = ['on'];
  if (options.mode !== 'all') flags.push(options.mode);
  if (options.mode === 'optin' && caching === 'yes') flags.push('caching-yes');
  if (options.mode === 'optout' && caching === 'no') flags.push('caching-no');
  if (options.isNoLoop) flags.push('noloop');
  if (options.redirect !== 0 && !sessions.has(options.redirect)) flags.push('broken_redirect');
  return flags;
}
