// redis-server for tests, on a loopback port of its own, nothing saved.
import { freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

/** `flags`: more arguments, e.g. `--appendonly yes` as two. */
export async function startRedis(flags: readonly string[] = []): Promise<Broker> {
  const [port] = await freePorts(1);
  const args = (dir: string): readonly string[] => [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--dir',
    dir,
    '--loglevel',
    'warning',
    ...flags,
  ];
  return startBroker({ command: 'redis-server', ports: [port], args });
}
