// The folder's door: which Redis serves a slot.
export type {
  Around,
  DedicatedOptions,
  Node,
  Topology,
  TopologyChange,
} from './topology.ts';
export { openTopology } from './open-topology.ts';
