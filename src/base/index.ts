// The folder's door.
export { bytesOf, type Latin1, latin1Of } from './bytes.ts';
export { type Clock, isWithin, sleep, systemClock, type Timer } from './clock.ts';
export type { AppendFile, Disk, FileIdentity, FolderLock } from './disk.ts';
export { assert, MqkvError, messageOf } from './errors.ts';
export * from './limits.ts';
export { type HashBytes, openHash } from './hash.ts';
export { type Logger, silentLogger } from './logger.ts';
export { isLoopback } from './loopback.ts';
export { below, type Random, randomHex, randomOrigin, seededRandom, systemRandom } from './random.ts';
export { openScope, type Scope } from './scope.ts';
export { SLOTS, slotOf, slotOfBytes } from './slots.ts';
export { boundYoungGeneration, noteYoungGarbage } from './young-garbage.ts';
