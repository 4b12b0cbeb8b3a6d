// The folder's door.
export { type ExecuteOptions, executeArgs } from './execute-args.ts';
export { createGateway, Gateway } from './gateway.ts';
export { createRedisGateway, RedisGateway, type RedisGatewayOptions } from './redis-gateway.ts';
export type { Fact, Facts, GatewayOptions, InfoSection, ReplicationFace } from './shared.ts';
export { type Arguments, type CommandSpec, commandTable, type KeySpec, keysOf } from './spec.ts';
