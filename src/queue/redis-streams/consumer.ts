// Consuming: one blocking read after another on a connection of its own, what dead consumers left, acknowledgements.
//
// Invariants
//  R1  What is read and what is handed out and not acknowledged are together at most `maxInFlight`: a read asks for what is free.
//  R2  An entry that Redis gave and whose reply was lost is found again among this consumer's pending ones after each reconnection.
//  R3  What is held here is touched every CLAIM_MS, so that only what is nobody's is idle for IDLE_MS and taken over.
import { messageOf, openScope, randomHex, type Scope, sleep, type Timer } from '../../base/index.ts';
import { type Link, openLink } from '../../redis-link/index.ts';
import type { QueueMessage } from '../queue.ts';
import { Group } from './group.ts';
import { Held } from './held.ts';
import { type Entry, entriesOf, isNoGroup, itemsOf, numberOf, readEntriesOf, textOf } from './replies.ts';
import {
  BLOCK_MS,
  CLAIM_MS,
  GONE_MS,
  IDLE_MS,
  linkOptions,
  READ_MAX,
  RETRY_MS,
  type Settings,
} from './settings.ts';

/** Smaller bodies are copied: a view would keep a whole chunk of the socket. Units: bytes. */
const VIEW_BYTES_MIN = 4_096;
const NAME_BYTES = 8;

export class Consumer {
  readonly name: string;
  readonly #settings: Settings;
  readonly #commands: Link;
  readonly #reading: Link;
  readonly #scope: Scope;
  readonly #stream: Buffer;
  readonly #group: Group;
  readonly #held: Held;
  #claimTimer: Timer | undefined;
  #isClaiming = false;
  #isSubscribed = false;

