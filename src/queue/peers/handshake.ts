// How two sites make a connection a link: names and ids exchanged, the shared secret proven both ways.
//
//   dialler  MQKV.PEER HELLO 1 site storeId nonce address [ASK]     ASK: for requests (ask-link.ts), else for messages (link.ts)
//   listener HELLO 1 site storeId nonce proof           (array of bulks) or -CODE text, then it closes
//   dialler  MQKV.PEER PROOF proof
//   listener READY                                      (array of one bulk) or -CODE text
// proof = HMAC-SHA-256(secret, role NUL dialler's nonce NUL listener's nonce NUL dialler's id NUL listener's id), hex;
// role: "dialler" or "listener". Without a secret both proofs are empty, and only loopback addresses are taken.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Clock, isLoopback, MqkvError, type Random, randomHex } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { PeerFrames } from './frames.ts';
import type { Peer } from './link.ts';

/** Version of the link's protocol. */
const LINK_FORMAT = '1';
/** What a dialler adds that wants to ask, and its place behind HELLO. */
export const FOR_ASKING = 'ASK';
export const PURPOSE_AT = 5;
/** Units: ms for the whole handshake. */
const HANDSHAKE_MS = 5_000;

/** This end of a link. */
export interface Self {
  readonly site: string;
  readonly storeId: string;
  /** Shared by all sites; undefined: none. */
  readonly secret: Buffer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Where peers may reach this site; empty: unknown. */
  readonly address: () => string;
}

interface Nonces {
  readonly dialler: string;
  readonly listener: string;
  readonly diallerId: string;
  readonly listenerId: string;
}

function proofOf(self: Self, role: 'dialler' | 'listener', nonces: Nonces): string {
  if (self.secret === undefined) return '';
  const text = [role, nonces.dialler, nonces.listener, nonces.diallerId, nonces.listenerId].join('\0');
  return createHmac('sha256', self.secret).update(text, 'latin1').digest('hex');
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Greets over a fresh connection. Errors: MqkvError `PEER_REFUSED` (with the other's words), `PEER_UNREACHABLE`. */
export async function greet(
  socket: Socket,
  frames: PeerFrames,
  self: Self & { readonly dialled: string; readonly purpose?: typeof FOR_ASKING },
): Promise<Peer> {
  const nonce = randomHex(self.random, 16);
  const hello = [LINK_FORMAT, self.site, self.storeId, nonce, self.address()];
  if (self.purpose !== undefined) hello.push(self.purpose);
  socket.write(encodeCommand(['MQKV.PEER', 'HELLO', ...hello]));
  const reply = await nextFrame(socket, frames, self.clock);
  const [word, format, site, storeId, theirNonce, proof] = reply.map((part) => part.toString('latin1'));
  if (word !== 'HELLO' || format !== LINK_FORMAT)
    throw new MqkvError('PEER_REFUSED', `peer link format ${format ?? '?'} is not ${LINK_FORMAT}`);
  if (site === undefined || storeId === undefined || theirNonce === undefined || proof === undefined) {
    throw new MqkvError('PEER_REFUSED', 'the peer answered half a greeting');
  }
  const nonces = { dialler: nonce, listener: theirNonce, diallerId: self.storeId, listenerId: storeId };
  if (!same(proof, proofOf(self, 'listener', nonces)))
    throw new MqkvError('PEER_REFUSED', `the shared secret of ${site} differs`);
  socket.write(encodeCommand(['MQKV.PEER', 'PROOF', proofOf(self, 'dialler', nonces)]));
  const ready = await nextFrame(socket, frames, self.clock);
  if (ready[0]?.toString('latin1') !== 'READY')
    throw new MqkvError('PEER_REFUSED', 'the peer did not say READY');
  return { site, storeId, address: self.dialled };
}

/** Answers a HELLO. `check` may refuse the peer by returning the error line. Errors: MqkvError `PEER_REFUSED`, the other side was told. */
export async function answer(
  socket: Socket,
  frames: PeerFrames,
  options: {
    readonly self: Self;
    readonly hello: readonly string[];
    readonly remoteAddress: string;
    readonly check: (peer: Peer) => string | undefined;
  },
): Promise<Peer> {
  const { self, hello, remoteAddress } = options;
  const [format, site, storeId, nonce, address] = hello;
  if (format !== LINK_FORMAT)
    refuse(
      socket,
      `ERR peer link format '${format ?? ''}' is not supported, this site speaks ${LINK_FORMAT}`,
    );
  if (site === undefined || storeId === undefined || nonce === undefined)
    refuse(socket, 'ERR MQKV.PEER HELLO needs format, site, store id, nonce and address');
  // The empty address is a Unix socket.
  if (self.secret === undefined && remoteAddress !== '' && !isLoopback(remoteAddress)) {
    refuse(
      socket,
      'NOAUTH peer links from beyond loopback need a shared secret on both sides (--secret-file)',
    );
  }
  const peer: Peer = {
    site,
    storeId,
    address: address === undefined || address === '' ? remoteAddress : address,
  };
  const early = options.check(peer);
  if (early !== undefined && self.secret === undefined) refuse(socket, early);
  const mine = randomHex(self.random, 16);
  const nonces = { dialler: nonce, listener: mine, diallerId: storeId, listenerId: self.storeId };
  socket.write(
    encodeCommand(['HELLO', LINK_FORMAT, self.site, self.storeId, mine, proofOf(self, 'listener', nonces)]),
  );
  const proof = await nextFrame(socket, frames, self.clock);
  if (
    proof[1]?.toString('latin1') !== 'PROOF' ||
    !same(proof[2]?.toString('latin1') ?? '', proofOf(self, 'dialler', nonces))
  ) {
    refuse(socket, 'NOAUTH the shared secret differs');
  }
  const late = options.check(peer);
  if (late !== undefined) refuse(socket, late);
  socket.write(encodeCommand(['READY']));
  return peer;
}

function refuse(socket: Socket, line: string): never {
  socket.end(`-${line}\r\n`);
  throw new MqkvError('PEER_REFUSED', line);
}

function nextFrame(socket: Socket, frames: PeerFrames, clock: Clock): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      timer.cancel();
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('end', onClose);
      socket.off('close', onClose);
      finish();
    };
    const look = (): void => {
      try {
        const frame = frames.next();
        if (frame !== undefined) settle(() => resolve(frame));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const onData = (chunk: Buffer): void => {
      frames.feed(chunk);
      look();
    };
    const onError = (error: Error): void =>
      settle(() => reject(new MqkvError('PEER_UNREACHABLE', error.message, { cause: error })));
    const onClose = (): void =>
      settle(() => reject(new MqkvError('PEER_UNREACHABLE', 'the peer closed the connection')));
    const timer = clock.after(HANDSHAKE_MS, () =>
      settle(() => reject(new MqkvError('PEER_UNREACHABLE', `no greeting within ${HANDSHAKE_MS} ms`))),
    );
    socket.on('data', onData);
    socket.on('error', onError);
    socket.on('end', onClose);
    socket.on('close', onClose);
    // A socket handed over by the server may be paused.
    socket.resume();
    look();
  });
}
