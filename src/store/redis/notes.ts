// Notes of replication in the site's Redis: one hash, bounded by lua/notes.lua.
import { assert, type Latin1, MqkvError, NOTES_BYTES_MAX } from '../../base/index.ts';
import type { Notes } from '../store.ts';
import type { Access } from './access.ts';
import { integerOf, itemsOf, textOf } from './held-key.ts';
import type { Script } from './scripts.ts';
import { slotOf } from './slots.ts';

/** On a cluster all notes lie in its slot. */
export const NOTES_KEY = 'mqkv:notes';
/** Units: bytes, about, that a note takes beside its name and value. */
const NOTE_BYTES = '16';

/** All gateways of a site share them. */
export class RedisNotes implements Notes {
  readonly #access: Access;
  readonly #script: Script;

  constructor(access: Access, script: Script) {
    this.#access = access;
    this.#script = script;
  }

  /** Errors: those of the access. */
  async read(): Promise<ReadonlyMap<string, string>> {
    const flat = itemsOf(
      await this.#access.call(slotOf(NOTES_KEY), ['HGETALL', NOTES_KEY], { isRead: true }),
    );
    const notes = new Map<string, string>();
    for (let i = 0; i < flat.length; i += 2) notes.set(textOf(flat[i]), textOf(flat[i + 1]));
    notes.delete('');
    return notes;
  }

  /** Errors: MqkvError NOTES_FULL, then nothing was set; those of the access. */
  async write(notes: Readonly<Record<string, Latin1>>): Promise<void> {
    const args = [String(NOTES_BYTES_MAX), NOTE_BYTES];
    for (const [name, value] of Object.entries(notes)) {
      assert(name !== '', 'a note has a name');
      args.push(name, value);
    }
    const given = { keys: [NOTES_KEY], args };
    const reply = await this.#access.script(slotOf(NOTES_KEY), this.#script, given);
    if (reply.kind === 'error') throw new MqkvError('STORE_REFUSED', `Redis refused: ${reply.text}`);
    const bytes = integerOf(reply);
    if (bytes > 0)
      throw new MqkvError(
        'NOTES_FULL',
        `notes would take ${bytes} bytes; a store keeps at most ${NOTES_BYTES_MAX} of them`,
      );
  }
}
