// The door of the NATS JetStream adapter, opened by site/ alone.
export { type NatsQueueOptions, type NatsUrl, openNatsQueue } from './nats-queue.ts';
