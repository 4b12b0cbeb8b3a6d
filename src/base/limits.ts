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
/** Units: bytes. One key larger than that and sent whole takes at most this of the queue, however often it is written (DESIGN 3). */
export const WHOLE_BYTES_PER_SECOND_MAX = 1024 * 1024;
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
/** Units: bytes of them: large values would else be held sixteen times beside the store's own copies. */
export const PUBLISHES_IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;
/** Queues that one site publishes to: two for a change of the queue; each further one costs every write again. */
export const QUEUES_MAX = 4;
/** Units: bytes that a redis-streams:// stream may fill by its average message: a Redis that carries messages holds them in memory. */
export const REDIS_STREAM_BYTES_MAX = 256 * 1024 * 1024;
/** Messages delivered and not yet acknowledged; merging is quick, so a few hide the way to the broker. */
export const CONSUMER_IN_FLIGHT_MAX = 64;
/** Streams (sending processes) whose sequences are remembered; the least recently heard is forgotten. */
export const STREAMS_MAX = 1024;
/** Sites remembered from heartbeats. */
export const SITES_MAX = 1024;
/** Units: bytes of PUBLISH messages waiting for the queue; beyond it the oldest are dropped (at most once). */
export const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;
/** Units: ms. Default of --stop-timeout: as long as most service managers wait before they kill (10 s at least). */
export const STOP_TIMEOUT_MS = 10_000;
/** Units: bytes. A config, password or secret file: far above any real one, so that a wrong path (a log) is refused. */
export const CONFIG_FILE_BYTES_MAX = 1024 * 1024;
/** Units: bytes of a peer's messages that wait to be merged here; beyond it the link is not read. A few of the largest envelopes. */
export const PEER_HELD_BYTES_MAX = 4 * 1024 * 1024;
/** Units: bytes written to a peer that does not answer; beyond it the link is closed, and what it did not carry comes by comparison. */
export const PEER_STALLED_BYTES_MAX = 64 * 1024 * 1024;
/** Units: bytes. nsqd's default -max-msg-size; lowered when a broker tells a smaller one. */
export const NSQ_MESSAGE_BYTES_MAX = 1024 * 1024;
/** Units: bytes. Body of one MPUB: a fifth of nsqd's default -max-body-size, and enough to hide the round trip. */
export const NSQ_BATCH_BYTES_MAX = 1024 * 1024;
/** MPUBs sent and not yet answered on one connection: the next one travels while nsqd writes the last. */
export const NSQ_BATCHES_IN_FLIGHT_MAX = 4;
/** Units: bytes of messages handed to the NSQ publisher and not yet accepted; beyond it publishing is refused. */
export const NSQ_PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Units: bytes. One frame from nsqd; far above any sensible -max-msg-size, so that a foreign protocol is noticed. */
export const NSQ_FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** nsqd that one site consumes from, given and discovered; a connection, its timers and buffers for each. */
export const NSQ_BROKERS_MAX = 256;
/** Units: bytes. One answer of nsqd or nsqlookupd over HTTP: 10,000 producers or clients of some 400 bytes. */
export const NSQ_HTTP_BYTES_MAX = 4 * 1024 * 1024;
/** Units: bytes. One request that is not complete yet, as in Redis (client-query-buffer-limit); below 2^31 for its offsets. */
export const QUERY_BYTES_MAX = 1024 * 1024 * 1024;
/** Arguments of one command before AUTH, as in Redis: AUTH and HELLO need fewer. */
export const UNAUTHENTICATED_ARGUMENTS_MAX = 10;
/** Units: bytes. One argument before AUTH, as in Redis. */
export const UNAUTHENTICATED_BULK_BYTES_MAX = 16_384;
/** Nested aggregates in a reply; COMMAND DOCS of Redis has about ten. */
export const REPLY_DEPTH_MAX = 64;
/** Units: bytes of replies written by one chunk of input before they are sent off early: keeps a pipeline of large GETs from growing the shared buffer. */
export const REPLY_FLUSH_BYTES = 1024 * 1024;
/** Units: bytes. Unsent replies of one client above which no more of its input is executed until they are gone. */
export const OUTPUT_PAUSE_BYTES = 1024 * 1024;
/** Units: bytes of input kept for a client while an async handler runs; beyond it its socket is not read. */
export const INPUT_PAUSE_BYTES = 256 * 1024;
/** Cells of the table of LCS, four bytes each: 64 MB, two strings of 4,000 bytes; Redis' bound is its largest value. */
export const LCS_CELLS_MAX = 16 * 1024 * 1024;
/** Units: Unix ms. The largest expiry: 48 bits hold it (year 10889). */
export const EXPIRY_MS_MAX = 2 ** 48 - 1;
/** Commands remembered by SLOWLOG, as in Redis (slowlog-max-len). */
export const SLOWLOG_ENTRIES_MAX = 128;
/** Units: microseconds. Commands that take longer are remembered, as in Redis (slowlog-log-slower-than). */
export const SLOWLOG_MICROSECONDS = 10_000;
/** Elements of a hash or set that one HSCAN, SSCAN answers whole whatever its COUNT; Redis' compact encodings do so too. */
export const SCAN_WHOLE_MAX = 512;
/** Connections of the admin HTTP: probes, a scraper, a few people; more is a mistake and costs the clients' loop. */
export const ADMIN_CONNECTIONS_MAX = 256;
/** Units: s. The longest profile: the profiler costs a few per cent and its samples stay in memory until the end. */
export const PROFILE_SECONDS_MAX = 60;
/** Elements that one random pick with repetition may ask for: each is at least six bytes of reply. */
export const PICKS_MAX = 16 * 1024 * 1024;
/** Units: bytes of sent messages kept for sites that notice a gap: about 20,000 plain writes of 64 bytes. */
export const SENT_BYTES_MAX = 2 * 1024 * 1024;
/** Sequences of one stream remembered as missing; more are lost until digests repair them. */
export const MISSING_MAX = 4096;
/** Missing sequences named in one heartbeat. */
export const MISSING_ASKED_MAX = 256;
/** Units: bytes of short-lived Buffers after which the young generation is collected. */
export const YOUNG_GARBAGE_BYTES_MAX = 2 * 1024 * 1024;
/** Units: ms. Default of --horizon: how long a deleted or expired key is remembered, so that late deltas stay dead (DESIGN 3). */
export const HORIZON_MS = 24 * 60 * 60_000;
/** Commands of one client whose replies are still to come, beyond which its next ones wait: eight pipelines of 512, so that one is
 *  read while others are under way. */
