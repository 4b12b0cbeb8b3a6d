// Stores of cases on Redis whose Redis is looked at after every step (redis-state-check.ts).
import type { RedisCases } from '../sim/cases/redis-site.ts';
import type { CaseStore, OpenCaseStore } from '../sim/cases/site.ts';
import type { Store } from '../src/store/index.ts';
import { RedisStore } from '../src/store/redis/redis-store.ts';
import { complaintsAbout } from './redis-state-check.ts';

/** Opens stores of which each step fails, with what was found, where something does not hold. For a standalone Redis. */
export function checkedCases(cases: RedisCases): OpenCaseStore {
  return async (index, options) => {
    const opened = await cases.open(index, options);
    return opened.store instanceof RedisStore ? checked(opened, opened.store) : opened;
  };
}

function checked(opened: CaseStore, redis: RedisStore): CaseStore {
  const time = { now: 0, latest: 0 };
  const check = async (isLax: boolean): Promise<void> => {
    const found = await complaintsAbout((...args) => redis.router.call(0, args), { ...time, isLax });
    if (found.length > 0) throw new Error(found.join('; '));
  };
  const then = async <T>(step: T | Promise<T>, isLax = true): Promise<T> => {
    const result = await step;
    await check(isLax);
    return result;
  };
  return {
    store: checkedStore(redis, (deltas) => then(redis.merge(deltas))),
    setNow(now) {
      time.now = now;
      time.latest = Math.max(time.latest, now);
      return opened.setNow(now);
    },
    run: (commands, now) => then(opened.run(commands, now)),
    take: () => then(opened.take()),
    stateOf: (key) => opened.stateOf(key),
    allKeys: () => opened.allKeys(),
    freeExpired: (now) => then(opened.freeExpired(now), false),
    close: () => opened.close(),
  };
}

/** The store with another `merge`; its methods keep their own `this`. */
function checkedStore(store: RedisStore, merge: Store['merge']): Store {
  return new Proxy<Store>(store, {
    get(_, name) {
      if (name === 'merge') return merge;
      const found: unknown = Reflect.get(store, name, store);
      return typeof found === 'function' ? found.bind(store) : found;
    },
    set: (_, name, value) => Reflect.set(store, name, value, store),
  });
}
