// EXPIRE and its family, TTL and its family, PERSIST.
import type { Call, CommandHandler } from './call.ts';
import { type ExpiryUnit, expiryAt } from './expiry-time.ts';

interface Conditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

/** Options after the time. undefined: an error was replied. */
function conditions(c: Call): Conditions | undefined {
  const found: Conditions = { nx: false, xx: false, gt: false, lt: false };
  for (let a = 3; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'NX') found.nx = true;
    else if (word === 'XX') found.xx = true;
    else if (word === 'GT') found.gt = true;
    else if (word === 'LT') found.lt = true;
    else return c.fail(`ERR Unsupported option ${c.text(a)}`);
  }
  if (found.nx && (found.xx || found.gt || found.lt))
    return c.fail('ERR NX and XX, GT or LT options at the same time are not compatible');
  if (found.gt && found.lt) return c.fail('ERR GT and LT options at the same time are not compatible');
  return found;
}

/** Whether the conditions allow `at` where `shown` is the present expiry (0: none). */
function allowed(when: Conditions, at: number, shown: number): boolean {
  if (when.nx && shown !== 0) return false;
  if (when.xx && shown === 0) return false;
  if (when.gt && (shown === 0 || at <= shown)) return false;
  return !(when.lt && shown !== 0 && at >= shown);
}

function expire(unit: ExpiryUnit): CommandHandler {
  return (c) => {
    const when = conditions(c);
    if (when === undefined) return;
    const at = expiryAt(c, c.text(2), { ...unit, positive: false });
    if (at === undefined) return;
    const key = c.text(1);
    const shown = c.keyspace.expiresAt(key);
    if (shown < 0 || !allowed(when, at, shown)) return c.reply.integer(0);
    if (at <= c.now) c.keyspace.remove(key);
    else c.keyspace.expire(key, at);
    c.reply.integer(1);
  };
}

function persist(c: Call): void {
  const has = c.keyspace.expiresAt(c.text(1)) > 0;
  if (has) c.keyspace.expire(c.text(1), 0);
  c.reply.integer(has ? 1 : 0);
}

/** What a TTL command replies, from the expiry in Unix ms. */
function ttl(answer: (at: number, now: number) => number): CommandHandler {
  return (c) => {
    const at = c.keyspace.expiresAt(c.text(1));
    if (at <= 0) c.reply.integer(at < 0 ? -2 : -1);
    else c.reply.integer(answer(at, c.now));
  };
}

export const expiryCommands: Readonly<Record<string, CommandHandler>> = {
  expire: expire({ seconds: true, absolute: false }),
  pexpire: expire({ seconds: false, absolute: false }),
  expireat: expire({ seconds: true, absolute: true }),
  pexpireat: expire({ seconds: false, absolute: true }),
  persist,
  ttl: ttl((at, now) => Math.floor((Math.max(0, at - now) + 500) / 1000)),
  pttl: ttl((at, now) => Math.max(0, at - now)),
  expiretime: ttl((at) => Math.floor((at + 500) / 1000)),
  pexpiretime: ttl((at) => at),
};
