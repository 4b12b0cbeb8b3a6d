// Requests between sites beside the queue: who listens where, and the ways there and back.
import { MqkvError, messageOf } from '../../src/base/index.ts';
import type { Asker, PeerAddress, PeerPort, PeerPortStats } from '../../src/replication/peer-port.ts';
import type { Network } from './network.ts';
import type { Scheduler } from './scheduler.ts';
import type { ProcessLoop } from './site-clock.ts';

/** Units: ms until a peer that does not answer is given up. */
const ANSWER_MS_MAX = 3_000;
/** Bytes that a link carries in a ms. */
const BYTES_PER_MS = 10_000;

/** The listening processes by address. */
export class PeerNet {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly #ports = new Map<string, SimPeerPort>();
  #opened = 0;

  constructor(scheduler: Scheduler, network: Network) {
    this.scheduler = scheduler;
    this.network = network;
  }

  /** A process begins to listen. */
  listen(node: string, self: Asker, loop: ProcessLoop): SimPeerPort {
    const address = `${node}:${++this.#opened}`;
    const port = new SimPeerPort({ net: this, node, address, self, loop });
    this.#ports.set(address, port);
    return port;
  }

  at(address: string): SimPeerPort | undefined {
    return this.#ports.get(address);
  }

  leave(address: string): void {
    this.#ports.delete(address);
  }
}

interface PortOptions {
  readonly net: PeerNet;
  readonly node: string;
  readonly address: string;
  readonly self: Asker;
  readonly loop: ProcessLoop;
}

/** The port of one process. */
export class SimPeerPort implements PeerPort {
  readonly node: string;
  readonly address: string;
  readonly loop: ProcessLoop;
  answer: ((from: Asker, request: Buffer) => Promise<Buffer>) | undefined;
  readonly #net: PeerNet;
  readonly #self: Asker;
  readonly #stats = { asked: 0, answered: 0, failures: 0, bytesSent: 0, bytesReceived: 0 };

  constructor({ net, node, address, self, loop }: PortOptions) {
    this.node = node;
    this.address = address;
    this.loop = loop;
    this.#net = net;
    this.#self = self;
  }

  ask(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const bytes = Buffer.from(request);
    this.#stats.asked++;
    this.#stats.bytesSent += bytes.length;
    return new Promise((resolve, reject) => {
      const fail = (code: string, text: string): void => {
        this.#stats.failures++;
        reject(new MqkvError(code, text));
      };
      const giveUp = (): void => {
        timer.cancel();
        fail('PEER_UNREACHABLE', 'given up');
      };
      const timer = this.loop.after(ANSWER_MS_MAX, () => {
        signal?.removeEventListener('abort', giveUp);
        fail('PEER_UNREACHABLE', 'no answer');
      });
      signal?.addEventListener('abort', giveUp, { once: true });
      const back = (act: () => void): void => {
        timer.cancel();
        signal?.removeEventListener('abort', giveUp);
        this.loop.after(0, act);
      };
      this.#carry(to, bytes, {
        done: (answer) =>
          back(() => {
            this.#stats.bytesReceived += answer.length;
            resolve(answer);
          }),
        failed: (code, text) => back(() => fail(code, text)),
      });
    });
  }

  stats(): PeerPortStats {
    return { ...this.#stats };
  }

  async close(): Promise<void> {
    this.leave();
  }

  leave(): void {
    this.#net.leave(this.address);
  }

  #carry(to: PeerAddress, request: Buffer, tell: Tell): void {
    const { scheduler, network } = this.#net;
    scheduler.after(network.latencyMs() + request.length / BYTES_PER_MS, () => {
      const port = this.#net.at(to.address);
      const node = to.address.slice(0, to.address.lastIndexOf(':'));
      if (!network.reaches(this.node, node)) return;
      if (port === undefined || !port.loop.isAlive) {
        if (network.reaches(node, this.node)) tell.failed('PEER_UNREACHABLE', 'nobody listens there');
        return;
      }
      port.loop.after(0, () => void port.#serve(this, request, tell));
    });
  }

  async #serve(asker: SimPeerPort, request: Buffer, tell: Tell): Promise<void> {
    this.#stats.bytesReceived += request.length;
    let answer: Buffer | undefined;
    let text = 'nothing answers here';
    try {
      answer = await this.answer?.(asker.#self, request);
    } catch (error) {
      text = messageOf(error);
    }
    const copy = answer === undefined ? undefined : Buffer.from(answer);
    this.#stats.answered++;
    this.#stats.bytesSent += copy?.length ?? 0;
    const { scheduler, network } = this.#net;
    scheduler.after(network.latencyMs() + (copy?.length ?? 0) / BYTES_PER_MS, () => {
      if (!this.loop.isAlive || !network.reaches(this.node, asker.node)) return;
      if (copy === undefined) tell.failed('PEER_FAILED', text);
      else tell.done(copy);
    });
  }
}

interface Tell {
  done(answer: Buffer): void;
  failed(code: string, text: string): void;
}
