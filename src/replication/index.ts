// The folder's door.
export {
  decodeEnvelope,
  type Envelope,
  type EnvelopeHeader,
  encodeEnvelope,
  encodeSection,
  SECTION_DELTAS,
} from './envelope.ts';
export { type Heartbeat, type Member, Membership } from './membership.ts';
export { Receiver, type ReceiverStats } from './receiver.ts';
export { openReplication, type Replication, type ReplicationOptions } from './replication.ts';
export { Sender, type SenderStats } from './sender.ts';
