// The one error class for failures. Reply errors are values, bugs are assertions; neither is this.

/** A failure with a stable code that callers and tests may compare. */
export class MqkvError extends Error {
  /** Stable, upper case, e.g. `QUEUE_UNREACHABLE`. */
  readonly code: string;
  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'MqkvError';
    this.code = code;
  }
}

/** Throws when `condition` does not hold: a bug in mqkv, never a user's mistake. Always on. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
