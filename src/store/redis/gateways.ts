// Which gateways serve this Redis: each says so every few seconds, and one that stops without saying goodbye was killed. Its marks are
// then looked for at once.
//
// zset mqkv:gateways, member: id, score: ms of its own clock. Clocks differ: only that the score changes counts.
import type { Clock } from '../../base/index.ts';
import type { Access } from './access.ts';
import { itemsOf, textOf } from './held-key.ts';
import { slotOf } from './slots.ts';

const GATEWAYS_KEY = 'mqkv:gateways';
const SLOT = slotOf(GATEWAYS_KEY);
/** Units: ms of silence after which one counts as killed: three beats. */
const SILENT_MS = 9_000;

/** One gateway's part. */
export class Gateways {
  readonly #access: Access;
  readonly #clock: Clock;
  readonly #id: string;
  /** As seen last, and since when. */
  readonly #seen = new Map<string, { readonly score: string; readonly sinceMs: number }>();

  constructor(access: Access, clock: Clock, id: string) {
    this.#access = access;
    this.#clock = clock;
    this.#id = id;
  }

  /** It serves. Errors: those of the access. */
  async beat(): Promise<void> {
    await this.#access.call(SLOT, ['ZADD', GATEWAYS_KEY, String(this.#clock.now()), this.#id]);
  }

  /** How many others were killed since the last call; each is told to one gateway. Errors: those of the access. */
  async killed(): Promise<number> {
    const flat = itemsOf(
      await this.#access.call(SLOT, ['ZRANGE', GATEWAYS_KEY, '0', '-1', 'WITHSCORES'], { isRead: true }),
    ).map(textOf);
    const now = this.#clock.now();
    const present = new Set<string>();
    let killed = 0;
    for (let i = 0; i < flat.length; i += 2) {
      const [id, score] = [flat[i], flat[i + 1]];
      present.add(id);
      const seen = this.#seen.get(id);
      if (seen?.score !== score) this.#seen.set(id, { score, sinceMs: now });
      else if (id !== this.#id && now - seen.sinceMs > SILENT_MS && (await this.#remove(id))) killed++;
    }
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    return killed;
  }

  /** It ends, and has left nothing that others must look for. */
  leave(): void {
    void this.#remove(this.#id).catch(() => {});
  }

  async #remove(id: string): Promise<boolean> {
    const reply = await this.#access.call(SLOT, ['ZREM', GATEWAYS_KEY, id]);
    return reply.kind === 'integer' && Number(reply.value) === 1;
  }
}
