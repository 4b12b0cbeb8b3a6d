// The port of the commands off the hot path: their words as requests of the executor, raw replies back.
import { bytesOf, type Latin1 } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import type { CommandUnit, Executor, ReplySink, TransactionUnit, WriteRun } from '../../store/index.ts';
import type { Router } from '../../store/redis/router.ts';
import { slotOf } from '../../store/redis/slots.ts';
import type { Topology } from '../../store/redis/topology/index.ts';
import { commandTable } from '../spec.ts';
import type { Port, Unit, Words } from './port.ts';
import { endOfReply } from './raw-reply.ts';
import { laneOf } from './redis-session.ts';

const SLOTS = 16_384;

/** What the gateway needs of the Redis store besides its `Store` face. */
export interface RedisBehind extends Pick<Port, 'allNodes' | 'onChanged' | 'db'> {
  readonly executor: Executor;
  readonly router: Pick<Router, 'call'>;
  readonly topology: Pick<Topology, 'nodeOf' | 'nodes'>;
}

/** The port over a store. */
export function portOf(
  redis: RedisBehind,
  own: Pick<Port, 'shared' | 'callContext' | 'clock' | 'logger'>,
): Port {
  const { executor, router, topology, allNodes, db } = redis;
  return {
    ...own,
    ...portCommands(executor),
    isCluster: executor.isCluster,
    topology,
    allNodes,
    db,
    onChanged: (hear, wants) => redis.onChanged(hear, wants),
    everyNode: () => (executor.isCluster ? slotOfEachNode(topology) : [0]),
    call: (args, slot = 0) => router.call(slot, args.map(asBytes)),
  };
}

function asBytes(word: string | Uint8Array): Uint8Array {
  return typeof word === 'string' ? bytesOf(word) : word;
}

/** One slot for each master that serves any. */
function slotOfEachNode(topology: RedisBehind['topology']): readonly number[] {
  const found = new Map<unknown, number>();
  for (let slot = 0; slot < SLOTS && found.size < topology.nodes.length; slot++) {
    const node = topology.nodeOf(slot);
    if (node !== undefined && !found.has(node)) found.set(node, slot);
  }
  return [...found.values()];
}

function portCommands(executor: Executor): Pick<Port, 'ask' | 'write'> {
  return {
    ask: (session, commands, { slot, protocol, isOnce }) =>
      collected(commands.length, (sink) => {
        const bytes = Buffer.concat(commands.map((words) => encodeCommand(words.map(bytesOf))));
        executor.read(laneOf(session), { bytes, count: commands.length, slot, protocol, isOnce }, sink);
      }),
    write: async (session, unit, protocol) => {
      const slot = unit.keys.length === 0 ? 0 : slotOf(unit.keys[0]);
      const [reply] = await collected(1, (sink) => {
        addUnit(executor.writes(laneOf(session), { slot, protocol }, sink), unit);
      });
      return reply;
    },
  };
}

function addUnit(run: WriteRun, unit: Unit): void {
  if (unit.kind === 'command') run.command(commandUnit(unit.args, unit.keys));
  else run.transaction(transactionUnit(unit));
}

function commandUnit(args: Words, keys: readonly Latin1[]): CommandUnit {
  const nullArray = commandTable.get(args[0].toLowerCase())?.nullArray ?? false;
  return {
    keys: keys.map(bytesOf),
    isNullArray: nullArray === true || (nullArray === 'count' && args.length > 2),
    ...bulks(args),
  };
}

function transactionUnit(unit: Extract<Unit, { kind: 'transaction' }>): TransactionUnit {
  return {
    keys: unit.keys.map(bytesOf),
    commands: unit.commands.map(bulks),
    watches: [...unit.watches].map(([key, version]) => ({ key: bytesOf(key), version })),
  };
}

/** A command without its first line is its bulks. */
function bulks(args: Words): { readonly argc: number; readonly args: Buffer } {
  const command = encodeCommand(args.map(bytesOf));
  return { argc: args.length, args: command.subarray(command.indexOf(10) + 1) };
}

const UNCERTAIN = Buffer.from(
  '-UNCERTAIN the connection to Redis was lost: may or may not have been applied\r\n',
);
const UNAVAILABLE = Buffer.from('-UNAVAILABLE Redis cannot be reached: not applied\r\n');

/** Single replies, copied, once all have come. */
function collected(count: number, ask: (sink: ReplySink) => void): Promise<Buffer[]> {
  return new Promise((resolve) => {
    const replies: Buffer[] = [];
    const add = (reply: Buffer): void => {
      if (replies.push(reply) === count) resolve(replies);
    };
    ask({
      replies(bytes, more) {
        for (let i = 0, at = 0; i < more; i++) {
          const end = endOfReply(bytes, at);
          add(Buffer.from(bytes.subarray(at, end)));
          at = end;
        }
      },
      failed(more, written) {
        for (let i = 0; i < more; i++) add(written ? UNCERTAIN : UNAVAILABLE);
      },
    });
  });
}
