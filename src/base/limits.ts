// Every bound in one place, the reason beside the number.

/** Units: bytes. What Redis calls proto-max-bulk-len: the largest value and the default of --max-value. */
export const VALUE_BYTES_MAX = 512 * 1024 * 1024;
/** Arguments of one command, as in Redis (1024 * 1024). */
export const ARGUMENTS_MAX = 1024 * 1024;
/** Units: bytes. Inline commands and the headers of RESP, as in Redis (PROTO_INLINE_MAX_SIZE). */
export const INLINE_BYTES_MAX = 64 * 1024;
/** Units: bytes. An envelope closes at this size; larger groups of deltas grow it and are fragmented by the sender. */
export const ENVELOPE_BYTES = 64 * 1024;
/** Units: bytes. A delta that changes the expiry carries the whole key up to this size (DESIGN 3). */
export const WHOLE_KEY_BYTES_MAX = 16 * 1024;
/** Clients of one server, as in Redis (maxclients). */
export const CLIENTS_MAX = 10_000;
/** Units: bytes. Unsent replies of one client beyond which it is disconnected (slow reader of a subscription). */
export const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
