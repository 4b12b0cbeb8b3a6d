// A plain SET as the write script has acknowledged it: where its key and value lie, its version as numbers. The same object
// serves for every SET of a reply, so that a write costs no object.
import { makeVersion } from '../../crdt/index.ts';
import { versionText } from './version-text.ts';

const NIBBLES = new Uint8Array(256);
for (let digit = 0; digit < 16; digit++) NIBBLES[digit.toString(16).charCodeAt(0)] = digit;
const EMPTY = Buffer.alloc(0);

/** Owns: valid during the call it is given to; copy to keep. */
export class NotedSet {
  /** Holds key and value. */
  body: Buffer = EMPTY;
  keyAt = 0;
  keyBytes = 0;
  valueAt = 0;
  valueBytes = 0;
  /** The version. Units: Unix ms. */
  ms = 0;
  counter = 0;
  origin = 0;
  /** Units: Unix ms; 0: no expiry. */
  at = 0;

  /** Reads the version from its 24 hex digits. */
  readVersion(text: Uint8Array, start: number): void {
    this.ms = hex12(text, start);
    this.counter = hex4(text, start + 12);
    this.origin = hex4(text, start + 16) * 65_536 + hex4(text, start + 20);
  }

  /** Shape: 24 hex. */
  get version(): string {
    return versionText(makeVersion(this.ms, this.counter, this.origin));
  }

  get key(): Buffer {
    return this.body.subarray(this.keyAt, this.keyAt + this.keyBytes);
  }

  get value(): Buffer {
    return this.body.subarray(this.valueAt, this.valueAt + this.valueBytes);
  }
}

/** A number of 12 hex digits. */
export function hex12(text: Uint8Array, at: number): number {
  return hex4(text, at) * 4_294_967_296 + hex4(text, at + 4) * 65_536 + hex4(text, at + 8);
}

/** A number of 4 hex digits. */
export function hex4(text: Uint8Array, at: number): number {
  return (
    (NIBBLES[text[at]] << 12) |
    (NIBBLES[text[at + 1]] << 8) |
    (NIBBLES[text[at + 2]] << 4) |
    NIBBLES[text[at + 3]]
  );
}
