// nsqd and nsqlookupd for tests, on loopback ports of their own.
import { freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

export interface NsqdBroker extends Broker {
  readonly httpPort: number;
}

export interface NsqdOptions {
  readonly lookupdTcpPorts?: readonly number[];
  /** Default 127.0.0.1. */
  readonly broadcast?: string;
  /** More flags, e.g. `-max-msg-size=1000`. */
  readonly flags?: readonly string[];
}

/** Starts nsqd. Messages go to disk at once (-mem-queue-size 0), so that a kill loses none it has accepted. */
export async function startNsqd(options: NsqdOptions = {}): Promise<NsqdBroker> {
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
      ...lookupdTcpPorts.map((lookupd) => `-lookupd-tcp-address=127.0.0.1:${lookupd}`),
      ...flags,
    ],
  });
  return Object.assign(broker, { httpPort });
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
