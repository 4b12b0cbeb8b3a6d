// What a store says of itself in its Redis: format, id, site, epoch; and the tags of all slots, for scripts that meet undeclared keys.
//
// hash mqkv:meta = format id site epoch [salt] [discarded] [discarding] [tombstones]
//   epoch       random; another one: the data has gone (FLUSHALL) or was discarded
//   salt        8 hex, of data that took the place of other data: see origins.ts
//   discarded   the epoch that began when the site discarded its data
//   discarding  it is about to, and is to be done again where it ended half-way
//   tombstones  as the walker has counted them last
import { MqkvError, type Random, randomHex } from '../../base/index.ts';
import type { Access } from './access.ts';
import { itemsOf, textOf } from './held-key.ts';
import { slotOf, tagOf } from './slots.ts';

/** The newest format of `mqkv:` metadata that this build reads and writes. */
const FORMAT = 1;
export const META_KEY = 'mqkv:meta';
export const TAGS_KEY = 'mqkv:tags';
const SLOTS = 16_384;
const FIELDS = ['format', 'id', 'site', 'epoch', 'salt', 'discarded', 'discarding', 'tombstones'] as const;

/** The metadata. '' where a field is not there. */
export type Meta = Readonly<Record<(typeof FIELDS)[number], string>>;

export interface OpenMeta {
  readonly site: string;
  readonly random: Random;
  /** The id where there is none; given: the data has gone. */
  readonly id?: string | undefined;
}

/** Opens the metadata; what is not there is made. Errors: MqkvError STORE_FORMAT, STORE_SITE, those of the access. */
export async function openMeta(access: Access, { site, random, id }: OpenMeta): Promise<Meta> {
  const slot = slotOf(META_KEY);
  const set = (field: string, value: string) => access.call(slot, ['HSETNX', META_KEY, field, value]);
  await set('format', String(FORMAT));
  await set('id', id ?? randomHex(random, 8));
  await set('site', site);
  await set('epoch', randomHex(random, 8));
  if (id !== undefined) await set('salt', randomHex(random, 4));
  const meta = await readMeta(access);
  const { format, site: held } = meta;
  if (!(Number(format) <= FORMAT))
    throw new MqkvError('STORE_FORMAT', `the store has format ${format}, this build reads up to ${FORMAT}`);
  if (held !== site)
    throw new MqkvError(
      'STORE_SITE',
      `the store belongs to site '${held}', not '${site}'; its name is in field 'site' of hash ${META_KEY}`,
    );
  if (!access.isCluster) await access.call(slotOf(TAGS_KEY), ['SET', TAGS_KEY, allTags()]);
  return meta;
}

/** The metadata as it is now. Errors: those of the access. */
export async function readMeta(access: Access): Promise<Meta> {
  const reply = await access.call(slotOf(META_KEY), ['HMGET', META_KEY, ...FIELDS], { isRead: true });
  const texts = itemsOf(reply).map(textOf);
  return Object.fromEntries(FIELDS.map((field, i) => [field, texts[i] ?? ''])) as Meta;
}

/** Sets a field. Errors: those of the access. */
export async function setMeta(access: Access, field: keyof Meta, value: string): Promise<void> {
  await access.call(slotOf(META_KEY), ['HSET', META_KEY, field, value]);
}

function allTags(): string {
  return Array.from({ length: SLOTS }, (_, slot) => tagOf(slot)).join('');
}
