// The Kafka driver, loaded when a kafka:// queue is configured: it needs a newer Node than the rest.
import { subscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { MqkvError } from '../../base/index.ts';

/** The driver's module. */
export type Driver = typeof import('@platformatic/kafka');

const NODE_MIN = [22, 22] as const;
/** Where the driver tells of each connection that it makes. */
const INSTANCES = 'plt:kafka:instances';

// A connection lost while it logs in fails twice; the second time nobody listens, which would end the process.
subscribe(INSTANCES, (message) => {
  const { instance } = message as { readonly instance?: unknown };
  if (instance instanceof EventEmitter) instance.on('error', () => {});
});

/** Loads the driver. Errors: MqkvError `START` on a Node that is too old for it. */
export async function loadDriver(versions: NodeJS.ProcessVersions = process.versions): Promise<Driver> {
  const [major = 0, minor = 0] = versions.node.split('.').map(Number);
  const isOld = major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
  if (isOld && versions.bun === undefined)
    throw new MqkvError(
      'START',
      `--queue kafka:// needs Node >= ${NODE_MIN.join('.')}; this is Node ${versions.node}`,
    );
  return import('@platformatic/kafka');
}