export const LATE_COMMANDS_MAX = 4096;
/** Units: bytes of input of those commands; a larger single command goes alone. */
export const LATE_INPUT_BYTES_MAX = 256 * 1024;
/** Script texts that a gateway remembers; the others it reads from its Redis again. */
export const SCRIPTS_CACHED_MAX = 1024;
/** Keys of one DEL that a FLUSHALL is made of: some ms of script, so that other clients get their turn. */
export const FLUSH_KEYS_MAX = 256;
/** Write units of one script call: Redis does nothing else meanwhile, and 512 take it about two milliseconds. */
export const SCRIPT_UNITS_MAX = 512;
/** Units: bytes of one script call's units; a larger single unit goes alone. */
export const SCRIPT_BYTES_MAX = 1024 * 1024;
/** Units: ms. How long the near cache believes that a key is absent: a slot that moves meanwhile takes the news of it along. */
export const CACHE_MISSING_MS = 1_000;
/** Units: ms. The longest that a read waits for a value to expire in the store too, instead of reading it once more: as long as a slow round trip. */
export const CACHE_SETTLE_MS_MAX = 100;
/** Units: bytes of requests that wait for a Redis node (at most 2 s, DESIGN 5); beyond it commands are answered UNAVAILABLE at once. */
export const ROUTER_WAITING_BYTES_MAX = 256 * 1024 * 1024;
/** Units: bytes of commands that wait for their upstream Redis; beyond it they fail at once: one value of half the greatest size, or two seconds at 1 Gbit/s. */
export const UPSTREAM_QUEUED_BYTES_MAX = 256 * 1024 * 1024;
/** Units: bytes of one upstream reply that is not complete yet; below 2^31 for one Buffer. Twice the largest value. */
export const UPSTREAM_REPLY_BYTES_MAX = 1024 * 1024 * 1024;
/** Replicas of one master that are pinged for `?read=replica`; a connection each. */
export const REPLICAS_MAX = 16;
/** Sentinels of one master, given and discovered; a connection each. */
export const SENTINELS_MAX = 32;
/** Units: bytes of key and value. Larger ones lie in the near cache's LRU list; copying these costs less than an object each. */
export const CACHE_SMALL_BYTES_MAX = 4096;
/** Keys that clients track (CLIENT TRACKING) at one gateway, as in Redis (tracking-table-max-keys); the oldest counts as changed. */
export const TRACKED_KEYS_MAX = 1_000_000;
/** Staged fragments that a gateway collects for the others of its site before it tells them: about 40 KB. */
export const HELD_TOLD_MAX = 2048;
/** Units: bytes, about, of writes that a gateway before a Redis remembers to send; beyond it they are left to the walker, who finds their marks in Redis. */
export const OUTBOX_PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Units: bytes. Values of plain SETs up to this size are kept until they are sent, so that Redis need not be asked again. */
export const OUTBOX_VALUE_BYTES_MAX = 16 * 1024;
/** Keys of which only a part expires that one gateway has timers for: about 20 MB; the walker visits the others once a minute. */
export const PARTIAL_EXPIRIES_MAX = 100_000;
/** Keys with a keyspace notification that wait to be looked at, 50 ms' worth; what is beyond them MQKV.VERIFY finds. */
export const FOREIGN_KEYS_MAX = 10_000;
/** Units: ms. A key written so shortly before a comparison of two sites is on its way, not different (DESIGN 7). */
export const YOUNG_MS = 5_000;
/** Units: ms. What shows nothing and is known to every site may be forgotten after so long (DESIGN 3). */
export const STABLE_MS = 15 * 60_000;
/** Units: bytes of all notes of a store: sites and streams are bounded too. */
export const NOTES_BYTES_MAX = 1024 * 1024;
/** Units: bytes of marks that an embedded store's outbox holds, the default of --outbox-max: some 50 million plain keys. Beyond it the oldest are collapsed to slots. */
export const OUTBOX_BYTES_MAX = 256 * 1024 * 1024;
/** Units: bytes of changes that wait to be written to a log; beyond it growing writes are refused, as when the disk is full. */
export const LOG_BUFFER_BYTES_MAX = 256 * 1024 * 1024;
/** Units: ms. A clock that jumped ahead by more than half the horizon makes nothing be forgotten until it has stayed there so long: time services set a wrong clock right sooner. */
export const FORGET_AFTER_JUMP_MS = 10 * 60_000;
/** Units: ms beyond STABLE_MS before something stable is forgotten: a comparison under way holds the time that it began at, and clocks differ a little. */
export const FORGET_MARGIN_MS = 60_000;
/** Ranges above the floor that one stream's applied sequences are remembered by: a range a hole, and holes are asked for from 5 s on. */
export const RANGES_MAX = 4096;
/** Keys that the last messages carried, remembered for sites that miss one of them (DESIGN 7). */
export const SENT_KEYS_MAX = 100_000;
/** Units: bytes of these keys; long ones are forgotten sooner. */
export const SENT_KEYS_BYTES_MAX = 8 * 1024 * 1024;
/** Messages of which a sender remembers by what it replaced them, or is about to; more are said to be lost. */
export const REFILLS_MAX = 4096;
/** Units: bytes of a log from which on it is rewritten, once it is also twice its snapshot: shorter ones are read back in a second. */
export const LOG_REWRITE_BYTES_MIN = 64 * 1024 * 1024;
/** Bodies of several fragments kept while their merge fails (store away): each may be as large as a value. */
export const WHOLE_BODIES_MAX = 4;
/** A store's own earlier streams remembered in its notes: one a start of a process; gateways of one site included. */
export const OWN_STREAMS_MAX = 256;
/** Keys whose hash and fingerprint one step of a comparison holds, at either side: about 12 MB; what is beyond them is another step. */
export const REPAIR_ENTRIES_MAX = 128 * 1024;
/** Names of keys that the answering side remembers between listing and giving states: else it looks for them once more. */
export const REPAIR_NAMES_MAX = 64 * 1024;
/** Units: bytes, about, of one answer or push between sites; a larger single key goes alone. */
export const REPAIR_MESSAGE_BYTES = 224 * 1024;
/** Places of keys whose states are asked for at one time. */
export const REPAIR_STATES_MAX = 2048;
/** Units: bytes of one page of a snapshot: the asked site makes it in about one ms. */
export const PAGE_BYTES = 64 * 1024;
/** Units: bytes of pages that one answer holds, where the way is long. */
export const PAGES_BYTES_MAX = 1024 * 1024;
/** Units: bytes a second that a site gives to each other site that copies or compares: clients have the rest. */
export const REPAIR_BYTES_PER_SECOND = 24 * 1024 * 1024;
/** Units: bytes a second of requests and answers through the queue, whose first duty are the writes. */
export const QUEUE_REPAIR_BYTES_PER_SECOND = 1024 * 1024;
/** Requests of other sites that are answered at one time; others are told to come again. */
export const PEER_REQUESTS_MAX = 64;
/** Connections on which other sites ask; a site needs one. */
export const PEER_ASKERS_MAX = 512;
/** Keys of deltas that a Redis can never take that are noted for MQKV.VERIFY; a module that is missing may refuse any number. */
export const REFUSED_NOTED_MAX = 1000;
/** Messages held while a site merges nothing (MQKV.FREEZE in): twice what queues deliver unacknowledged, of two queues. */
export const FROZEN_MESSAGES_MAX = 256;
