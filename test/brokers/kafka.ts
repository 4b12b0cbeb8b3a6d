// Kafka in KRaft mode for tests: one node that is broker and controller, on loopback ports of its own.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';
import { brokersDir, findBroker } from './require-broker.ts';

export interface KafkaOptions {
  /** Lines of server.properties that are added; `listener` of clients: default PLAINTEXT. */
  readonly properties?: readonly string[];
  readonly listener?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL';
  /** SCRAM logins, as in `SCRAM-SHA-256=[name=NAME,password=PASSWORD]`. */
  readonly users?: readonly string[];
}

/** Units: MB. */
const HEAP = 'Xmx384m';

/** Starts Kafka (about 6 s). Topics have one copy; groups begin at once. */
export async function startKafka({
  properties = [],
  listener = 'PLAINTEXT',
  users = [],
}: KafkaOptions = {}): Promise<Broker> {
  const [port, controller] = await freePorts(2);
  const classes = join(brokersDir, 'kafka', '*');
  const java = findBroker('java') ?? 'java';
  const lines = (dir: string): readonly string[] => [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.bootstrap.servers=127.0.0.1:${controller}`,
    `listeners=${listener}://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=${listener}://127.0.0.1:${port}`,
    'controller.listener.names=CONTROLLER',
    `inter.broker.listener.name=${listener}`,
    `listener.security.protocol.map=CONTROLLER:PLAINTEXT,${listener}:${listener}`,
    `log.dirs=${join(dir, 'data')}`,
    ...['offsets.topic', 'transaction.state.log'].map((name) => `${name}.replication.factor=1`),
    'transaction.state.log.min.isr=1',
    'offsets.topic.num.partitions=1',
    'group.initial.rebalance.delay.ms=0',
    // One that was killed may come back as soon as it is known to be gone.
    'broker.session.timeout.ms=1500',
    'broker.heartbeat.interval.ms=300',
    'auto.create.topics.enable=false',
    'log4j2.disable.jmx=true',
    ...properties,
  ];
  return startBroker({
    command: 'java',
    ports: [port, controller],
    files: (dir) => ({ 'server.properties': `${lines(dir).join('\n')}\n` }),
    prepare: (dir) => {
      const uuid = randomBytes(16).toString('base64url');
      const scram = users.flatMap((user) => ['--add-scram', user]);
      const format = ['format', '--standalone', '-t', uuid, '-c', join(dir, 'server.properties'), ...scram];
      execFileSync(java, ['-cp', classes, 'kafka.tools.StorageTool', ...format], { stdio: 'ignore' });
    },
    args: (dir) => [
      `-${HEAP}`,
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-cp',
      classes,
      'kafka.Kafka',
      join(dir, 'server.properties'),
    ],
  });
}
