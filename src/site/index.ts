// The folder's door.
export { formatAddress, type HostPort, type ListenAddress } from './addresses.ts';
export { buildConfig, type Config, type ConfigFiles, makeConfig, secretBytes } from './config.ts';
export {
  envName,
  LATER_OPTIONS,
  type LogLevel,
  type Option,
  OPTIONS,
  type OptionName,
  type Settings,
} from './options.ts';
export { nearest, suggestion } from './suggest.ts';
export {
  type FileUrl,
  type MemoryUrl,
  type NsqUrl,
  parseQueueUrl,
  parseStoreUrl,
  parseSubscribeUrl,
  type PeersUrl,
  type QueueUrl,
  type RedisUrl,
  type StoreUrl,
  withoutPassword,
} from './urls.ts';
export { type RepairedStore, repairStore } from './repair-store.ts';
export { openSite, type Site, type Surroundings } from './site.ts';
