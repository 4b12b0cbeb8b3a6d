// COMMAND: the command table as replies.
import type { ReplyWriter } from '../resp/index.ts';
import { matchesGlob } from '../server/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { SYNTAX } from './errors.ts';
import { replyHelp } from './help.ts';
import {
  type Arguments,
  type CommandSpec,
  commandTable,
  type KeySpec,
  keyPositions,
  resolve,
} from './spec.ts';

/** The commands that this gateway's store executes. */
class Offer {
  readonly #isRedis: boolean;

  constructor(c: Call) {
    this.#isRedis = c.shared?.store === 'redis';
  }

  has(spec: CommandSpec): boolean {
    return spec.supported || (this.#isRedis && spec.via !== 'refused');
  }

  all(): CommandSpec[] {
    return [...commandTable.values()].filter((spec) => this.has(spec));
  }

  /** Those of a container; none where the container itself is answered for all of its own. */
  subcommands(spec: CommandSpec): CommandSpec[] {
    return spec.name === 'cluster' ? [] : [...spec.subcommands.values()].filter((sub) => this.has(sub));
  }

  named(name: string): CommandSpec | undefined {
    const [container, sub] = name.toLowerCase().split('|');
    const spec = commandTable.get(container);
    const found = sub === undefined ? spec : spec?.subcommands.get(sub);
    return found !== undefined && this.has(found) ? found : undefined;
  }
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

function details(reply: ReplyWriter, spec: CommandSpec, offer: Offer): void {
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
  const subcommands = offer.subcommands(spec);
  reply.array(subcommands.length);
  for (const sub of subcommands) details(reply, sub, offer);
}

function detailsOf(reply: ReplyWriter, specs: readonly (CommandSpec | undefined)[], offer: Offer): void {
  reply.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) reply.null();
    else details(reply, spec, offer);
  }
}

function docs(reply: ReplyWriter, spec: CommandSpec, offer: Offer): void {
  const subcommands = offer.subcommands(spec);
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
  for (const sub of subcommands) docs(reply, sub, offer);
}

function docsOf(c: Call, offer: Offer): void {
  const specs = c.argc > 2 ? c.rest(2).map((name) => offer.named(name)) : offer.all();
  const known = specs.filter((spec) => spec !== undefined);
  c.reply.map(known.length);
  for (const spec of known) docs(c.reply, spec, offer);
}

function list(c: Call, offer: Offer): void {
  const names = (wanted: (spec: CommandSpec) => boolean): void =>
    c.strings(
      offer
        .all()
        .filter(wanted)
        .map((spec) => spec.name),
    );
  if (c.argc === 2) return names(() => true);
  if (c.argc !== 5 || c.word(2) !== 'FILTERBY') return c.fail(SYNTAX);
  const value = c.text(4);
  const kind = c.word(3);
  if (kind === 'ACLCAT') return names((spec) => spec.acl.includes(value.toLowerCase()));
  if (kind === 'PATTERN') return names((spec) => matchesGlob(value, spec.name));
  if (kind === 'MODULE') return c.strings([]);
  c.fail(SYNTAX);
}

/** The command that GETKEYS is asked about. undefined: an error has been replied. */
function asked(c: Call, offer: Offer): { readonly spec: CommandSpec; readonly args: Arguments } | undefined {
  const args = { argc: c.argc - 2, text: (a: number) => c.text(a + 2) };
  const container = offer.named(args.text(0).replaceAll('|', ' '));
  if (container === undefined) return c.fail('ERR Invalid command specified');
  const spec = resolve(container, args);
  if (spec.keys.length === 0) return c.fail('ERR The command has no key arguments');
  const { arity } = spec;
  if (arity > 0 ? args.argc !== arity : args.argc < -arity)
    return c.fail('ERR Invalid number of arguments specified for command');
  const positions = keyPositions(spec, args);
  if (positions === undefined || (positions.length === 0 && !spec.flags.has('no_mandatory_keys')))
    return c.fail('ERR Invalid arguments specified for command');
  return { spec, args };
}

function getKeys(c: Call, offer: Offer): void {
  const about = asked(c, offer);
  if (about !== undefined)
    c.strings((keyPositions(about.spec, about.args) ?? []).map((at) => about.args.text(at)));
}

/** Of keys that no spec describes: the destination of SORT. */
const STORED: readonly string[] = ['OW', 'update'];

function getKeysAndFlags(c: Call, offer: Offer): void {
  const about = asked(c, offer);
  if (about === undefined) return;
  const { spec, args } = about;
  const positions = keyPositions(spec, args) ?? [];
  const flags = new Map<number, readonly string[]>();
  for (const key of spec.keys)
    for (const at of keyPositions({ ...spec, name: '', keys: [key] }, args) ?? [])
      if (!flags.has(at)) flags.set(at, key.flags);
  c.reply.array(positions.length);
  for (const at of positions) {
    c.reply.array(2);
    c.reply.latin1(args.text(at));
    status(c.reply, flags.get(at) ?? STORED);
  }
}

function command(c: Call): void {
  const offer = new Offer(c);
  const word = c.argc === 1 ? '' : c.word(1);
  if (word === '') detailsOf(c.reply, offer.all(), offer);
  else if (word === 'COUNT') c.reply.integer(offer.all().length);
  else if (word === 'INFO')
    detailsOf(c.reply, c.argc > 2 ? c.rest(2).map((name) => offer.named(name)) : offer.all(), offer);
  else if (word === 'DOCS') docsOf(c, offer);
  else if (word === 'LIST') list(c, offer);
  else if (word === 'GETKEYS') getKeys(c, offer);
  else if (word === 'GETKEYSANDFLAGS') getKeysAndFlags(c, offer);
  else replyHelp(c);
}

export const commandCommands: Readonly<Record<string, CommandHandler>> = { command };
