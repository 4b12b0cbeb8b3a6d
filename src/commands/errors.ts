// Texts of reply errors that more than one command uses, as Redis 7.0 words them.

export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
export const NOT_INTEGER = 'ERR value is not an integer or out of range';
export const NOT_FLOAT = 'ERR value is not a valid float';
export const SYNTAX = 'ERR syntax error';
export const NO_SUCH_KEY = 'ERR no such key';
export const OUT_OF_RANGE = 'ERR value is out of range';
export const NOT_POSITIVE = 'ERR value is out of range, must be positive';
export const OVERFLOW = 'ERR increment or decrement would overflow';
export const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
export const RESERVED = "ERR key names beginning with 'mqkv:' are reserved";

/** Arity. `name`: as in the table. */
export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** A subcommand that the container does not know. */
export function unknownSubcommand(container: string, given: string): string {
  return `ERR unknown subcommand '${given.slice(0, 128)}'. Try ${container.toUpperCase()} HELP.`;
}

/** An expiry that is no time. */
export function invalidExpire(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}
