// Marks whole keys for the outbox again (lua/mark.lua), because another site has missed what was sent of them.
import type { Latin1 } from '../../base/index.ts';
import { type Access, type Arg, keysOf } from './access.ts';
import { integerOf, itemsOf } from './held-key.ts';
import type { Script } from './scripts.ts';
import { slotOf, tagOf } from './slots.ts';

/** Keys of one call: it must not hold up Redis. */
const KEYS_MAX = 256;

/** Result: those that have a header. Errors: those of the access; then some may be marked. */
export async function markAgain(access: Access, script: Script, keys: readonly Latin1[]): Promise<Latin1[]> {
  const parts = new Map<number, Latin1[]>();
  for (const key of new Set(keys)) {
    const slot = access.isCluster ? slotOf(key) : 0;
    const part = parts.get(slot);
    if (part === undefined) parts.set(slot, [key]);
    else part.push(key);
  }
  const held: Latin1[] = [];
  for (const part of parts.values())
    for (let at = 0; at < part.length; at += KEYS_MAX)
      held.push(...(await markPart(access, script, part.slice(at, at + KEYS_MAX))));
  return held;
}

async function markPart(access: Access, script: Script, keys: readonly Latin1[]): Promise<Latin1[]> {
  const args: Arg[] = [];
  const declared: Arg[] = [];
  for (const key of keys) {
    const slot = slotOf(key);
    if (access.isCluster) declared.push(...keysOf(key, slot));
    args.push(tagOf(slot), key);
  }
  const slot = slotOf(keys[0] ?? '');
  const reply = itemsOf(await access.script(slot, script, { keys: declared, args }));
  return keys.filter((_, i) => integerOf(reply[i]) === 1);
}
