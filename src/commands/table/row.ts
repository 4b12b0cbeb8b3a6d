// One row of the command table as written down in the files beside this one.

/**
 * Columns: name (`container|sub` for subcommands), arity (as in Redis: negative is a minimum), flags, keys, ACL
 * categories, since which Redis, what it does to registers (DESIGN 3; empty: nothing), summary.
 * Keys, separated by blanks: `FLAGS@BEGIN:LAST/STEP` (a range that begins at an argument; LAST counts from BEGIN, -1 is
 * the last argument) or `FLAGS@BEGIN#NUM/FIRST/STEP` (a number of keys stands at BEGIN + NUM, keys from BEGIN + FIRST).
 */
export type Row = readonly [
  name: string,
  arity: number,
  flags: string,
  keys: string,
  acl: string,
  since: string,
  touches: string,
  summary: string,
];
