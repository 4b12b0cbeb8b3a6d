// The two servers that get the same commands: mqkv on the embedded store, and a real redis-server.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { seededRandom, silentLogger, systemClock } from '../../src/base/index.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/commands/index.ts';
import { encodeCommand } from '../../src/resp/index.ts';
import { createServer } from '../../src/server/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../../src/store/embedded/index.ts';
import { cut, type Node } from './replies.ts';

/** A gateway over an embedded store, listening on a port of its own. */
export interface LocalServer {
  readonly port: number;
  readonly gateway: Gateway;
  readonly store: EmbeddedStore;
  close(): Promise<void>;
}

/** Starts mqkv's command face alone. */
export async function startLocal(options: Partial<GatewayOptions> = {}): Promise<LocalServer> {
  const random = seededRandom(7);
  const logger = { ...silentLogger, error: (fields: object, text: string) => console.error(text, fields) };
  const common = { clock: systemClock, random, logger };
  const store = openEmbeddedStore(common);
  const gateway = createGateway({ ...common, keyspace: store.keyspace, store, version: '0.0.0', ...options });
  const server = createServer({ handler: gateway, logger });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    port: address.port,
    gateway,
    store,
    async close() {
      await server.close({ graceMs: 100 });
      await store.close();
    },
  };
}

/** A connection that sends commands and collects raw replies. */
export class RawPeer {
  readonly #socket: Socket;
  #text = '';
  #replies: Node[] = [];
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      const { replies, rest } = cut(this.#text + chunk.toString('latin1'));
      this.#text = rest;
      this.#replies.push(...replies);
      this.#wake();
    });
    socket.on('error', () => this.#wake());
    socket.on('close', () => this.#wake());
  }

  static async open(port: number): Promise<RawPeer> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** Sends a pipeline and waits for as many replies. Errors: Error when the connection ends before. */
  async exchange(commands: readonly (readonly string[])[]): Promise<Node[]> {
    this.send(commands);
    return this.take(commands.length);
  }

  /** Sends a pipeline. */
  send(commands: readonly (readonly string[])[]): void {
    const encoded = commands.map((words) => encodeCommand(words.map((word) => Buffer.from(word, 'latin1'))));
    this.#socket.write(Buffer.concat(encoded));
  }

  /** Waits for `count` replies. */
  async take(count: number): Promise<Node[]> {
    while (this.#replies.length < count) {
      if (this.#socket.destroyed)
        throw new Error(`connection ended after ${this.#replies.length} of ${count}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#replies.splice(0, count);
  }

  close(): void {
    this.#socket.destroy();
  }
}
