// What nsqd sends (protocol V2): frames, incrementally out of chunks, and the message inside a frame.
import { NSQ_FRAME_BYTES_MAX } from '../../base/index.ts';

// frame   = size u32 (of what follows) , type u32 , data[size - 4]          big-endian
// type    = 0 response (text) | 1 error (text) | 2 message
// message = time i64 (ns) , attempts u16 , id[16] (hex digits) , body
export const RESPONSE = 0;
export const ERROR = 1;
export const MESSAGE = 2;
const MESSAGE_HEAD_BYTES = 26;

/** One frame. Owns: `data` is a view, valid during the call. */
export interface Frame {
  readonly type: number;
  readonly data: Buffer;
}

/** A delivered message. Owns: `body` is a copy of its own. */
export interface RawMessage {
  readonly id: string;
  readonly attempts: number;
  readonly body: Buffer;
}

/**
 * Cuts a byte stream into frames. After `push` answered a text the stream is broken for good. With `stopsAfterFrame` it goes no
 * further than one frame, since what follows is of another kind: `takeRest` gives it and goes on.
 */
export class FrameParser {
  stopsAfterFrame = false;
  #isStopped = false;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #needed = 8;

  /** Takes a chunk, hands over each complete frame. Answers what is malformed, or nothing. */
  push(chunk: Buffer, take: (frame: Frame) => void): string | undefined {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#isStopped || this.#bytes < this.#needed) return undefined;
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    let at = 0;
    this.#needed = 8;
    while (!this.#isStopped && buffer.length - at >= 8) {
      const size = buffer.readUInt32BE(at);
      const type = buffer.readUInt32BE(at + 4);
      const problem = malformed(size, type);
      if (problem !== undefined) return problem;
      if (buffer.length - at < 4 + size) {
        this.#needed = 4 + size;
        break;
      }
      this.#isStopped = this.stopsAfterFrame;
      take({ type, data: buffer.subarray(at + 8, at + 4 + size) });
      at += 4 + size;
    }
    this.#keep(buffer.subarray(at));
    return undefined;
  }

  /** What came after the frame at which it stopped. */
  takeRest(): Buffer {
    const rest = Buffer.concat(this.#chunks);
    this.#keep(Buffer.alloc(0));
    this.#isStopped = false;
    return rest;
  }

  /** A small rest is copied so that it does not hold on to the chunk. */
  #keep(rest: Buffer): void {
    this.#bytes = rest.length;
    this.#chunks = rest.length === 0 ? [] : [Buffer.from(rest)];
  }
}

function malformed(size: number, type: number): string | undefined {
  if (type > MESSAGE) return `frame of unknown type ${type}`;
  const least = type === MESSAGE ? 4 + MESSAGE_HEAD_BYTES : 4;
  if (size < least) return `frame of ${size} bytes is too short`;
  if (size > NSQ_FRAME_BYTES_MAX) return `frame of ${size} bytes is above ${NSQ_FRAME_BYTES_MAX}`;
  return undefined;
}

/** Reads the data of a MESSAGE frame (its length was checked by the parser). */
export function decodeMessage(data: Buffer): RawMessage {
  return {
    attempts: data.readUInt16BE(8),
    id: data.toString('latin1', 10, MESSAGE_HEAD_BYTES),
    body: Buffer.from(data.subarray(MESSAGE_HEAD_BYTES)),
  };
}
