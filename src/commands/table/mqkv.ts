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
