// Sites of golden cases on Redis: the shipped scripts with the test clock, units through the executor, views from the stored
// texts. On a standalone Redis (or a sentinels' master) each site has a database of its own, counted from the URL's; a
// cluster has only one and is one site of each case, the others are embedded, all keys in one slot. What is there is flushed before each case.
import { createHash } from 'node:crypto';
import {
  bytesOf,
  type Clock,
  type Latin1,
  latin1Of,
  seededRandom,
  systemClock,
} from '../../src/base/index.ts';
import { check, namedKeys } from '../../src/commands/dispatch.ts';
import { keyPositions } from '../../src/commands/spec.ts';
import type { Reply } from '../../src/resp/index.ts';
import { openRedisStore, type RedisStore } from '../../src/store/redis/redis-store.ts';
import { type Script, withTestClock } from '../../src/store/redis/scripts.ts';
import { runUnit } from '../../src/store/redis/testing.ts';
import type { Topology } from '../../src/store/redis/topology/index.ts';
import type { Ground } from '../../src/redis-link/index.ts';
import type { RedisUrl } from '../../src/store/redis/url-type.ts';
import { type CaseSiteOptions, type CaseStore, openEmbeddedCaseStore, type OpenCaseStore } from './site.ts';

/** Logical databases of a Redis as it comes. */
const DATABASES = 16;
const CLOCK_KEY = 'mqkv:clock';

/** Stores of cases on one Redis; close it at the end. */
export interface RedisCases extends AsyncDisposable {
  readonly open: OpenCaseStore;
}

/** Opens what the cases need, once; stores are used again by the next case. `change`: replaces each script; `triesOutside`, `ground`: as RedisStoreOptions. */
export function openRedisCases(
  url: RedisUrl,
  change?: Change,
  triesOutside?: number,
  ground?: Ground,
): RedisCases {
  const stores = new Map<number, Promise<RedisCaseStore>>();
  let cases = 0;
  return {
    async open(index, options) {
      if (index === 0) cases++;
      if (url.mode === 'cluster' && index !== cases % 2)
        return inOneSlot(openEmbeddedCaseStore(index, options));
      if (url.db + index >= DATABASES) return openEmbeddedCaseStore(index, options);
      const held =
        stores.get(index) ?? openCaseStore(url, index, { ...options, change, triesOutside, ground });
      stores.set(index, held);
      const store = await held;
      await store.begin();
      return url.mode === 'cluster' ? inOneSlot(store) : store;
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores.values()) await (await store).end();
    },
  };
}

/** Errors that no command has by itself. */
const FAILURE =
  /^-(UNCERTAIN|UNAVAILABLE|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|NOSCRIPT|ERR user_script|ERR Error)[^\r]*/;
const OPENED_MS = systemClock.now();
/** Runs from 0: what expires in a case lies far ahead, so that no timer frees it behind the case's back, or in the next case. */
const smallClock: Clock = {
  now: () => systemClock.now() - OPENED_MS,
  after: (ms, run) => systemClock.after(ms, run),
  every: (ms, run) => systemClock.every(ms, run),
};

const ONE_SLOT = '{case}';

/** Transactions of cases name keys of several slots: on a cluster all keys get a hash tag, at every site. */
function inOneSlot(store: CaseStore): CaseStore {
  const tagged = (key: Latin1): Latin1 => (key.startsWith(ONE_SLOT) ? key : ONE_SLOT + key);
  return {
    store: store.store,
    setNow: (now) => store.setNow(now),
    run: (commands, now) =>
      store.run(
        commands.map((command) => withKeys(command, tagged)),
        now,
      ),
    take: () => store.take(),
    stateOf: (key) => store.stateOf(tagged(key)),
    allKeys: () => store.allKeys(),
    freeExpired: (now) => store.freeExpired(now),
    close: () => store.close(),
  };
}

function withKeys(command: readonly Buffer[], change: (key: Latin1) => Latin1): readonly Buffer[] {
  const args = { argc: command.length, text: (a: number) => latin1Of(command[a] ?? Buffer.alloc(0)) };
  const { spec } = check(args, 'redis');
  const positions = new Set(spec === undefined ? [] : keyPositions(spec, args));
  return command.map((word, i) => (positions.has(i) ? bytesOf(change(latin1Of(word))) : word));
}

type Change = (script: Script) => Script;

interface Around extends CaseSiteOptions {
  readonly change: Change | undefined;
  readonly triesOutside: number | undefined;
  readonly ground: Ground | undefined;
}

