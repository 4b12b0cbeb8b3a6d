// Three Redis for the tests of the write script: one behind it, a plain one that gets the same, and one of another site.
import { expect } from 'vitest';
import { type Broker, openControl, type RedisControl, startRedis } from './brokers/index.ts';
import { FarRedis, keysIn, ScriptedRedis, shown, told } from './redis-rows.ts';

interface Connected {
  readonly scripted: ScriptedRedis;
  readonly plain: RedisControl;
}

/** The three. Order: `begin` before a test, `end` after it. */
export class Trio {
  readonly #servers: readonly Broker[];
  /** RESP2, to look at what lies there. */
  readonly #views: readonly [scripted: RedisControl, plain: RedisControl];
  readonly #far: FarRedis;
  #connected: Connected | undefined;

  private constructor(servers: readonly Broker[], far: FarRedis) {
    this.#servers = servers;
    this.#far = far;
    this.#views = [openControl(servers[0].port), openControl(servers[1].port)];
  }

  static async open(): Promise<Trio> {
    const servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
    return new Trio(servers, await FarRedis.open(servers[0].port, servers[2].port));
  }

  async close(): Promise<void> {
    for (const view of this.#views) view.close();
    await this.#far.close();
    for (const server of this.#servers) await server.stop();
  }

  /** Empties all three. */
  async begin(protocol: 2 | 3): Promise<void> {
    const [near, other] = this.#servers;
    const scripted = await ScriptedRedis.open(near.port, protocol === 3 ? 'm3' : 'm');
    const plain = openControl(other.port);
    await plain.call('HELLO', protocol);
    await plain.call('FLUSHALL');
    await this.#far.control.call('FLUSHALL');
    this.#connected = { scripted, plain };
  }

  end(): void {
    this.#connected?.scripted.control.close();
    this.#connected?.plain.close();
  }

  get scripted(): ScriptedRedis {
    return this.#both().scripted;
  }

  get plain(): RedisControl {
    return this.#both().plain;
  }

  /** Runs a command on both: the replies are the same, whatever changed has a newer version, and the other site then shows the same. */
  async run(args: readonly string[]): Promise<unknown> {
    const line = args.join(' ');
    const [view, plainView] = this.#views;
    const before = await snapshot(view);
    const { reply, version, touched } = await this.scripted.run(args);
    expect(reply, line).toEqual(told(await this.plain.reply(...args)));
    const after = await snapshot(view);
    expect(after, line).toEqual(await snapshot(plainView));
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) === after.get(key)) continue;
      expect(version, `${line} changes ${key}`).not.toBe('');
      expect(touched, line).toContain(key);
      expect(await this.scripted.header(key), `${line}: ${key}`).toMatch(
        new RegExp(`${version}|${above(version)}`),
      );
    }
    if (version !== '') await this.#far.take([...before.keys(), ...after.keys()]);
    expect(await snapshot(this.#far.control), `${line} at the other site`).toEqual(after);
    return reply;
  }

  #both(): Connected {
    if (this.#connected === undefined) throw new Error('not begun');
    return this.#connected;
  }
}

/** The boundary just above a version: where a key has a TTL, its header may hold nothing else of it. */
function above(version: string): string {
  return version.slice(0, 16) + (Number.parseInt(version.slice(16), 16) + 1).toString(16).padStart(8, '0');
}

async function snapshot(control: RedisControl): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  for (const key of await keysIn(control)) held.set(key, JSON.stringify(await shown(control, key)));
  return held;
}
