// What a store says of itself in its Redis: format, id, site; and the tags of all slots, for scripts that meet undeclared keys.
import { MqkvError, type Random, randomHex } from '../../base/index.ts';
import type { Access } from './access.ts';
import { itemsOf, textOf } from './held-key.ts';
import { slotOf, tagOf } from './slots.ts';

/** The newest format of `mqkv:` metadata that this build reads and writes. */
const FORMAT = 1;
export const META_KEY = 'mqkv:meta';
const TAGS_KEY = 'mqkv:tags';
const SLOTS = 16_384;

/** Opens the metadata. Result: the store's id. Errors: MqkvError STORE_FORMAT, STORE_SITE. */
export async function openMeta(access: Access, site: string, random: Random): Promise<string> {
  const slot = slotOf(META_KEY);
  const set = (field: string, value: string) => access.call(slot, ['HSETNX', META_KEY, field, value]);
  await set('format', String(FORMAT));
  await set('id', randomHex(random, 8));
  await set('site', site);
  const reply = await access.call(slot, ['HMGET', META_KEY, 'format', 'id', 'site'], { isRead: true });
  const [format = '', id = '', held = ''] = itemsOf(reply).map(textOf);
  if (!(Number(format) <= FORMAT))
    throw new MqkvError('STORE_FORMAT', `the store has format ${format}, this build reads up to ${FORMAT}`);
  if (held !== site)
    throw new MqkvError(
      'STORE_SITE',
      `the store belongs to site '${held}', not '${site}'; its name is in field 'site' of hash ${META_KEY}`,
    );
  if (!access.isCluster) await access.call(slotOf(TAGS_KEY), ['SET', TAGS_KEY, allTags()]);
  return id;
}

function allTags(): string {
  return Array.from({ length: SLOTS }, (_, slot) => tagOf(slot)).join('');
}
