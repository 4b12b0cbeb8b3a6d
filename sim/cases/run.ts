// Runs the cases of a text: one line per failed expectation.
import { messageOf } from '../../src/base/index.ts';
import { type Case, parseCases, type Step } from './parse.ts';
import type { OpenCaseStore } from './site.ts';
import { viewText, World } from './world.ts';

/** What a run found. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

/** Runs every case; `print` gets a line per failed expectation, or per step that is not in the language. */
export async function runCases(
  text: string,
  print: (line: string) => void,
  open?: OpenCaseStore,
): Promise<Outcome> {
  let passed = 0;
  let failed = 0;
  for (const one of parseCases(text)) {
    if (await runCase(one, print, open)) passed++;
    else failed++;
  }
  return { passed, failed };
}

async function runCase(
  one: Case,
  print: (line: string) => void,
  open: OpenCaseStore | undefined,
): Promise<boolean> {
  const world = await World.open(one.sites, open);
  let good = true;
  for (const step of one.steps) {
    const complaint = await runStep(world, step).catch((error: unknown) => messageOf(error));
    if (complaint === undefined) continue;
    good = false;
    print(`line ${one.line}: ${one.name} | ${step.text}: ${complaint}`);
  }
  await world.close();
  return good;
}

async function runStep(world: World, step: Step): Promise<string | undefined> {
  switch (step.kind) {
    case 'command':
      await world.command(step.site, step.commands);
      return undefined;
    case 'delta':
      await world.deliver(step.number, step.to);
      return undefined;
    case 'all':
      await world.deliverAll(step.from, step.to);
      return undefined;
    case 'sync':
      await world.sync();
      return undefined;
    case 'repair':
      await world.repair();
      return undefined;
    case 'pass':
      world.pass(step.ms);
      return undefined;
    case 'clock':
      world.jump(step.site, step.ms);
      return undefined;
    case 'free':
      await world.free(step.site);
      return undefined;
    case 'unknown':
      return 'not understood';
    case 'expect':
      return expectation(world, step.site, step);
  }
}

async function expectation(
  world: World,
  site: number | undefined,
  step: { readonly key: string; readonly view: string },
): Promise<string | undefined> {
  const wanted = canonical(step.view);
  const sites = site === undefined ? Array.from({ length: world.sites }, (_, index) => index) : [site];
  for (const index of sites) {
    const shown = await world.view(index, step.key);
    if (shown !== wanted) return `s${index} shows ${shown}`;
  }
  return undefined;
}

function canonical(view: string): string {
  if (view === '-') return view;
  const [, type = '', json = '', ttl] = /^(\w+)\s*(\{.*\})(?:\s+ttl\s+(-?\d+))?$/.exec(view) ?? [];
  if (type === '') throw new Error(`the view '${view}' is not understood`);
  const fields: unknown = JSON.parse(json);
  return viewText(type, Object.entries(fields ?? {}), ttl === undefined ? undefined : Number(ttl));
}
