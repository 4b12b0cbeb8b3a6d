// The door of the Kafka adapter, opened by site/ alone.
export { type KafkaQueueOptions, type KafkaUrl, openKafkaQueue } from './kafka-queue.ts';
