// COMMAND: the command table as replies.
import type { ReplyWriter } from '../resp/index.ts';
import { matchesGlob } from '../server/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { SYNTAX } from './errors.ts';
import { replyHelp } from './help.ts';
import { type CommandSpec, commandTable, type KeySpec, keyPositions, resolve } from './spec.ts';

function supported(): CommandSpec[] {
  return [...commandTable.values()].filter((spec) => spec.supported);
}

function find(name: string): CommandSpec | undefined {
  const [container, sub] = name.toLowerCase().split('|');
  const spec = commandTable.get(container);
  const found = sub === undefined ? spec : spec?.subcommands.get(sub);
  return found?.supported === true ? found : undefined;
}

function status(reply: ReplyWriter, texts: Iterable<string>): void {
  const all = [...texts];
  reply.set(all.length);
  for (const text of all) reply.simple(text);
}

/** First key, last key, step: the old description of keys. */
function range(spec: CommandSpec): readonly [number, number, number] {
  const ranges = spec.keys.filter((key) => key.find.kind === 'range' && key.keyword === undefined);
  const first = ranges[0];
  if (first === undefined || first.find.kind !== 'range') return [0, 0, 0];
  const lasts = ranges.map(({ begin, find: { ...place } }) =>
    place.kind === 'range' ? (place.last < 0 ? place.last : begin + place.last) : 0,
  );
  return [
    first.begin,
    lasts.some((last) => last < 0) ? Math.min(...lasts) : Math.max(...lasts),
    first.find.step,
  ];
}

function keySpec(reply: ReplyWriter, key: KeySpec): void {
  const { find: place } = key;
  reply.map(3);
  reply.latin1('flags');
  status(reply, key.flags);
  reply.latin1('begin_search');
  beginSearch(reply, key);
  reply.latin1('find_keys');
  if (place.kind === 'range')
    typed(reply, 'range', [
      ['lastkey', place.last],
      ['keystep', place.step],
      ['limit', place.limit],
    ]);
  else
    typed(reply, 'keynum', [
      ['keynumidx', place.count],
      ['firstkey', place.first],
      ['keystep', place.step],
    ]);
}

function beginSearch(reply: ReplyWriter, { keyword, begin }: KeySpec): void {
  if (keyword === undefined) return typed(reply, 'index', [['index', begin]]);
  typed(reply, 'keyword', [
    ['keyword', keyword],
    ['startfrom', begin],
  ]);
}

function typed(
  reply: ReplyWriter,
  type: string,
  fields: readonly (readonly [string, string | number])[],
): void {
  reply.map(2);
  reply.latin1('type');
  reply.latin1(type);
  reply.latin1('spec');
  reply.map(fields.length);
  for (const [name, value] of fields) {
    reply.latin1(name);
    if (typeof value === 'number') reply.integer(value);
    else reply.latin1(value);
  }
}

function details(reply: ReplyWriter, spec: CommandSpec): void {
  reply.array(10);
  reply.latin1(spec.name);
  reply.integer(spec.arity);
  status(reply, spec.flags);
  for (const n of range(spec)) reply.integer(n);
  status(
    reply,
    spec.acl.map((category) => `@${category}`),
  );
  reply.array(0);
  reply.array(spec.keys.length);
  for (const key of spec.keys) keySpec(reply, key);
  const subcommands = [...spec.subcommands.values()].filter((sub) => sub.supported);
  reply.array(subcommands.length);
  for (const sub of subcommands) details(reply, sub);
}

function detailsOf(reply: ReplyWriter, specs: readonly (CommandSpec | undefined)[]): void {
  reply.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) reply.null();
    else details(reply, spec);
  }
}

function docs(reply: ReplyWriter, spec: CommandSpec): void {
  const subcommands = [...spec.subcommands.values()].filter((sub) => sub.supported);
  const texts = [
    ['summary', spec.summary === '' ? `Part of ${spec.name.split('|')[0].toUpperCase()}` : spec.summary],
    ['since', spec.since],
    ['group', spec.group],
  ] as const;
  reply.latin1(spec.name);
  reply.map(texts.length + (subcommands.length > 0 ? 1 : 0));
  for (const [name, text] of texts) {
    reply.latin1(name);
    reply.latin1(text);
  }
  if (subcommands.length === 0) return;
  reply.latin1('subcommands');
  reply.map(subcommands.length);
  for (const sub of subcommands) docs(reply, sub);
}

function docsOf(c: Call): void {
  const specs = c.argc > 2 ? c.rest(2).map(find) : supported();
  const known = specs.filter((spec) => spec !== undefined);
  c.reply.map(known.length);
  for (const spec of known) docs(c.reply, spec);
}

function list(c: Call): void {
  if (c.argc === 2) return c.strings(supported().map((spec) => spec.name));
  if (c.argc !== 5 || c.word(2) !== 'FILTERBY') return c.fail(SYNTAX);
  const value = c.text(4);
  const kind = c.word(3);
  if (kind === 'ACLCAT') return names(c, (spec) => spec.acl.includes(value.toLowerCase()));
  if (kind === 'PATTERN') return names(c, (spec) => matchesGlob(value, spec.name));
  if (kind === 'MODULE') return c.strings([]);
  c.fail(SYNTAX);
}

function names(c: Call, wanted: (spec: CommandSpec) => boolean): void {
  c.strings(
    supported()
      .filter(wanted)
      .map((spec) => spec.name),
  );
}

function getKeys(c: Call): void {
  const args = { argc: c.argc - 2, text: (a: number) => c.text(a + 2) };
  const container = commandTable.get(args.text(0).toLowerCase());
  if (container === undefined || !container.supported) return c.fail('ERR Invalid command specified');
  const spec = resolve(container, args);
  if (spec.keys.length === 0) return c.fail('ERR The command has no key arguments');
  const { arity } = spec;
  if (arity > 0 ? args.argc !== arity : args.argc < -arity)
    return c.fail('ERR Invalid number of arguments specified for command');
  const positions = keyPositions(spec, args);
  if (positions === undefined || positions.length === 0)
    return c.fail('ERR Invalid arguments specified for command');
  c.strings(positions.map((at) => args.text(at)));
}

function command(c: Call): void {
  const word = c.argc === 1 ? '' : c.word(1);
  if (word === '') detailsOf(c.reply, supported());
  else if (word === 'COUNT') c.reply.integer(supported().length);
  else if (word === 'INFO') detailsOf(c.reply, c.argc > 2 ? c.rest(2).map(find) : supported());
  else if (word === 'DOCS') docsOf(c);
  else if (word === 'LIST') list(c);
  else if (word === 'GETKEYS') getKeys(c);
  else replyHelp(c);
}

export const commandCommands: Readonly<Record<string, CommandHandler>> = { command };
