// A made-up site for the tests of this folder.
import { silentLogger, systemClock } from '../base/index.ts';
import type { AppOptions } from './app.ts';
import { adminApp } from './app.ts';
import type { AdminHooks } from './hooks.ts';
import { openRegistry } from './metrics.ts';

/** Hooks of a healthy site without a queue, but for `given`. */
export function fakeHooks(given: Partial<AdminHooks> = {}): AdminHooks {
  return {
    site: 'osaka',
    version: '1.2.3',
    health: () => undefined,
    ready: () => ({ problems: [], brokers: [], lagMs: null }),
    channels: async () => [],
    numbers: () => ({}),
    brokers: () => [],
    sites: () => ({}),
    others: () => [],
    facts: () => ({}),
    ...given,
  };
}

/** The routes over `fakeHooks(given)`. */
export function fakeApp(
  given: Partial<AdminHooks> = {},
  options: Partial<AppOptions> = {},
): ReturnType<typeof adminApp> {
  const hooks = fakeHooks(given);
  const signal = new AbortController().signal;
  return adminApp({
    hooks,
    registry: openRegistry(hooks),
    clock: systemClock,
    logger: silentLogger,
    signal,
    ...options,
  });
}
