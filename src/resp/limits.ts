// The bounds of a request parser; a server shares one object between its connections, so they may change at run time.
import { ARGUMENTS_MAX, INLINE_BYTES_MAX, QUERY_BYTES_MAX, VALUE_BYTES_MAX } from '../base/index.ts';

/** Bounds on what a client may send. */
export interface RequestLimits {
  /** Units: bytes of one argument. */
  bulkBytesMax: number;
  /** Arguments of one command. */
  argumentsMax: number;
  /** Units: bytes of one inline command, or of one header line. */
  inlineBytesMax: number;
  /** Units: bytes of one command that is not complete yet. Range: below 2^31. */
  queryBytesMax: number;
}

/** Redis' own bounds, some of them changed. Owns: the caller. */
export function requestLimits(some: Partial<RequestLimits> = {}): RequestLimits {
  return {
    bulkBytesMax: some.bulkBytesMax ?? VALUE_BYTES_MAX,
    argumentsMax: some.argumentsMax ?? ARGUMENTS_MAX,
    inlineBytesMax: some.inlineBytesMax ?? INLINE_BYTES_MAX,
    queryBytesMax: some.queryBytesMax ?? QUERY_BYTES_MAX,
  };
}
