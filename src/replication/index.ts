// The folder's door.
export type { Freeze } from './core.ts';
export {
  decodeEnvelope,
  type Envelope,
  type EnvelopeHeader,
  encodeEnvelope,
  encodeSection,
  SECTION_DELTAS,
} from './envelope.ts';
export type { Levels } from './levels.ts';
export { type Heartbeat, type Member, Membership } from './membership.ts';
export type { Asker, PeerAddress, PeerPort, PeerPortStats } from './peer-port.ts';
export { Receiver, type ReceiverStats } from './receiver.ts';
export {
  type Bootstrap,
  NoRepair,
  type Repair,
  type RepairContext,
  type RepairOpeners,
  type RepairReason,
  type RepairStats,
} from './repair-hooks.ts';
export { openReplication, type Replication, type ReplicationOptions } from './replication.ts';
export { type Applied, Streams } from './streams.ts';
export { Sender } from './sender.ts';
export type { SenderStats } from './sender-stats.ts';
export type { SiteLag, SiteState } from './site-view.ts';
