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
/** Units: ms. A fragment whose others have not come by then is a gap (DESIGN 6). */
export const FRAGMENT_AGE_MAX_MS = 10 * 60_000;
/** Units: bytes of staged fragments; two values of the greatest size. Beyond it the oldest incomplete one is given up. */
export const FRAGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** Fragments of one envelope: a value of 512 MiB in messages of 16 KB; more is malformed. */
export const FRAGMENTS_MAX = 65_536;
/** Envelopes published and not yet accepted at one time: 16 x 64 KB fill a link of 1 Gbit/s at 8 ms. */
export const PUBLISHES_IN_FLIGHT_MAX = 16;
/** Messages delivered and not yet acknowledged; merging is quick, so a few hide the way to the broker. */
export const CONSUMER_IN_FLIGHT_MAX = 64;
/** Streams (sending processes) whose sequences are remembered; the least recently heard is forgotten. */
export const STREAMS_MAX = 1024;
/** Sites remembered from heartbeats. */
export const SITES_MAX = 1024;
/** Units: bytes of PUBLISH messages waiting for the queue; beyond it the oldest are dropped (at most once). */
export const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;
/** Units: bytes. Default of --outbox-max: an hour of 1,000 writes a second of 64 bytes to keys of their own. */
export const OUTBOX_BYTES_MAX = 256 * 1024 * 1024;
/** Units: ms. Default of --stop-timeout: as long as most service managers wait before they kill (10 s at least). */
export const STOP_TIMEOUT_MS = 10_000;
/** Units: bytes. A config, password or secret file: far above any real one, so that a wrong path (a log) is refused. */
export const CONFIG_FILE_BYTES_MAX = 1024 * 1024;
/** Unacknowledged messages of 64 KB on one peer link during its first full copy, live ones included. */
export const PEER_SENDS_MAX = 32;
