// What a Redis must be before anything is written to it: new enough, loaded, of the kind that the URL says, without eviction.
import { MqkvError } from '../../../base/index.ts';
import { plainReply, type Reply } from '../../../resp/index.ts';
import type { LinkSetup } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';

/** Scripts need `redis.call('TIME')` with effects, PEXPIREAT, GETDEL, RESP3 and ACLs as of 6.2. */
const VERSION_MIN = [6, 2] as const;

/** Codes that waiting does not mend: someone has to change the configuration. */
const FATAL = new Set([
  'EVICTION_POLICY',
  'REDIS_VERSION',
  'REDIS_AUTH',
  'REDIS_DB',
  'REDIS_MODE',
  'REDIS_PERMISSION',
  'REDIS_PROTOCOL',
]);

/** The error if it is of no use to try again. */
export function fatal(error: MqkvError | undefined): MqkvError | undefined {
  return error !== undefined && FATAL.has(error.code) ? error : undefined;
}

/** Errors: MqkvError EVICTION_POLICY, REDIS_VERSION, REDIS_MODE, REDIS_PERMISSION, REDIS_AUTH; LOADING, which passes. */
export async function checkServer(setup: Pick<LinkSetup, 'call'>, url: RedisUrl): Promise<void> {
  const [info, config] = await Promise.all([
    setup.call(['INFO']),
    setup.call(['CONFIG', 'GET', 'maxmemory-policy']),
  ]);
  if (info.kind === 'error') throw refusedInfo(info.text);
  const text = String(plainReply(info));
  const field = (name: string): string => new RegExp(`^${name}:(\\S*)`, 'm').exec(text)?.[1] ?? '';
  checkVersion(field('redis_version'));
  checkMode(field('redis_mode'), url.mode);
  if (field('loading') === '1') throw new MqkvError('LOADING', 'Redis is loading its data');
  checkPolicy(policyOf(config) ?? field('maxmemory_policy'));
}

function refusedInfo(text: string): MqkvError {
  const code = text.startsWith('NOAUTH')
    ? 'REDIS_AUTH'
    : text.startsWith('NOPERM')
      ? 'REDIS_PERMISSION'
      : 'UNAVAILABLE';
  return new MqkvError(code, `Redis refused INFO: ${text}`);
}

function checkVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = VERSION_MIN;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  const least = VERSION_MIN.join('.');
  throw new MqkvError(
    'REDIS_VERSION',
    `this Redis is version ${version || 'unknown'}; mqkv needs ${least} or newer`,
  );
}

function checkMode(mode: string, wanted: RedisUrl['mode']): void {
  const isCluster = wanted === 'cluster';
  if (mode === '' || (mode === 'cluster') === isCluster) {
    if (mode !== 'sentinel') return;
    throw new MqkvError('REDIS_MODE', 'this is a Sentinel; its URL is redis+sentinel://HOST:PORT/NAME');
  }
  const what = isCluster
    ? `not a cluster node but "${mode}"; use redis://`
    : 'a cluster node; use redis+cluster://';
  throw new MqkvError('REDIS_MODE', `this Redis is ${what}`);
}

/** undefined where CONFIG is forbidden or renamed. */
function policyOf(config: Reply): string | undefined {
  const [entry, value] =
    config.kind === 'map' ? (config.entries[0] ?? []) : config.kind === 'array' ? config.items : [];
  return entry === undefined || value === undefined ? undefined : String(plainReply(value));
}

function checkPolicy(policy: string): void {
  if (policy === 'noeviction') return;
  throw new MqkvError(
    'EVICTION_POLICY',
    `this Redis has maxmemory-policy "${policy}": it would drop keys that other sites keep; set it to noeviction`,
  );
}
