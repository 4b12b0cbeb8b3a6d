// All data commands of the simulated Redis.
import type { Command } from '../command.ts';
import { BITS } from './bits.ts';
import { HASHES } from './hashes.ts';
import { KEYS } from './keys.ts';
import { LISTS } from './lists.ts';
import { SETS } from './sets.ts';
import { STREAMS } from './streams.ts';
import { STRINGS } from './strings.ts';
import { ZSETS } from './zsets.ts';

/** By lower-case name. */
export const DATA_COMMANDS: ReadonlyMap<string, Command> = new Map(
  [...STRINGS, ...BITS, ...KEYS, ...HASHES, ...SETS, ...ZSETS, ...LISTS, ...STREAMS].map((command) => [
    command.name,
    command,
  ]),
);
