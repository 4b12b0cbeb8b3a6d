// HELP of container commands, from the table.
import type { Call } from './call.ts';
import { commandTable } from './spec.ts';

/** Lists the subcommands that work here. */
export function replyHelp(c: Call): void {
  const name = c.spec.name.split('|')[0];
  const container = commandTable.get(name);
  const lines = [`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  const isRedis = c.shared?.store === 'redis';
  for (const [sub, spec] of container?.subcommands ?? [])
    if (spec.supported || (isRedis && spec.via !== 'refused')) lines.push(sub.toUpperCase());
  c.reply.array(lines.length);
  for (const line of lines) c.reply.simple(line);
}
