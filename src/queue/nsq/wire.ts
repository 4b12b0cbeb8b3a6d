// The bytes between us and one nsqd: a socket, TLS over it once agreed, compression over that.
import net from 'node:net';
import tls from 'node:tls';
import zlib from 'node:zlib';
import { messageOf } from '../../base/index.ts';
import type { TlsFiles } from '../tls.ts';
import type { Address } from './address.ts';
import { SnappyDecoder, snappyChunks } from './snappy.ts';

/** Compressions that nsqd knows. */
export type Compression = 'deflate' | 'snappy';

export interface WireEvents {
  /** Bytes as nsqd meant them. */
  data(chunk: Buffer): void;
  /** Told once or more; the wire is of no use any more. */
  over(reason: string): void;
}

/** nsqd's own default; higher levels cost more time than a link saves. */
const DEFLATE_LEVEL = 6;

export class Wire {
  readonly #raw: net.Socket;
  readonly #host: string;
  readonly #events: WireEvents;
  #socket: net.Socket;
  #deflate: zlib.DeflateRaw | undefined;
  #snappy = false;
  #isFlushSet = false;
  #read: (chunk: Buffer) => void;

  constructor(address: Address, events: WireEvents) {
    this.#events = events;
    this.#host = address.host;
    this.#read = (chunk) => events.data(chunk);
    this.#raw = net.connect({ host: address.host, port: address.port, noDelay: true });
    this.#socket = this.#raw;
    this.#listen(this.#raw);
  }

  get remoteAddress(): string | undefined {
    return this.#raw.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#raw.remotePort;
  }

  /** Writes; what one turn of the event loop gives leaves together. */
  write(part: Uint8Array): void {
    if (!this.#isFlushSet) {
      this.#isFlushSet = true;
      this.#socket.cork();
      process.nextTick(() => this.#flush());
    }
    if (this.#deflate !== undefined) this.#deflate.write(part);
    else if (this.#snappy) for (const chunk of snappyChunks(part)) this.#socket.write(chunk);
    else this.#socket.write(part);
  }

  /** From now on TLS. What comes during the handshake is nsqd's part of it. */
  secure(files: TlsFiles): void {
    this.#raw.removeAllListeners('data');
    const servername = net.isIP(this.#host) === 0 ? this.#host : '';
    this.#socket = tls.connect({ socket: this.#raw, servername, ...files });
    this.#listen(this.#socket);
  }

  /** From now on compressed both ways. `rest`: what has come of it already. */
  compress(how: Compression, rest: Buffer): void {
    this.#layer(how);
    if (rest.length > 0) this.#read(rest);
  }

  #layer(how: Compression): void {
    if (how === 'snappy') {
      const decoder = new SnappyDecoder();
      this.#snappy = true;
      this.#read = (chunk) => this.#unsnap(decoder, chunk);
      for (const chunk of snappyChunks()) this.#socket.write(chunk);
      return;
    }
    const inflate = zlib.createInflateRaw();
    inflate.on('data', (chunk: Buffer) => this.#events.data(chunk));
    inflate.on('error', (error) => this.#events.over(messageOf(error)));
    this.#read = (chunk) => inflate.write(chunk);
    const deflate = zlib.createDeflateRaw({ level: DEFLATE_LEVEL });
    deflate.on('data', (chunk: Buffer) => this.#socket.write(chunk));
    deflate.on('error', (error) => this.#events.over(messageOf(error)));
    this.#deflate = deflate;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
    this.#deflate?.destroy();
  }

  #listen(socket: net.Socket): void {
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#events.over(messageOf(error)));
    socket.on('close', () => this.#events.over('connection closed by nsqd'));
  }

  #flush(): void {
    this.#isFlushSet = false;
    this.#deflate?.flush(zlib.constants.Z_SYNC_FLUSH);
    this.#socket.uncork();
  }

  #unsnap(decoder: SnappyDecoder, chunk: Buffer): void {
    const problem = decoder.push(chunk, (bytes) => this.#events.data(bytes));
    if (problem !== undefined) this.#events.over(`malformed snappy data (${problem})`);
  }
}
