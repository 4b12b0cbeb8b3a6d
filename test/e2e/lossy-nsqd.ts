// A proxy before nsqd that loses and doubles messages by themselves: nsqd with a broken disk, as its clients see it.
import net from 'node:net';
import { below, type Random } from '../../src/base/index.ts';

/** Units: messages out of 1,000. */
export interface Losses {
  /** Answered OK and not handed on: lost for every site. */
  readonly published: number;
  /** Taken off before a consumer sees them: lost for one site. */
  readonly delivered: number;
  /** Handed on twice. */
  readonly doubled: number;
}

/** What happened so far. */
export interface LossCounts {
  published: number;
  lostPublished: number;
  lostDelivered: number;
  doubled: number;
}

/** The proxy. */
export interface LossyNsqd extends AsyncDisposable {
  readonly port: number;
  readonly counts: Readonly<LossCounts>;
}

/** Starts it on a loopback port, before the nsqd at `target`. */
export async function startLossyNsqd(target: number, losses: Losses, random: Random): Promise<LossyNsqd> {
  const counts: LossCounts = { published: 0, lostPublished: 0, lostDelivered: 0, doubled: 0 };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(target, '127.0.0.1');
    const link = new LossyLink({ client, upstream, losses, random, counts });
    join(client, upstream, (chunk) => link.fromClient(chunk));
    join(upstream, client, (chunk) => link.fromNsqd(chunk));
    sockets.add(client).add(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    counts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(from: net.Socket, to: net.Socket, hear: (chunk: Buffer) => void): void {
  from.setNoDelay(true);
  from.on('data', hear);
  from.on('error', () => {});
  from.on('close', () => to.destroy());
}

interface Ends {
  readonly client: net.Socket;
  readonly upstream: net.Socket;
  readonly losses: Losses;
  readonly random: Random;
  readonly counts: LossCounts;
}

const BODIED = new Set(['IDENTIFY', 'AUTH', 'PUB', 'MPUB', 'DPUB']);
const MESSAGE_FRAME = 2;
const OK = Buffer.from('\0\0\0\x06\0\0\0\0OK', 'latin1');

class LossyLink {
  readonly #ends: Ends;
  #commands = Buffer.alloc(0);
  #frames = Buffer.alloc(0);
  #isGreeted = false;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  // stream = "  V2" , ( line LF [ length u32 , body ] )*
  fromClient(chunk: Buffer): void {
    this.#commands = Buffer.concat([this.#commands, chunk]);
    if (!this.#isGreeted && this.#commands.length >= 4) {
      this.#isGreeted = true;
      this.#ends.upstream.write(this.#takeCommand(4));
    }
    while (this.#isGreeted && this.#passCommand());
  }

  #takeCommand(bytes: number): Buffer {
    const taken = this.#commands.subarray(0, bytes);
    this.#commands = this.#commands.subarray(bytes);
    return taken;
  }

  #passCommand(): boolean {
    const lineEnd = this.#commands.indexOf(10);
    if (lineEnd < 0) return false;
    const line = this.#commands.toString('latin1', 0, lineEnd);
    const [name = '', topic = ''] = line.split(' ');
    let end = lineEnd + 1;
    if (BODIED.has(name)) {
      if (this.#commands.length < end + 4) return false;
      end += 4 + this.#commands.readUInt32BE(end);
    }
    if (this.#commands.length < end) return false;
    const command = this.#takeCommand(end);
    const body = command.subarray(lineEnd + 5);
    if (name === 'PUB') this.#publish(topic, [body]);
    else if (name === 'MPUB') this.#publish(topic, partsOf(body));
    else this.#ends.upstream.write(command);
    return true;
  }

  /** What is left of the messages goes on as one MPUB; nsqd's answer, or ours, answers the client. */
  #publish(topic: string, bodies: readonly Buffer[]): void {
    const { counts, losses, upstream, client } = this.#ends;
    const kept = bodies.flatMap((body) => {
      counts.published++;
      if (this.#happens(losses.published)) {
        counts.lostPublished++;
        return [];
      }
      if (!this.#happens(losses.doubled)) return [body];
      counts.doubled++;
      return [body, body];
    });
    if (kept.length === 0) client.write(OK);
    else upstream.write(mpub(topic, kept));
  }

  #happens(permille: number): boolean {
    return below(this.#ends.random, 1_000) < permille;
  }

  // frame = length u32 , type u32 , data ; a message's data = time u64 , attempts u16 , id[16] , body
  fromNsqd(chunk: Buffer): void {
    const { client, upstream, losses, counts } = this.#ends;
    this.#frames = Buffer.concat([this.#frames, chunk]);
    while (this.#frames.length >= 8) {
      const end = 4 + this.#frames.readUInt32BE(0);
      if (this.#frames.length < end) return;
      const frame = this.#frames.subarray(0, end);
      this.#frames = this.#frames.subarray(end);
      if (frame.readUInt32BE(4) === MESSAGE_FRAME && this.#happens(losses.delivered)) {
        counts.lostDelivered++;
        upstream.write(`FIN ${frame.toString('latin1', 18, 34)}\n`);
      } else client.write(frame);
    }
  }
}

function partsOf(body: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 4; at < body.length; ) {
    const end = at + 4 + body.readUInt32BE(at);
    parts.push(body.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

function mpub(topic: string, bodies: readonly Buffer[]): Buffer {
  const parts = bodies.flatMap((body) => [u32(body.length), body]);
  const body = Buffer.concat([u32(bodies.length), ...parts]);
  return Buffer.concat([Buffer.from(`MPUB ${topic}\n`, 'latin1'), u32(body.length), body]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
