// nsqd and nsqlookupd for tests, on loopback ports of their own.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

export interface NsqdBroker extends Broker {
  readonly httpPort: number;
}

export interface Nsqd extends NsqdBroker {
  /**
   * kill -9 at a moment when nsqd loses nothing that it has accepted, and waits for that moment. At others it does:
   * before a queue's position was first written to disk, the queue is written over after the restart; later, messages
   * in flight are lost when the position was written after they had been read.
   */
  kill(): Promise<void>;
  /** kill -9 now. */
  killNow(): Promise<void>;
}

export interface NsqdOptions {
  readonly lookupdTcpPorts?: readonly number[];
  /** Default 127.0.0.1. */
  readonly broadcast?: string;
  /** More flags, e.g. `-max-msg-size=1000`. */
  readonly flags?: readonly string[];
}

/** Starts nsqd. Messages go to disk at once (-mem-queue-size 0) and are synced every second. */
export async function startNsqd(options: NsqdOptions = {}): Promise<Nsqd> {
  const [port, httpPort] = await freePorts(2);
  const { lookupdTcpPorts = [], broadcast = '127.0.0.1', flags = [] } = options;
  const broker = await startBroker({
    command: 'nsqd',
    ports: [port, httpPort],
    args: (dir) => [
      `-tcp-address=127.0.0.1:${port}`,
      `-http-address=127.0.0.1:${httpPort}`,
      `-broadcast-address=${broadcast}`,
      `-data-path=${dir}`,
      '-mem-queue-size=0',
      '-sync-timeout=1s',
      '-sync-every=1000000000',
      ...lookupdTcpPorts.map((lookupd) => `-lookupd-tcp-address=127.0.0.1:${lookupd}`),
      ...flags,
    ],
  });
  const killNow = broker.kill;
  const kill = async (): Promise<void> => {
    await eventually('a moment to kill nsqd', () => isQuiet(broker.dir));
    await killNow();
  };
  return Object.assign(broker, { httpPort, kill, killNow });
}

/** Longer than any message of the tests is in flight, much shorter than the time between two syncs. Units: ms. */
const QUIET_MS = 150;

/** Every queue with data has its position file, and none was written just now. */
function isQuiet(dir: string): boolean {
  const files = readdirSync(dir);
  const queues = files
    .map((file) => /^(.*)\.diskqueue\.\d+\.dat$/.exec(file)?.[1])
    .filter((name) => name !== undefined);
  return queues.every((name) => {
    const position = statSync(join(dir, `${name}.diskqueue.meta.dat`), { throwIfNoEntry: false });
    return position !== undefined && Date.now() - position.mtimeMs > QUIET_MS;
  });
}

/** Starts nsqlookupd; `port` is its TCP port. */
export async function startNsqlookupd(): Promise<NsqdBroker> {
  const [port, httpPort] = await freePorts(2);
  const broker = await startBroker({
    command: 'nsqlookupd',
    ports: [port, httpPort],
    args: () => [`-tcp-address=127.0.0.1:${port}`, `-http-address=127.0.0.1:${httpPort}`],
  });
  return Object.assign(broker, { httpPort });
}
