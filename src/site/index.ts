// The folder's door.
export { formatAddress, type HostPort, isLoopback, type ListenAddress } from './addresses.ts';
export {
  buildConfig,
  type Config,
  type ConfigFiles,
  envName,
  LATER_OPTIONS,
  type LogLevel,
  makeConfig,
  type Option,
  OPTIONS,
  type OptionName,
  secretBytes,
  type Settings,
} from './config.ts';
export { nearest, suggestion } from './suggest.ts';
export {
  type NsqUrl,
  parseQueueUrl,
  parseStoreUrl,
  parseSubscribeUrl,
  type PeersUrl,
  type QueueUrl,
  type StoreUrl,
  withoutPassword,
} from './urls.ts';
export { openSite, type Site, type Surroundings } from './site.ts';
