// The brokers that tests start: real ones, on free loopback ports, with own data folders.
export {
  type ClusterNode,
  type RedisCluster,
  type RedisClusterOptions,
  startRedisCluster,
} from './cluster.ts';
export { type KafkaOptions, startKafka } from './kafka.ts';
export { type NatsOptions, startNats } from './nats.ts';
export { type Nsqd, type NsqdBroker, type NsqdOptions, startNsqd, startNsqlookupd } from './nsq.ts';
export { eventually, freePorts, isListening } from './ports.ts';
export { type Broker, type BrokerSpec, startBroker } from './process.ts';
export { type Proxy, startProxy } from './proxy.ts';
export { startRedis } from './redis.ts';
export { type RedisKindOptions, type RedisOfKind, startRedisKind } from './redis-kinds.ts';
export { openControl, type RedisControl } from './redis-control.ts';
export {
  type BrokerCommand,
  brokersDir,
  findBroker,
  type Required,
  requireBroker,
} from './require-broker.ts';
export { type SentinelOptions, type SentinelSet, startSentinel, type Watched } from './sentinel.ts';
