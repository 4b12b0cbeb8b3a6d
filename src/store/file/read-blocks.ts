// Reads the blocks of a file in order, past whatever lies between them.
import type { Disk } from '../../base/index.ts';
import { type BlockHeader, findMagic, HEADER_BYTES, isIntact, readHeader } from './blocks.ts';
import type { BlockFile } from './manifest.ts';

/** Units: bytes read at once. */
const CHUNK_BYTES = 1024 * 1024;

/** An intact block. */
export interface Block extends BlockHeader {
  /** Where it begins in its file. Units: bytes. */
  readonly at: number;
  /** Where what is no block began before it; `at`: nowhere. */
  readonly gapAt: number;
  readonly payload: Buffer;
}

/** A window onto a file. */
class Window {
  readonly size: number;
  readonly #disk: Disk;
  readonly #name: string;
  #at = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(disk: Disk, name: string, size: number) {
    this.#disk = disk;
    this.#name = name;
    this.size = size;
  }

  /** Exactly those bytes, or fewer at the end. Owns: valid until the next call. */
  async read(at: number, bytes: number): Promise<Buffer> {
    const end = Math.min(at + bytes, this.size);
    if (at < this.#at || end > this.#at + this.#bytes.length) {
      this.#bytes = await this.#disk.read(this.#name, at, Math.max(end - at, CHUNK_BYTES));
      this.#at = at;
    }
    return this.#bytes.subarray(at - this.#at, end - this.#at);
  }
}

/**
 * The intact blocks of a file. The result of the generator: where what is no block begins at the end; the file's size: nowhere.
 * Owns: a block's payload is the reader's, not changed by it.
 */
export async function* readBlocks(disk: Disk, file: BlockFile): AsyncGenerator<Block, number> {
  const size = (await disk.identity(file.name))?.size ?? 0;
  const window = new Window(disk, file.name, size);
  let gapAt = 0;
  for (let at = 0; at < size; ) {
    const block = await blockAt(window, at, file.salt);
    if (block === undefined) {
      at = await nextMagic(window, at + 1);
      continue;
    }
    yield { ...block, at, gapAt };
    at += HEADER_BYTES + block.length;
    gapAt = at;
  }
  return gapAt;
}

async function blockAt(
  window: Window,
  at: number,
  salt: number,
): Promise<(BlockHeader & { readonly payload: Buffer }) | undefined> {
  const header = readHeader(await window.read(at, HEADER_BYTES));
  if (header === undefined || at + HEADER_BYTES + header.length > window.size) return undefined;
  const bytes = await window.read(at, HEADER_BYTES + header.length);
  if (bytes.length < HEADER_BYTES + header.length || !isIntact(bytes, header, salt)) return undefined;
  return { ...header, payload: bytes.subarray(HEADER_BYTES) };
}

async function nextMagic(window: Window, from: number): Promise<number> {
  for (let at = from; at < window.size; ) {
    const bytes = await window.read(at, CHUNK_BYTES);
    const found = findMagic(bytes, 0);
    if (found >= 0) return at + found;
    if (at + bytes.length >= window.size) break;
    at += Math.max(1, bytes.length - 3);
  }
  return window.size;
}
