// The report of a chaos run, as text.
import type { ChaosReport } from './run.ts';

const SHOWN_MAX = 20;

/** Lines for people; the last one is the verdict. */
export function reportText({ options, history, faults, convergedMs, keys, checked }: ChaosReport): string {
  const { outcomes, commands, refusals, anomalies } = history;
  const total = outcomes.ok + outcomes.refused + outcomes.unknown;
  const lines = [
    `chaos: seed ${options.seed}, ${planText(options)}, ${options.queue}, sites ${options.stores.join(' ')}`,
    `operations: ${total} (${outcomes.ok} ok, ${outcomes.refused} refused, ${outcomes.unknown} unknown)`,
    `  by command: ${listOf(commands)}`,
    `  not ok: ${listOf(refusals)}`,
    `faults injected: ${[...faults.values()].reduce((sum, count) => sum + count, 0)}`,
    ...sorted(faults).map(([kind, count]) => `  ${kind}: ${count}`),
    `availability: ${history.answeredApart} answers while links were cut; slowest answer of a well site ${history.slowestMs} ms`,
    `healed: all sites equal ${convergedMs} ms after the last write, ${keys} keys`,
    `checked: ${checked.present} elements present, ${checked.absent} absent, ${checked.either} either, ${checked.registers} registers, ${checked.counters} counters`,
    `anomalies: ${anomalies.length}`,
  ];
  for (const { kind, about, history: story } of anomalies.slice(0, SHOWN_MAX))
    lines.push(`  ${kind}: ${about}`, ...story.map((line) => `      ${line}`));
  if (anomalies.length > SHOWN_MAX) lines.push(`  and ${anomalies.length - SHOWN_MAX} more`);
  return lines.join('\n');
}

function planText({ plan }: ChaosReport['options']): string {
  return plan.kind === 'faults' ? `${plan.seconds} s of faults` : `each process killed ${plan.rounds} times`;
}

function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
}

function listOf(counts: ReadonlyMap<string, number>): string {
  return sorted(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
