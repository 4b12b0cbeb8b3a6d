// Notes of a store in memory: a map with a bound.
import { MqkvError, NOTES_BYTES_MAX } from '../../base/index.ts';
import type { Notes } from '../store.ts';

/** Units: bytes, about, that a note takes beside its name and value. */
const NOTE_BYTES = 16;

export class MemoryNotes implements Notes {
  #notes = new Map<string, string>();
  #bytes = 0;

  /** Units: bytes, of all notes. */
  get bytes(): number {
    return this.#bytes;
  }

  async read(): Promise<ReadonlyMap<string, string>> {
    return this.entries();
  }

  /** As `read`, at once. Owns: the caller. */
  entries(): Map<string, string> {
    return new Map(this.#notes);
  }

  /** Errors: MqkvError `NOTES_FULL`; then nothing was set. */
  write(notes: Readonly<Record<string, string>>): void {
    let bytes = this.#bytes;
    for (const [name, value] of Object.entries(notes))
      bytes += sizeOf(name, value) - sizeOf(name, this.#notes.get(name) ?? '');
    if (bytes > NOTES_BYTES_MAX)
      throw new MqkvError(
        'NOTES_FULL',
        `notes would take ${bytes} bytes; a store keeps at most ${NOTES_BYTES_MAX} of them`,
      );
    this.#bytes = bytes;
    for (const [name, value] of Object.entries(notes)) {
      if (value === '') this.#notes.delete(name);
      else this.#notes.set(name, value);
    }
  }

  clear(): void {
    this.#notes = new Map();
    this.#bytes = 0;
  }
}

function sizeOf(name: string, value: string): number {
  return value === '' ? 0 : name.length + value.length + NOTE_BYTES;
}
