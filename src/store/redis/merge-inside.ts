// Deltas as lua/merge.lua takes them: for keys that are written faster than what was read of them can be compared.
import { bytesOf, type Latin1 } from '../../base/index.ts';
import {
  type KeyState,
  registerOf,
  STRING_FIELD,
  TYPE_HASH,
  TYPE_SET,
  TYPE_ZSET,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import type { Arg } from './access.ts';
import { glance } from './register-text.ts';
import { tagOf, slotOf } from './slots.ts';
import { headerTextOf, inlineType, registerTextsOf, splitName } from './state-text.ts';
import { doubleText } from './version-text.ts';

/** Whether merge.lua knows all types of a delta. */
export function isMergedInside(state: KeyState): boolean {
  if (state.type > TYPE_ZSET) return false;
  for (const type of state.registers.keys()) if (type > TYPE_ZSET) return false;
  return true;
}

/** The key's arguments of merge.lua. */
export function mergeArgs(key: Latin1, state: KeyState): Arg[] {
  const texts = registerTextsOf(state);
  const type = inlineType(state);
  const inline = type === 0 ? undefined : registerOf(state, type, STRING_FIELD)?.value;
  const header = headerTextOf(state, { marked: false, outside: texts.size, count: 0, flags: '' });
  const args: Arg[] = [tagOf(slotOf(key)), key, header, Buffer.isBuffer(inline) ? inline : ''];
  args.push(String(texts.size));
  for (const [name, text] of texts) {
    const [ofType, field] = splitName(name);
    const value = registerOf(state, ofType, field)?.value;
    args.push(
      name,
      text,
      glance(text).isNative && value !== undefined ? valueArg(ofType, value as Value) : '',
    );
  }
  return args;
}

function valueArg(type: ValueType, value: Value): Arg {
  if (type === TYPE_HASH) return value as Latin1;
  if (type === TYPE_SET) return '1';
  return type === TYPE_ZSET ? doubleText(value as number) : bytesOf(String(value));
}
