// The command table: mqkv's own commands. Columns: name, arity, flags, keys, ACL categories, since, registers touched, summary.
import type { Row } from './row.ts';

export const MQKV: readonly Row[] = [
  [
    'mqkv.ack',
    2,
    'noscript loading stale fast no_multi',
    '',
    'fast connection',
    '7.0.0',
    '',
    "Whether this connection's writes are answered when the queue has them (`queue`), or at once (`local`)",
  ],
  [
    'mqkv.freeze',
    2,
    'admin noscript loading stale',
    '',
    'admin slow dangerous',
    '7.0.0',
    '',
    'Merges nothing of other sites (`in`), publishes nothing (`out`), or goes on (`off`)',
  ],
  [
    'mqkv.lag',
    1,
    'noscript loading stale',
    '',
    'slow',
    '7.0.0',
    '',
    'How far each site is behind each other, in milliseconds and messages',
  ],
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
  [
    'mqkv.sites',
    1,
    'noscript loading stale',
    '',
    'slow',
    '7.0.0',
    '',
    'The sites that this one knows, and their states',
  ],
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
];

export const MQKV_ON_REDIS: readonly Row[] = [
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
