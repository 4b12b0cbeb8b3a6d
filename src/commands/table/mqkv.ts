// The command table: mqkv's own commands. Columns: name, arity, flags, keys, ACL categories, since, registers touched, summary.
import type { Row } from './row.ts';

export const MQKV: readonly Row[] = [
  [
    'mqkv.peer',
    -2,
    'admin noscript loading stale no_multi no_auth',
    '',
    'admin slow dangerous',
    '7.0.0',
    '',
    'Turns the connection into a link between two sites',
  ],
];

export const MQKV_ON_REDIS: readonly Row[] = [
  [
    'mqkv.trace',
    2,
    'noscript',
    'RO@1:0/1',
    'read slow',
    '7.0.0',
    '',
    "The version, origin and time of every part of a key's state",
  ],
  [
    'mqkv.verify',
    1,
    'admin noscript',
    '',
    'admin slow dangerous',
    '7.0.0',
    '',
    "Looks for what was written to the Redis behind mqkv's back",
  ],
];
