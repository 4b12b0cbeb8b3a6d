// The folder's door.
export { type Admin, type AdminOptions, openAdmin } from './admin.ts';
export type {
  AdminHooks,
  BrokerNumbers,
  BrokerView,
  ChannelNumbers,
  Readiness,
  OtherSite,
  SiteNumbers,
} from './hooks.ts';
