// One row of the command table as written down in the files beside this one.

/**
 * Columns: name (`container|sub` for subcommands), arity (as in Redis: negative is a minimum), flags, keys, ACL
 * categories, since which Redis, what it does to registers (DESIGN 3; empty: nothing), summary.
 * Keys, separated by blanks: `FLAGS@BEGIN:LAST/STEP` (a range that begins at an argument; LAST counts from BEGIN, -1 is
 * the last argument; `LAST/STEP/2`: the first half of them) or `FLAGS@BEGIN#NUM/FIRST/STEP` (a number of keys stands at
 * BEGIN + NUM, keys from BEGIN + FIRST). BEGIN as `WORD=FROM`: just behind this word, looked for from FROM on.
 * Which store executes a command is said in `../spec.ts`, what a Redis store makes of it in `via.ts`.
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
