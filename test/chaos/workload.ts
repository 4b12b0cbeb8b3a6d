// Clients of a chaos run: they write what can be told apart, read, and note what they were told.
import { below, type Random, seededRandom } from '../../src/base/index.ts';
import { type ChaosClient, openClient, type Outcome } from './client.ts';
import { type Attempt, type Element, type History, lineOf } from './history.ts';
import type { ChaosSite } from './site.ts';
import type { World } from './world.ts';

/** Units: ms without an answer after which a client gives up. */
const TIMEOUT_MS = 6_000;
/** Units: ms that a site may take to serve again after a trouble. */
const RECOVERY_MS = 20_000;
/** Units: ms between pipelines of one client. */
const PAUSE_MS = 30;
const CLIENTS_PER_SITE = 2;
/** Elements of one read. */
const READ_BATCH = 25;

/** Clients at every site. */
export interface Workload {
  /** Resolves when all clients have ended. */
  stop(): Promise<void>;
}

/** Starts the clients. */
export function startWorkload(world: World, history: History, seed: number): Workload {
  const stopping = new AbortController();
  const loops = world.sites.flatMap((site, index) =>
    Array.from({ length: CLIENTS_PER_SITE }, (_, i) => {
      const random = seededRandom(seed * 101 + index * 7 + i);
      return new Client({ world, site, history, random }).run(stopping.signal);
    }),
  );
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Surroundings {
  readonly world: World;
  readonly site: ChaosSite;
  readonly history: History;
  readonly random: Random;
}

/** A command, and what to do with what became of it. */
interface Step {
  readonly command: readonly string[];
  readonly note: (attempt: Attempt) => void;
}

class Client {
  readonly #around: Surroundings;
  #client: ChaosClient | undefined;
  #turn = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#client === undefined || this.#client.isOver) await this.#connect();
      else await this.#work(this.#client);
      await pause(PAUSE_MS);
    }
    this.#client?.close();
  }

  async #connect(): Promise<void> {
    const { site } = this.#around;
    const startedMs = Date.now();
    this.#client = await openClient(site.socket).catch(() => undefined);
    if (this.#client !== undefined) return;
    this.#noteAbsence(startedMs, 'no connection');
    await pause(100);
  }

  async #work(client: ChaosClient): Promise<void> {
    const { site, history } = this.#around;
    const steps = ++this.#turn % 4 === 0 ? this.#reads() : this.#writes();
    const startedMs = Date.now();
    const outcomes = await client.pipeline(
      steps.map(({ command }) => command),
      TIMEOUT_MS,
    );
    const endedMs = Date.now();
    for (const [i, { command, note }] of steps.entries()) {
      const outcome = outcomes[i] ?? { kind: 'unknown', why: 'no reply' };
      history.count(command[0] ?? '', outcome);
      const reply = outcome.kind === 'ok' ? outcome.reply : outcome.why;
      note({ site, kind: outcome.kind, reply, startedMs, endedMs });
    }
    this.#judge(outcomes, startedMs);
  }

  /** G1: a site that is well answers, whatever became of the others. */
  #judge(outcomes: readonly Outcome[], startedMs: number): void {
    const { history, site } = this.#around;
    const bad = outcomes.find(isNoService);
    if (bad !== undefined && bad.kind !== 'ok') return this.#noteAbsence(startedMs, bad.why);
    if (!isWell(site, startedMs)) return;
    history.slowestMs = Math.max(history.slowestMs, Date.now() - startedMs);
    if (this.#around.world.sites.some(({ apart }) => apart > 0)) history.answeredApart += outcomes.length;
  }

  #noteAbsence(startedMs: number, why: string): void {
    const { site, history } = this.#around;
    if (!isWell(site, startedMs)) return;
    history.anomaly('unavailable', `${site.name} (${site.kind}) though it was well: ${why}`, [
      `from ${startedMs} to ${Date.now()}, well since ${site.wellSinceMs}`,
    ]);
  }

  #writes(): readonly Step[] {
    const { random } = this.#around;
    const kinds = [
      () => this.#string(),
      () => this.#field(),
      () => this.#remove(),
      () => this.#overwrite(),
      () => this.#increment(),
      () => this.#mixed(),
    ];
    return Array.from({ length: 5 }, () => kinds[below(random, kinds.length)]?.() ?? []).flat();
  }

  /** A key of its own, read back at once (G4); sometimes with a TTL. */
  #string(): readonly Step[] {
    const { random, history } = this.#around;
    const key = `u:${history.serial()}`;
    const value = `v${key}`;
    const ttlMs = below(random, 4) === 0 ? 1_000 + below(random, 4_000) : undefined;
    const ttl = ttlMs === undefined ? [] : ['PX', String(ttlMs)];
    const written = this.#element({ read: ['GET', key], value, ttlMs });
    const readBack = (attempt: Attempt): void => {
      if (written().kind !== 'ok' || attempt.kind !== 'ok' || attempt.reply === value) return;
      if (ttlMs !== undefined && attempt.endedMs - attempt.startedMs >= ttlMs) return;
      history.anomaly(
        'own write not read',
        `${key} at ${attempt.site.name} is ${String(attempt.reply)}, not ${value}`,
      );
    };
    return [
      { command: ['SET', key, value, ...ttl], note: written.note },
      { command: ['GET', key], note: readBack },
    ];
  }

  #element(element: Pick<Element, 'read' | 'value' | 'ttlMs'>): (() => Attempt) & {
    readonly note: (attempt: Attempt) => void;
  } {
    let written: Attempt | undefined;
    const note = (attempt: Attempt): void => {
      written = attempt;
      this.#around.history.elements.push({ ...element, written: attempt, removals: [], seen: new Map() });
    };
    const get = (): Attempt => {
      if (written === undefined) throw new Error('noted in order');
      return written;
    };
    return Object.assign(get, { note });
  }

  /** A field or member of its own in a key that all sites write. */
  #field(): readonly Step[] {
    const { random, history } = this.#around;
    const [key, name] = [String(below(random, 20)), `f${history.serial()}`];
    const forms: readonly (readonly [readonly string[], readonly string[], string])[] = [
      [['HSET', `h:${key}`, name, `v${name}`], ['HGET', `h:${key}`, name], `v${name}`],
      [['SADD', `s:${key}`, name], ['SISMEMBER', `s:${key}`, name], '1'],
      [['ZADD', `z:${key}`, '7', name], ['ZSCORE', `z:${key}`, name], '7'],
    ];
    const [command, read, value] = forms[below(random, forms.length)] ?? forms[0] ?? [[], [], ''];
    return [{ command, note: this.#element({ read, value, ttlMs: undefined }).note }];
  }

  #remove(): readonly Step[] {
    const { random, history } = this.#around;
    const element = history.elements[below(random, Math.max(1, history.elements.length))];
    if (element === undefined || element.ttlMs !== undefined) return [];
    return [{ command: removalOf(element), note: (attempt) => void element.removals.push(attempt) }];
  }

  #overwrite(): readonly Step[] {
    const { random, history, site } = this.#around;
    const { key, writes } = history.register(`r:${below(random, 30)}`);
    const value = `${site.name}-${history.serial()}`;
    const note = (attempt: Attempt): void => void writes.set(value, attempt);
    return [{ command: ['SET', key, value, 'GET'], note }];
  }

  #increment(): readonly Step[] {
    const { random, history, site } = this.#around;
    const scope = below(random, 2) === 0 ? 'all' : site.name;
    const { key, increments } = history.counter(`c:${scope}:${below(random, 10)}`);
    return [{ command: ['INCR', key], note: (attempt) => void increments.push(attempt) }];
  }

  /** Anything at all on keys of which only is asked that all sites end alike. */
  #mixed(): readonly Step[] {
    const { random, history } = this.#around;
    const key = `m:${below(random, 30)}`;
    const value = String(history.serial());
    const forms: readonly (readonly string[])[] = [
      ['SET', key, value],
      ['SET', key, value, 'EX', '1000'],
      ['EXPIRE', key, String(900 + below(random, 100))],
      ['PEXPIRE', key, String(500 + below(random, 3_000))],
      ['PERSIST', key],
      ['DEL', key],
      ['INCRBY', key, '3'],
      ['APPEND', key, 'x'],
      ['RENAME', key, `m:${below(random, 30)}`],
      ['HSET', key, 'f', value],
      ['HINCRBY', key, 'n', '1'],
      ['SADD', key, value],
      ['MSET', key, value, `m:${below(random, 30)}`, value],
    ];
    const command = forms[below(random, forms.length)] ?? [];
    const keys = command.filter((word) => word.startsWith('m:'));
    return [{ command, note: (attempt) => history.remember(keys, lineOf(command.join(' '), attempt)) }];
  }

  /** Elements, the latest rather, and counters. */
  #reads(): readonly Step[] {
    const { random, history } = this.#around;
    const { elements } = history;
    const steps: Step[] = [];
    for (let i = 0; i < READ_BATCH && elements.length > 0; i++) {
      const back = below(random, 1 + below(random, Math.min(elements.length, 3_000)));
      const element = elements[elements.length - 1 - back];
      if (element !== undefined)
        steps.push({ command: element.read, note: (attempt) => this.#seen(element, attempt) });
    }
    for (const counter of [...history.counters.values()].slice(0, 4 + below(random, 60)).slice(-4))
      steps.push({
        command: ['GET', counter.key],
        note: ({ site, kind, reply, endedMs: atMs }) => {
          if (kind === 'ok' && reply !== null) counter.readings.push({ site, atMs, value: Number(reply) });
        },
      });
    return steps;
  }

  #seen(element: Element, attempt: Attempt): void {
    const { site, kind, reply, startedMs, endedMs } = attempt;
    if (kind !== 'ok' || String(reply) !== element.value) return;
    if (!element.seen.has(site)) element.seen.set(site, endedMs);
    const { ttlMs, written } = element;
    if (ttlMs === undefined || written.kind !== 'ok' || startedMs <= written.endedMs + ttlMs + 50) return;
    this.#around.history.anomaly('shown after its TTL', `${element.read.join(' ')} at ${site.name}`, [
      `written ${written.endedMs}, ttl ${ttlMs} ms, read ${startedMs}`,
    ]);
  }
}

function removalOf({ read: [command = '', key = '', name = ''] }: Element): readonly string[] {
  if (command === 'GET') return ['DEL', key];
  if (command === 'HGET') return ['HDEL', key, name];
  return command === 'ZSCORE' ? ['ZREM', key, name] : ['SREM', key, name];
}

const NO_SERVICE = /^(LOADING|MISCONF|UNAVAILABLE|OOM|DUPSITE|NOAUTH|ERR internal)/;

function isNoService(outcome: Outcome): boolean {
  return outcome.kind === 'unknown' || (outcome.kind === 'refused' && NO_SERVICE.test(outcome.why));
}

function isWell(site: ChaosSite, sinceMs: number): boolean {
  return site.troubles.size === 0 && site.wellSinceMs + RECOVERY_MS < sinceMs;
}
