// The door of the Redis Streams adapter, opened by site/ alone.
export {
  openRedisStreamsQueue,
  type RedisStreamsOptions,
  type RedisStreamsUrl,
} from './redis-streams-queue.ts';
