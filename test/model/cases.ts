// Runs golden cases (the language is described at the top of merge-cases.txt) at merge level, in a World.
import type { View } from './definition.ts';
import { World } from './world.ts';

const TYPE_NAMES = ['-', 'string', 'hash', 'set', 'zset'];

/** Runs one line. Result: the expectations that failed. Errors: thrown where src/crdt and the definition differ. */
export function runCase(line: string): string[] {
  const [, ...steps] = line.split(' | ');
  const count = Math.max(2, ...[...line.matchAll(/\bs(\d)\b/g)].map((match) => Number(match[1]) + 1));
  const world = new World(count);
  const failures: string[] = [];
  for (const step of steps) {
    const failure = runStep(world, step.trim());
    if (failure !== undefined) failures.push(failure);
    world.check();
  }
  return failures;
}

function runStep(world: World, step: string): string | undefined {
  if (step === 'sync') world.sync();
  else if (step === 'repair') world.repair();
  else if (step.startsWith('+')) world.pass(Number(step.slice(1)));
  else if (/^d\d+>s\d$/.test(step)) deliverOne(world, step);
  else if (/^s\d>s\d$/.test(step)) deliverAll(world, Number(step[1]), Number(step[4]));
  else if (/^s\d clock /.test(step)) world.jump(Number(step[1]), Number(step.slice(9)));
  else if (/^s\d free$/.test(step)) world.freeAll(Number(step[1]));
  else if (/^(s\d )?\S+ = /.test(step)) return expectView(world, step);
  else runCommands(world, step);
  return undefined;
}

function deliverOne(world: World, step: string): void {
  const [delta = '', site = ''] = step.slice(1).split('>s');
  world.deliver(Number(delta) - 1, Number(site));
}

function deliverAll(world: World, from: number, to: number): void {
  for (const [i, delta] of world.deltas.entries()) if (delta?.site === from) world.deliver(i, to);
}

function runCommands(world: World, step: string): void {
  const commands = step
    .slice(3)
    .split(';')
    .map((command) => command.trim().split(/\s+/));
  world.run(Number(step[1]), commands);
}

function expectView(world: World, step: string): string | undefined {
  const [, site, key = '', expected = ''] = /^(?:s(\d) )?(\S+) = (.*)$/.exec(step) ?? [];
  const sites = site === undefined ? world.sites.map((_, i) => i) : [Number(site)];
  for (const i of sites) {
    const shown = printView(world.view(i, key), world.nowAt(i));
    if (shown !== expected) return `${step}: s${i} shows ${shown}`;
  }
  return undefined;
}

export function printView(view: View, now: number): string {
  if (view.type === 0) return '-';
  const fields = [...view.fields].sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = fields.map(
    ([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value === true ? 1 : value)}`,
  );
  return `${TYPE_NAMES[view.type]} {${shown.join(',')}}${view.ttlAt === 0 ? '' : ` ttl ${view.ttlAt - now}`}`;
}