async function openCaseStore(url: RedisUrl, index: number, around: Around): Promise<RedisCaseStore> {
  const time = { now: 0 };
  const isCluster = url.mode === 'cluster';
  const store = await openRedisStore({
    url: isCluster ? url : { ...url, db: url.db + index },
    clock: smallClock,
    random: seededRandom(index + 1),
    logger: around.logger,
    site: 'case',
    marks: true,
    origin: around.origin,
    isWalking: false,
    triesOutside: around.triesOutside,
    ground: around.ground,
    changeScript(script) {
      const own = withOrigin(around.change?.(script) ?? script, around.origin);
      return isCluster ? scriptAt(own, time) : withTestClock(own);
    },
  });
  return new RedisCaseStore(store, time);
}

/** Versions bear the case's origin whatever the node's is. */
function withOrigin(script: Script, origin: number): Script {
  const given = 'ORIGIN, MAX_VALUE_BYTES = ARGV[1],';
  if (!script.text.includes(given)) return script;
  const text = script.text.replace(
    given,
    `ORIGIN, MAX_VALUE_BYTES = '${origin.toString(16).padStart(8, '0')}',`,
  );
  return { ...script, text };
}

/** On a cluster no key is within reach of every script: the time stands in the text, which so is another one at each time. */
function scriptAt(script: Script, time: { readonly now: number }): Script {
  const { text: pattern } = withTestClock(script);
  const text = (): string => pattern.replace(`redis.call('GET', '${CLOCK_KEY}')`, String(time.now));
  return {
    name: script.name,
    get text() {
      return text();
    },
    get sha1() {
      return createHash('sha1').update(text()).digest('hex');
    },
  };
}

class RedisCaseStore implements CaseStore {
  readonly store: RedisStore;
  readonly #time: { now: number };

  constructor(store: RedisStore, time: { now: number }) {
    this.store = store;
    this.#time = time;
  }

  /** Nothing is left of the case before. */
  async begin(): Promise<void> {
    await this.store.outbox.take(Number.MAX_SAFE_INTEGER);
    this.#time.now = 0;
    const tags = await this.#call(['GET', 'mqkv:tags']);
    await this.#flush();
    if (tags.kind === 'bulk') await this.#call(['SET', 'mqkv:tags', tags.bytes]);
  }

  async #flush(): Promise<void> {
    for (const slot of slotOfEachNode(this.store.topology)) await this.store.router.call(slot, ['FLUSHDB']);
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.store.close();
  }

  #call(args: readonly (string | Uint8Array)[]): Promise<Reply> {
    return this.store.router.call(0, args);
  }

  async setNow(now: number): Promise<void> {
    if (this.#time.now === now) return;
    this.#time.now = now;
    if (!this.store.topology.isCluster) await this.#call(['SET', CLOCK_KEY, String(now)]);
  }

  async run(commands: readonly (readonly Buffer[])[]): Promise<Buffer> {
    const given = commands.map((command) => command.map((word) => latin1Of(word)));
    const named = new Set<Latin1>();
    for (const command of given) {
      const args = { argc: command.length, text: (a: number) => command[a] ?? '' };
      const { spec, error } = check(args, 'redis');
      if (spec === undefined) return Buffer.from(`-${error ?? 'ERR unknown command'}\r\n`, 'latin1');
      for (const key of namedKeys(spec, args)) named.add(key);
    }
    // As the gateway does: a flush is a DEL of what there is.
    if (given.some(isFlush)) for (const key of await this.store.allKeys()) named.add(key);
    const words = given.map((command) => (isFlush(command) ? ['DEL', ...named, ''] : command));
    const replies = await runUnit(this.store, words, [...named]);
    const lost = FAILURE.exec(replies.toString('latin1'));
    if (lost !== null) throw new Error(`the store failed: ${lost[0]}`);
    return replies;
  }

  async take(): Promise<Buffer | undefined> {
    const taken = await this.store.outbox.take(Number.MAX_SAFE_INTEGER);
    taken?.accepted();
    await this.store.outbox.settled();
    return taken === undefined || taken.deltas.length === 0 ? undefined : taken.deltas;
  }

  stateOf(key: Latin1) {
    return this.store.stateOf(key);
  }

  allKeys() {
    return this.store.allKeys();
  }

  freeExpired(): Promise<void> {
    return this.store.freeExpired();
  }

  /** The Redis stays open for the next case. */
  async close(): Promise<void> {}
}

function isFlush([name = '']: readonly Latin1[]): boolean {
  return /^flush(all|db)$/i.test(name);
}

/** One slot for each master. */
function slotOfEachNode(topology: Topology): readonly number[] {
  if (!topology.isCluster) return [0];
  const found = new Map<unknown, number>();
  for (let slot = 0; slot < 16_384; slot++) {
    const node = topology.nodeOf(slot);
    if (node !== undefined && !found.has(node)) found.set(node, slot);
  }
  return [...found.values()];
}
