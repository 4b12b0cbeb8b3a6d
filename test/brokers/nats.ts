// nats-server with JetStream for tests, on a loopback port of its own.
import { join } from 'node:path';
import { freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

export interface NatsOptions {
  /** Lines of its configuration beside port and JetStream. */
  readonly config?: string;
  /** Default: true. */
  readonly jetstream?: boolean;
}

/** Starts nats-server. Its stream files are written at once; synced every 2 minutes, which a kill -9 does not mind. */
export async function startNats({ config = '', jetstream = true }: NatsOptions = {}): Promise<Broker> {
  const [port] = await freePorts(1);
  return startBroker({
    command: 'nats-server',
    ports: [port],
    files: () => ({ 'nats.conf': config }),
    args: (dir) => {
      const own = ['-a', '127.0.0.1', '-p', String(port), '-c', join(dir, 'nats.conf')];
      return jetstream ? [...own, '-js', '-sd', join(dir, 'data')] : own;
    },
  });
}
