// Asks nsqlookupd which nsqd there are, and tells it our channel so that a new nsqd creates it with the topic.
import { type Clock, isLoopback } from '../../base/index.ts';
import { type Address, formatAddress, kernelHost, parseAddress } from './address.ts';
import { ask, fieldsOf, itemsOf, numberOf } from './http.ts';

/** One nsqd as nsqlookupd knows it. */
export interface Producer {
  /** Stays the same from one answer to the next. */
  readonly id: string;
  /** Order: to be tried in this order; the broadcast address, then what nsqlookupd saw itself. */
  readonly candidates: readonly Address[];
  /** Addresses that belong to this nsqd alone among those known. */
  readonly names: readonly string[];
  readonly httpPort: number;
}

/** What one round of questions found. `complete`: every nsqlookupd answered. */
export interface Discovery {
  readonly producers: readonly Producer[];
  readonly complete: boolean;
  readonly errors: readonly string[];
}

export interface LookupOptions {
  readonly lookupd: readonly Address[];
  readonly topic: string;
  readonly channel: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Seen {
  readonly identity: string;
  readonly broadcast: Address;
  readonly remoteHost: string;
  readonly httpPort: number;
}

/** Asks all of them at once. Never rejects. */
export async function discover(options: LookupOptions): Promise<Discovery> {
  const rounds = await Promise.allSettled(options.lookupd.map((address) => askOne(options, address)));
  const answers: (readonly Seen[])[] = [];
  const errors: string[] = [];
  for (const round of rounds) {
    if (round.status === 'fulfilled') answers.push(round.value);
    else errors.push(String(round.reason?.message ?? round.reason));
  }
  return { producers: combine(answers), complete: errors.length === 0, errors };
}

async function askOne(options: LookupOptions, address: Address): Promise<readonly Seen[]> {
  const topic = `topic=${encodeURIComponent(options.topic)}`;
  const [nodes, lookup] = await Promise.all([
    ask({ ...options, address, path: '/nodes' }),
    ask({ ...options, address, path: `/lookup?${topic}` }),
  ]);
  if (nodes.status !== 200) throw new Error(`http://${formatAddress(address)}/nodes: status ${nodes.status}`);
  const known = itemsOf(fieldsOf(lookup.body).channels).includes(options.channel);
  if (!known) {
    const path = `/channel/create?${topic}&channel=${encodeURIComponent(options.channel)}`;
    await ask({ ...options, address, path, method: 'POST' });
  }
  const all = [...itemsOf(fieldsOf(nodes.body).producers), ...itemsOf(fieldsOf(lookup.body).producers)];
  return unique(all.map((item) => read(item, address)).filter((seen) => seen !== undefined));
}

function read(item: unknown, lookupd: Address): Seen | undefined {
  const fields = fieldsOf(item);
  const {
    broadcast_address: host,
    hostname,
    tcp_port: port,
    http_port: httpPort,
    remote_address: remote,
  } = fields;
  if (typeof host !== 'string' || typeof port !== 'number' || port < 1 || port > 65535) return undefined;
  return {
    identity: `${String(hostname)}/${host}:${port}/${numberOf(httpPort)}`,
    broadcast: { host, port },
    remoteHost: remoteHostOf(remote, lookupd) ?? host,
    httpPort: numberOf(httpPort),
  };
}

/** nsqlookupd saw an nsqd of its own machine come from loopback: for us that is nsqlookupd's host. */
function remoteHostOf(remote: unknown, lookupd: Address): string | undefined {
  const parsed = typeof remote === 'string' ? parseAddress(remote, 1) : '';
  if (typeof parsed === 'string') return undefined;
  const host = kernelHost(parsed.host);
  return isLoopback(host) ? lookupd.host : host;
}

const place = (seen: Seen): string => `${seen.identity}@${seen.remoteHost}`;

/** /nodes and /lookup name the same nsqd: once is enough. */
function unique(all: readonly Seen[]): readonly Seen[] {
  return [...new Map(all.map((seen) => [place(seen), seen])).values()];
}

/**
 * The same identity in answers of two nsqlookupd is one nsqd that they see by different ways; twice in one answer it
 * is two nsqd that call themselves alike (a broadcast address like "localhost"), and then the place tells them apart.
 */
function combine(answers: readonly (readonly Seen[])[]): readonly Producer[] {
  const ambiguous = new Set<string>();
  for (const answer of answers) {
    const met = new Set<string>();
    for (const { identity } of answer) {
      if (met.has(identity)) ambiguous.add(identity);
      met.add(identity);
    }
  }
  const groups = new Map<string, Seen[]>();
  for (const seen of answers.flat()) {
    const id = ambiguous.has(seen.identity) ? place(seen) : seen.identity;
    groups.set(id, [...(groups.get(id) ?? []), seen]);
  }
  return name(groups);
}

/** A name that two producers share (several nsqd behind one address) identifies neither. */
function name(groups: ReadonlyMap<string, readonly Seen[]>): readonly Producer[] {
  const users = new Map<string, number>();
  const found = [...groups].map(([id, group]) => {
    const candidates = new Map<string, Address>();
    for (const { broadcast } of group) candidates.set(formatAddress(broadcast), broadcast);
    for (const { remoteHost, broadcast } of group) {
      const address = { host: remoteHost, port: broadcast.port };
      candidates.set(formatAddress(address), address);
    }
    for (const text of candidates.keys()) users.set(text, (users.get(text) ?? 0) + 1);
    return { id, candidates, httpPort: group[0].httpPort };
  });
  return found.map(({ id, candidates, httpPort }) => ({
    id,
    httpPort,
    candidates: [...candidates.values()],
    names: [...candidates.keys()].filter((text) => users.get(text) === 1),
  }));
}
