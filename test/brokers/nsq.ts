// nsqd and nsqlookupd for tests, on loopback ports of their own.
import { readdirSync } from 'node:fs';
import { eventually, freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

export interface NsqdBroker extends Broker {
  readonly httpPort: number;
}

export interface Nsqd extends NsqdBroker {
  /**
   * Waits until every queue on its disk has been synced once. Before that a kill -9 loses what the queue holds: without
   * the position file nsqd writes over the data. Afterwards it keeps what it accepted, apart from messages in flight.
   */
  synced(): Promise<void>;
}

export interface NsqdOptions {
  readonly lookupdTcpPorts?: readonly number[];
  /** Default 127.0.0.1. */
  readonly broadcast?: string;
  /** More flags, e.g. `-max-msg-size=1000`. */
  readonly flags?: readonly string[];
}

/** Starts nsqd. Messages go to disk at once (-mem-queue-size 0) and are synced twice a second. */
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
      '-sync-timeout=500ms',
      ...lookupdTcpPorts.map((lookupd) => `-lookupd-tcp-address=127.0.0.1:${lookupd}`),
      ...flags,
    ],
  });
  const synced = async (): Promise<void> => {
    await eventually('nsqd has synced its queues', () => isSynced(broker.dir));
  };
  return Object.assign(broker, { httpPort, synced });
}

/** Every queue with data has its position file. */
function isSynced(dir: string): boolean {
  const files = readdirSync(dir);
  const queues = files
    .map((file) => /^(.*)\.diskqueue\.\d+\.dat$/.exec(file)?.[1])
    .filter((name) => name !== undefined);
  return queues.every((name) => files.includes(`${name}.diskqueue.meta.dat`));
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