  constructor(
    settings: Settings,
    {
      commands,
      handler,
      maxInFlight,
    }: { commands: Link; handler: (message: QueueMessage) => void; maxInFlight: number },
  ) {
    const { url, channel, clock, random, logger } = settings;
    this.#settings = settings;
    this.name = `${channel}-${randomHex(random, NAME_BYTES)}`;
    this.#commands = commands;
    this.#stream = Buffer.from(url.stream);
    this.#group = new Group(this.#stream, channel);
    this.#held = new Held({
      clock,
      link: commands,
      stream: this.#stream,
      group: channel,
      maxInFlight,
      handler: (message) => this.#hand(handler, message),
    });
    this.#scope = openScope((error) =>
      logger.error({ error: messageOf(error) }, 'redis streams reader ended'),
    );
    this.#reading = openLink({
      ...linkOptions(settings),
      onReady: async (setup) => {
        await this.#group.open(setup);
        this.#isSubscribed = true;
      },
    });
  }

  /** The group exists, as far as this process knows. */
  get isSubscribed(): boolean {
    return this.#isSubscribed && this.#reading.state === 'ready';
  }

  get lastError(): string | undefined {
    return this.#reading.lastError?.message;
  }

  /** Begins to read. Resolves when the group exists. Errors: those of the link and of Redis. */
  async start(): Promise<void> {
    this.#scope.run((signal) => this.#read(signal));
    this.#claimTimer = this.#settings.clock.every(CLAIM_MS, () => void this.#claim());
    await this.#group.open(this.#commands);
    this.#isSubscribed = true;
    void this.#claim();
  }

  /** Hands out once more what is kept since then. Errors: those of the link and of Redis. */
  async replay(sinceMs: number): Promise<void> {
    const [last] = entriesOf(await this.#commands.call(['XREVRANGE', this.#stream, '+', '-', 'COUNT', '1']));
    let from = String(Math.max(0, Math.floor(sinceMs)));
    while (last !== undefined && !this.#scope.signal.aborted) {
      const range = ['XRANGE', this.#stream, from, last.id, 'COUNT', String(READ_MAX)];
      const entries = entriesOf(await this.#commands.call(range));
      for (const entry of entries) {
        await this.#whenFree();
        this.#give(entry, { attempts: 1, isCopy: true });
      }
      if (entries.length < READ_MAX) return;
      from = `(${entries.at(-1)?.id}`;
    }
  }

  /** Stops reading, sends acknowledgements, leaves what is held to others at once. */
  async close(): Promise<void> {
    this.#claimTimer?.cancel();
    this.#held.close();
    const closed = this.#scope.close();
    this.#reading.close();
    await closed;
    await this.#held.flush();
    await this.#leave().catch(() => {});
  }

  /** R1. */
  async #read(signal: AbortSignal): Promise<void> {
    const { channel, clock } = this.#settings;
    let isNew = true;
    while (!signal.aborted) {
      const free = Math.min(this.#held.slots.free, READ_MAX);
      if (free <= 0) {
        await this.#held.slots.changed();
        continue;
      }
      try {
        if (isNew) await this.#recover(signal);
        isNew = false;
        const block = ['COUNT', String(free), 'BLOCK', String(BLOCK_MS), 'STREAMS', this.#stream, '>'];
        const reply = await this.#reading.call(['XREADGROUP', 'GROUP', channel, this.name, ...block]);
        if (isNoGroup(reply)) await this.#group.open(this.#reading);
        else for (const entry of readEntriesOf(reply)) this.#give(entry, { attempts: 1, isCopy: false });
      } catch (error) {
        if (signal.aborted) return;
        isNew = true;
        this.#settings.logger.debug({ error: messageOf(error) }, 'reading from the stream failed');
        await sleep(clock, RETRY_MS, signal);
      }
    }
  }

  /** R2. */
  async #recover(signal: AbortSignal): Promise<void> {
    const { channel } = this.#settings;
    this.#held.retry();
    for (let after = '0'; !signal.aborted; ) {
      const read = ['COUNT', String(READ_MAX), 'STREAMS', this.#stream, after];
      const reply = await this.#reading.call(['XREADGROUP', 'GROUP', channel, this.name, ...read]);
      if (isNoGroup(reply)) return this.#group.open(this.#reading);
      const entries = readEntriesOf(reply);
      for (const entry of entries) {
        if (this.#held.has(entry.id)) continue;
        await this.#whenFree();
        this.#give(entry, { attempts: 2, isCopy: false });
      }
      const last = entries.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** R3, and takes over what was left. */
  async #claim(): Promise<void> {
    if (this.#isClaiming || this.#scope.signal.aborted) return;
    this.#isClaiming = true;
    try {
      this.#held.retry();
      await this.#touch();
      await this.#takeOver();
      await this.#sweep();
    } catch (error) {
      this.#settings.logger.debug({ error: messageOf(error) }, 'looking for what others left failed');
    } finally {
      this.#isClaiming = false;
    }
  }

  async #touch(): Promise<void> {
    const { ids } = this.#held;
    if (ids.length === 0) return;
    await this.#commands.call([
      'XCLAIM',
      this.#stream,
      this.#settings.channel,
      this.name,
      '0',
      ...ids,
      'JUSTID',
    ]);
  }

  async #takeOver(): Promise<void> {
    const { channel } = this.#settings;
    const free = Math.min(this.#held.slots.free, READ_MAX);
    if (free <= 0) return;
    const idle = ['IDLE', String(IDLE_MS), '-', '+', String(free)];
    const pending = await this.#commands.call(['XPENDING', this.#stream, channel, ...idle]);
    if (isNoGroup(pending)) return;
    const attempts = new Map(
      itemsOf(pending).map((row) => {
        const [id, , , deliveries] = itemsOf(row);
        return [textOf(id), (numberOf(deliveries) ?? 1) + 1] as const;
      }),
    );
    if (attempts.size === 0) return;
    const claim = ['XCLAIM', this.#stream, channel, this.name, String(IDLE_MS), ...attempts.keys()];
    for (const entry of entriesOf(await this.#commands.call(claim))) {
      if (this.#held.has(entry.id)) continue;
      this.#give(entry, { attempts: attempts.get(entry.id) ?? 2, isCopy: false });
    }
  }

  /** Consumers of processes that are gone, once they have nothing any more. */
  async #sweep(): Promise<void> {
    const { channel } = this.#settings;
    const reply = await this.#commands.call(['XINFO', 'CONSUMERS', this.#stream, channel]);
    if (reply.kind === 'error') return;
    for (const row of itemsOf(reply)) {
      const fields = new Map(pairsOf(itemsOf(row).map((item) => textOf(item))));
      const name = fields.get('name') ?? this.name;
      const isGone = Number(fields.get('pending')) === 0 && Number(fields.get('idle')) > GONE_MS;
      if (isGone && name !== this.name)
        await this.#commands.call(['XGROUP', 'DELCONSUMER', this.#stream, channel, name]);
    }
  }

  /** What is held counts as idle for long; a consumer without anything goes. */
  async #leave(): Promise<void> {
    const { channel } = this.#settings;
    const { ids } = this.#held;
    if (ids.length > 0) {
      const old = ['IDLE', String(GONE_MS), 'JUSTID'];
      await this.#commands.call(['XCLAIM', this.#stream, channel, this.name, '0', ...ids, ...old]);
    }
    const pending = await this.#commands.call(['XPENDING', this.#stream, channel, '-', '+', '1', this.name]);
    if (pending.kind === 'array' && pending.items.length === 0)
      await this.#commands.call(['XGROUP', 'DELCONSUMER', this.#stream, channel, this.name]);
  }

  async #whenFree(): Promise<void> {
    while (this.#held.slots.free <= 0 && !this.#scope.signal.aborted) await this.#held.slots.changed();
  }

  #give({ id, body }: Entry, how: { readonly attempts: number; readonly isCopy: boolean }): void {
    if (!how.isCopy) this.#group.lastId = later(this.#group.lastId, id);
    if (body === undefined) {
      // Trimmed away before it was read: a gap, which the sites notice and repair.
      void this.#commands.call(['XACK', this.#stream, this.#settings.channel, id]).catch(() => {});
      return;
    }
    const own = body.length < VIEW_BYTES_MIN ? Buffer.from(body) : body;
    this.#held.give({ id, body: own, ...how });
  }

  #hand(handler: (message: QueueMessage) => void, message: QueueMessage): void {
    try {
      handler(message);
    } catch (error) {
      this.#settings.logger.error({ error: messageOf(error) }, 'a message could not be handled');
    }
  }
}

function* pairsOf(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < flat.length; at += 2) yield [flat[at] ?? '', flat[at + 1] ?? ''];
}

/** The later of two ids `MS-NUMBER`. */
function later(one: string | undefined, other: string): string {
  if (one === undefined) return other;
  const [ms = 0, number = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return otherMs > ms || (otherMs === ms && otherNumber > number) ? other : one;
}
