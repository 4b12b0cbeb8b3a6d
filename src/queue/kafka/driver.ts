// The Kafka driver, loaded when a kafka:// queue is configured: it needs a newer Node than the rest.
import { MqkvError } from '../../base/index.ts';

/** The driver's module. */
export type Driver = typeof import('@platformatic/kafka');

const NODE_MIN = [22, 22] as const;

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
