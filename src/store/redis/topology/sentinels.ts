// The sentinels of one master: asked together where it is, listened to for news, further ones found through them.
//
// GET-MASTER-ADDR-BY-NAME = [ host, port ] / null       during a failover already the promoted one, at the sentinel that leads it
// MASTER, SENTINELS       = (list of) flat pairs or maps: "ip", "port", "config-epoch", ...
// The answer with the highest config-epoch is the newest.
import { MqkvError, SENTINELS_MAX, sleep } from '../../../base/index.ts';
import { plainReply, type Reply } from '../../../resp/index.ts';
import { type Link, nameOf, openLink } from '../../../redis-link/index.ts';
import type { RedisAddress, RedisUrl } from '../url-type.ts';
import { linkOptionsOf } from './link-options.ts';
import type { HostPort } from './slot-map.ts';
import type { Around } from './topology.ts';

/** Where a sentinel believes the master to be. */
export interface Told {
  readonly address: HostPort;
  readonly epoch: number;
}

/** Units: ms. Who has not answered by then is not waited for. */
const ASK_TIMEOUT_MS = 500;
/** Units: ms. Sentinels answer at once; a silent one is dialled again. */
const HANG_TIMEOUT_MS = 2000;

export class Sentinels {
  /** Something has happened: it is time to ask. */
  onNews: (() => void) | undefined;
  readonly #url: RedisUrl;
  readonly #around: Around;
  readonly #name: string;
  readonly #links = new Map<string, Link>();

  constructor(url: RedisUrl, around: Around) {
    this.#url = url;
    this.#around = around;
    this.#name = url.masterName ?? '';
    for (const address of url.addresses) this.#open(address);
  }

  /** What is wrong, where nobody tells of a master. */
  get problem(): MqkvError {
    const links = [...this.#links.values()];
    const down = links.find(
      ({ state, lastError }) => state !== 'ready' && lastError !== undefined,
    )?.lastError;
    if (links.some(({ state }) => state === 'ready'))
      return new MqkvError('UNAVAILABLE', `no sentinel knows the master "${this.#name}"`);
    return new MqkvError('UNAVAILABLE', `no sentinel is reachable: ${down?.message ?? 'not connected yet'}`);
  }

  /** The error of a sentinel that waiting does not mend, when all have one. */
  get refusal(): MqkvError | undefined {
    const errors = [...this.#links.values()].map(({ lastError }) => lastError);
    return errors.every((error) => error?.code === 'REDIS_AUTH') ? errors[0] : undefined;
  }

  /** Sentinels given and found. */
  get count(): number {
    return this.#links.size;
  }

  /** The newest answer of those connected. */
  async ask(): Promise<Told | undefined> {
    const links = [...this.#links.values()].filter(({ state }) => state === 'ready');
    const answers = await Promise.all(links.map((link) => this.#within(this.#askOne(link))));
    let newest: Told | undefined;
    for (const told of answers)
      if (told !== undefined && (newest === undefined || told.epoch > newest.epoch)) newest = told;
    return newest;
  }

  /** Connects to the sentinels that those connected know of. */
  async discover(): Promise<void> {
    const links = [...this.#links.values()].filter(({ state }) => state === 'ready');
    const lists = await Promise.all(
      links.map((link) => this.#within(link.call(['SENTINEL', 'SENTINELS', this.#name]))),
    );
    for (const list of lists)
      for (const entry of list?.kind === 'array' ? list.items : []) {
        const address = addressOf(fieldsOf(entry));
        if (address !== undefined && this.#links.size < SENTINELS_MAX) this.#open(address);
      }
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  #open(address: RedisAddress): void {
    if (this.#links.has(nameOf(address))) return;
    const { sentinelUser: user, sentinelPassword: password } = this.#url;
    const link = openLink({
      ...linkOptionsOf(this.#url, this.#around),
      address,
      protocol: 3,
      user,
      password,
      db: 0,
      hangTimeoutMs: HANG_TIMEOUT_MS,
      onReady: async (setup) => setup.send(['SUBSCRIBE', '+switch-master']),
    });
    link.onPush = (push) => {
      if (push.kind !== 'push') return;
      const [kind, , text] = push.items.map(plainReply);
      if (kind === 'message' && String(text).startsWith(`${this.#name} `)) this.onNews?.();
    };
    link.onState = () => this.onNews?.();
    this.#links.set(nameOf(address), link);
  }

  async #askOne(link: Link): Promise<Told | undefined> {
    const [where, master] = await Promise.all([
      link.call(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#name]),
      link.call(['SENTINEL', 'MASTER', this.#name]),
    ]);
    if (where.kind !== 'array' || where.items.length !== 2) return undefined;
    const [host, port] = where.items.map((item) => String(plainReply(item)));
    const epoch = Number(fieldsOf(master).get('config-epoch') ?? 0);
    return { address: { host, port: Number(port) }, epoch };
  }

  /** undefined: not in time, or it failed. */
  #within<T>(answer: Promise<T>): Promise<T | undefined> {
    const late = sleep(this.#around.clock, ASK_TIMEOUT_MS).then(() => undefined);
    return Promise.race([answer.catch(() => undefined), late]);
  }
}

function fieldsOf(reply: Reply): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  if (reply.kind === 'map')
    for (const [name, value] of reply.entries)
      fields.set(String(plainReply(name)), String(plainReply(value)));
  else if (reply.kind === 'array')
    for (let i = 0; i + 1 < reply.items.length; i += 2)
      fields.set(String(plainReply(reply.items[i])), String(plainReply(reply.items[i + 1])));
  return fields;
}

function addressOf(fields: ReadonlyMap<string, string>): HostPort | undefined {
  const host = fields.get('ip');
  const port = Number(fields.get('port'));
  return host === undefined || host === '' || !(port > 0) ? undefined : { host, port };
}
