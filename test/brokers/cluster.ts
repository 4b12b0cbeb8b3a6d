// A Redis Cluster of real redis-server processes on loopback: started, resharded under load, its nodes killed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificate, testKey } from '../../src/server/test-certificate.ts';
import { flagsOf } from './redis-flags.ts';
import { openControl, type RedisControl } from './redis-control.ts';
import { eventually, freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';

const SLOTS = 16_384;
const KEYS_AT_ONCE = 100;

export interface RedisClusterOptions {
  readonly masters: number;
  /** Replicas of each master; none by default. */
  readonly replicas?: number;
  /** More arguments for every node, e.g. `--requirepass x` as two. */
  readonly flags?: readonly string[];
  /** Each node has a TLS port too (self-signed, for localhost), which it names to clients that come by TLS. */
  readonly tls?: boolean;
}

/** One node; `control` is a connection to steer it by. */
export interface ClusterNode {
  readonly port: number;
  /** 0: none. */
  readonly tlsPort: number;
  readonly id: string;
  readonly broker: Broker;
  readonly control: RedisControl;
}

/** A running cluster. */
export interface RedisCluster extends AsyncDisposable {
  /** Order: the masters of the start first, then their replicas. */
  readonly nodes: readonly ClusterNode[];
  /** Shape: `redis+cluster://127.0.0.1:p,…`, all nodes. */
  readonly url: string;
  /** The node that serves a slot, as the others see it now. */
  masterOf(slot: number): Promise<ClusterNode>;
  /** Moves slots with their keys, as redis-cli reshards: slot after slot, all steps below. Default: 100 keys at once. */
  moveSlots(from: ClusterNode, to: ClusterNode, slots: Iterable<number>, keysAtOnce?: number): Promise<void>;
  /** Step 1: the slot migrates (ASK, TRYAGAIN) until `endMove`. */
  beginMove(from: ClusterNode, to: ClusterNode, slot: number): Promise<void>;
  /** Step 2: moves these keys, or all that lie in the slot. */
  moveKeys(
    from: ClusterNode,
    to: ClusterNode,
    move: { slot: number; keys?: readonly string[]; keysAtOnce?: number },
  ): Promise<void>;
  /** Step 3: the slot belongs to `to` everywhere (MOVED at `from`). */
  endMove(from: ClusterNode, to: ClusterNode, slot: number): Promise<void>;
  /** kill -9. */
  kill(node: ClusterNode): Promise<void>;
  /** Stops it for a moment: it accepts connections and answers nothing. */
  freeze(node: ClusterNode): void;
  thaw(node: ClusterNode): void;
  /** Starts a killed node again with the same identity. */
  restart(node: ClusterNode): Promise<void>;
  /** Waits until every living node says cluster_state:ok. */
  ok(): Promise<void>;
  stop(): Promise<void>;
}

interface LiveNode extends ClusterNode {
  readonly busPort: number;
  control: RedisControl;
  alive: boolean;
}

async function startNode(flags: readonly string[], isTls: boolean): Promise<LiveNode> {
  const [port, busPort, free] = await freePorts(3);
  const tlsPort = isTls ? free : 0;
  const settings = {
    port,
    'cluster-port': busPort,
    bind: '127.0.0.1',
    save: '',
    loglevel: 'notice',
    'enable-debug-command': 'yes',
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-node-timeout': 1000,
    'cluster-replica-validity-factor': 0,
    'repl-diskless-sync-delay': 0,
  };
  const broker = await startBroker({
    command: 'redis-server',
    ports: isTls ? [port, tlsPort] : [port],
    args: (dir) => [...flagsOf({ ...settings, dir }), ...tlsFlags(dir, tlsPort), ...flags],
  });
  const control = openControl(port);
  await authenticate(control, flags);
  const id = String(await control.call('CLUSTER', 'MYID'));
  return { port, tlsPort, busPort, broker, control, id, alive: true };
}

function tlsFlags(dir: string, tlsPort: number): readonly string[] {
  if (tlsPort === 0) return [];
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  writeFileSync(key, testKey);
  writeFileSync(certificate, testCertificate);
  const files = { 'tls-key-file': key, 'tls-cert-file': certificate, 'tls-ca-cert-file': certificate };
  return flagsOf({ 'tls-port': tlsPort, 'tls-auth-clients': 'no', 'tls-cluster': 'yes', ...files });
}

/** `cluster-node-timeout 1000`: a killed master's replica takes over within some two to three seconds. */
export async function startRedisCluster(options: RedisClusterOptions): Promise<RedisCluster> {
  const { masters, replicas = 0, flags = [] } = options;
  const nodes = await Promise.all(
    Array.from({ length: masters * (1 + replicas) }, () => startNode(flags, options.tls === true)),
  );
  const stop = async (): Promise<void> => {
    for (const node of nodes) node.control.close();
    await Promise.all(nodes.map((node) => node.broker.stop()));
  };
  try {
    await assemble(nodes, masters);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...steering(nodes, flags), stop, [Symbol.asyncDispose]: stop };
}

async function assemble(nodes: readonly LiveNode[], masters: number): Promise<void> {
  for (const [i, { control }] of nodes.entries()) {
    await control.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    if (i >= masters) continue;
    const from = Math.floor((SLOTS * i) / masters);
    const to = Math.floor((SLOTS * (i + 1)) / masters) - 1;
    await control.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
  }
  for (const { port, busPort } of nodes.slice(1))
    await nodes[0].control.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
  await eventually('all nodes know each other', async () =>
    (await Promise.all(nodes.map(knownNodes))).every((known) => known === nodes.length),
  );
  for (const [i, { control }] of nodes.entries())
    if (i >= masters) await control.call('CLUSTER', 'REPLICATE', nodes[i % masters].id);
  await eventually('cluster_state:ok everywhere', async () =>
    (await Promise.all(nodes.map((node) => isComplete(node, nodes.length)))).every(Boolean),
  );
}

async function knownNodes({ control }: LiveNode): Promise<number> {
  const text = String(await control.call('CLUSTER', 'NODES'));
  return text.split('\n').filter((line) => line !== '' && !line.includes('handshake')).length;
}

async function isOk({ control }: LiveNode): Promise<boolean> {
  return String(await control.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
}

/** State ok, and every node (replicas too) is in its answer to CLUSTER SLOTS and in sync. */
async function isComplete(node: LiveNode, count: number): Promise<boolean> {
  if (!(await isOk(node))) return false;
  const ranges = (await node.control.call('CLUSTER', 'SLOTS')) as unknown[][];
  const ports = ranges.flatMap((range) => range.slice(2).map((entry) => (entry as unknown[])[1]));
  const info = String(await node.control.call('INFO', 'replication'));
  return new Set(ports).size === count && !info.includes('master_link_status:down');
}

function steering(
  nodes: readonly LiveNode[],
  flags: readonly string[],
): Omit<RedisCluster, 'stop' | typeof Symbol.asyncDispose> {
  const living = (): readonly LiveNode[] => nodes.filter((node) => node.alive);
  const liveNode = (node: ClusterNode): LiveNode => {
    const found = nodes.find(({ id }) => id === node.id);
    if (found === undefined) throw new Error(`no node ${node.id}`);
    return found;
  };
  const beginMove: RedisCluster['beginMove'] = async (from, to, slot) => {
    await to.control.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.control.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  };
  const moveKeys: RedisCluster['moveKeys'] = async (from, to, { slot, keys, keysAtOnce = KEYS_AT_ONCE }) => {
    for (;;) {
      const some =
        keys ?? ((await from.control.call('CLUSTER', 'GETKEYSINSLOT', slot, keysAtOnce)) as string[]);
      if (some.length === 0) return;
      await from.control.call(...migrate(to.tlsPort || to.port, some, flags));
      if (keys !== undefined) return;
    }
  };
  const endMove: RedisCluster['endMove'] = async (from, to, slot) => {
    const masters = await Promise.all(living().map(async (node) => [node, await isMaster(node)] as const));
    const others = masters.filter(([node, yes]) => yes && node.id !== from.id && node.id !== to.id);
    for (const node of [to, from, ...others.map(([other]) => other)])
      await node.control.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  };
  return {
    nodes,
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masterOf: (slot) => masterOf(living(), slot),
    beginMove,
    moveKeys,
    endMove,
    moveSlots: async (from, to, slots, keysAtOnce = KEYS_AT_ONCE) => {
      for (const slot of slots) {
        await beginMove(from, to, slot);
        await moveKeys(from, to, { slot, keysAtOnce });
        await endMove(from, to, slot);
      }
    },
    kill: async (node) => {
      liveNode(node).alive = false;
      node.control.close();
      await node.broker.kill();
    },
    freeze: (node) => {
      liveNode(node).alive = false;
      node.broker.freeze();
    },
    thaw: (node) => {
      node.broker.thaw();
      liveNode(node).alive = true;
    },
    restart: async (node) => {
      await node.broker.restart();
      const live = liveNode(node);
      live.control = openControl(node.port);
      await authenticate(live.control, flags);
      live.alive = true;
    },
    ok: async () => {
      await eventually('cluster_state:ok', async () =>
        (await Promise.all(living().map(isOk))).every(Boolean),
      );
    },
  };
}

function passwordOf(flags: readonly string[]): string | undefined {
  const at = flags.indexOf('--requirepass');
  return at < 0 ? undefined : flags[at + 1];
}

async function authenticate(control: RedisControl, flags: readonly string[]): Promise<void> {
  const password = passwordOf(flags);
  if (password !== undefined) await control.call('AUTH', password);
}

function migrate(
  port: number,
  keys: readonly string[],
  flags: readonly string[],
): (string | number | Buffer)[] {
  const password = passwordOf(flags);
  const auth = password === undefined ? [] : ['AUTH', password];
  return ['MIGRATE', '127.0.0.1', port, '', 0, 5000, ...auth, 'KEYS', ...keys];
}

async function isMaster({ control }: LiveNode): Promise<boolean> {
  return String(await control.call('INFO', 'replication')).includes('role:master');
}

async function masterOf(living: readonly LiveNode[], slot: number): Promise<ClusterNode> {
  for (const { control } of living) {
    const ranges = (await control.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    const range = ranges.find(([from, to]) => from <= slot && slot <= to);
    const node = living.find(({ port }) => port === range?.[2][1]);
    if (node !== undefined) return node;
  }
  throw new Error(`slot ${slot} has no living master`);
}
