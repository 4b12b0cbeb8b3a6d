// Consuming: pulls as many messages as may be handed out, on whichever connection is ready.
//
// One pull at a time, so that messages keep their order.
//
// Invariant: what is asked for and what is handed out and not acknowledged are together at most `maxInFlight`.
import {
  type Consumer as Pulled,
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
} from '@nats-io/jetstream';
import { messageOf } from '../../base/index.ts';
import type { QueueMessage } from '../queue.ts';
import { Slots } from '../slots.ts';
import type { Ready } from './session.ts';
import { durableOf, type NatsQueueOptions, PULL_MS, REQUEST_MS } from './settings.ts';
import { openConsumer } from './stream.ts';

/** Of one pull while kept messages are read again. */
const REPLAY_MESSAGES = 32;

type Handler = (message: QueueMessage) => void;

export class Consumer {
  readonly #options: NatsQueueOptions;
  readonly #handler: Handler;
  readonly #slots: Slots;
  /** Handed out and not acknowledged. */
  readonly #held = new Set<JsMsg>();
  #pulls = new Set<ConsumerMessages>();
  #isClosed = false;

  constructor(options: NatsQueueOptions, handler: Handler, maxInFlight: number) {
    this.#options = options;
    this.#handler = handler;
    this.#slots = new Slots(maxInFlight);
  }

  /** Consumes on a connection until it ends. Resolves when the durable exists. Errors: the driver's. */
  async attach(ready: Ready): Promise<void> {
    const { url, channel } = this.#options;
    await openConsumer(ready.manager, url.stream, channel);
    const consumer = await ready.client.consumers.get(url.stream, durableOf(channel));
    void this.#pull(ready, consumer);
  }

  /** Hands out once more what was published since then. Errors: the driver's. */
  async replay(ready: Ready, sinceMs: number): Promise<void> {
    const { stream } = this.#options.url;
    const { state } = await ready.manager.streams.info(stream);
    const opt_start_time = new Date(sinceMs).toISOString();
    const options = { deliver_policy: DeliverPolicy.StartTime, opt_start_time };
    const consumer = await ready.client.consumers.get(stream, options);
    for (let last = 0; last < state.last_seq && !this.#isClosed; ) {
      const before = last;
      const messages = await consumer.fetch({ max_messages: REPLAY_MESSAGES, expires: REQUEST_MS });
      for await (const message of messages) {
        last = message.seq;
        await this.#whenFree();
        this.#handOut(message, true);
      }
      // Nothing came: it has been deleted or has expired meanwhile.
      if (last === before) return;
    }
  }

  /** Stops; what is not acknowledged goes back. */
  close(): void {
    this.#isClosed = true;
    for (const pull of this.#pulls) pull.stop();
    for (const message of this.#held) message.nak();
    this.#held.clear();
    this.#slots.wake();
  }

  async #pull(ready: Ready, consumer: Pulled): Promise<void> {
    const { connection } = ready;
    const asking = { count: 0 };
    void connection.closed().then(() => this.#slots.wake());
    while (!this.#isClosed && !connection.isClosed()) {
      const free = this.#slots.free - asking.count;
      if (free > 0 && asking.count === 0) {
        asking.count += free;
        void this.#fetch(ready, consumer, { asking, count: free });
      }
      await this.#slots.changed();
    }
  }

  async #fetch(
    ready: Ready,
    consumer: Pulled,
    { asking, count }: { readonly asking: { count: number }; readonly count: number },
  ): Promise<void> {
    let left = count;
    let messages: ConsumerMessages | undefined;
    try {
      messages = await consumer.fetch({ max_messages: count, expires: PULL_MS });
      this.#pulls.add(messages);
      for await (const message of messages) {
        left--;
        asking.count--;
        this.#handOut(message, false);
      }
      const why = await messages.closed();
      if (why instanceof Error) ready.fail(why);
    } catch (error) {
      if (!ready.connection.isClosed()) ready.fail(error);
    }
    if (messages !== undefined) this.#pulls.delete(messages);
    asking.count -= left;
    this.#slots.wake();
  }

  async #whenFree(): Promise<void> {
    while (this.#slots.free <= 0 && !this.#isClosed) await this.#slots.changed();
  }

  /** `isCopy`: the server knows nothing of this delivery. */
  #handOut(message: JsMsg, isCopy: boolean): void {
    if (this.#isClosed) {
      if (!isCopy) message.nak();
      return;
    }
    const giveBack = this.#slots.take();
    if (!isCopy) this.#held.add(message);
    const { data } = message;
    const end = (act: () => void): void => {
      giveBack();
      if (!isCopy && this.#held.delete(message)) act();
    };
    const handed: QueueMessage = {
      body: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      attempts: isCopy ? 1 : message.info.deliveryCount,
      isReplayed: isCopy,
      ack: () => end(() => message.ack()),
      requeue: (delayMs) => {
        if (isCopy) this.#later(message, delayMs, giveBack);
        else end(() => message.nak(delayMs));
      },
      touch: () => {
        if (this.#held.has(message)) message.working();
      },
    };
    this.#call(handed);
  }

  #later(message: JsMsg, delayMs: number, giveBack: () => void): void {
    giveBack();
    this.#options.clock.after(delayMs, () => this.#handOut(message, true));
  }

  #call(message: QueueMessage): void {
    try {
      this.#handler(message);
    } catch (error) {
      this.#options.logger.error({ error: messageOf(error) }, 'a message could not be handled');
    }
  }
}
