// docs/redis-commands.md, from the command table: `npm run docs` writes it, a test keeps it fresh.
import { type CommandSpec, commandTable } from './spec.ts';
import type { Via } from './table/via.ts';

const TITLES: Readonly<Record<string, string>> = {
  string: 'Strings',
  generic: 'Keys',
  hash: 'Hashes',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  list: 'Lists',
  stream: 'Streams',
  bitmap: 'Bitmaps',
  hyperloglog: 'HyperLogLogs',
  geo: 'Geospatial indexes',
  transactions: 'Transactions',
  scripting: 'Scripts and functions',
  pubsub: 'Channels',
  connection: 'Connections',
  server: 'Server',
  cluster: 'Cluster',
};

const WORDS: Readonly<Record<Via, string>> = {
  pass: 'passes through',
  register: 'by register',
  whole: 'whole key',
  local: 'local',
  gateway: 'gateway',
  refused: 'refused',
};

/** The page as Markdown. */
export function commandsPage(): string {
  const sections = Object.entries(TITLES).map(([group, title]) => section(title, group));
  return `# Commands over a Redis store

Written by \`npm run docs\` from the command table in \`src/commands/table\`: every command of Redis 7.0, and what becomes of it where
the site's store is its own Redis. What else the connected Redis knows (modules, later versions) passes through if its \`COMMAND\`
says that it only reads, and is refused if it writes.

- **passes through**: Redis answers; bytes are not decoded on the way.
- **by register**: executed by a script together with its versions. Other sites merge it by registers: a string, a counter, a field, a
  member, an expiry; the last column says which. Deletions and overwrites clear what was there.
- **whole key**: the same, but the value is one register: the last writer wins, and other sites get all of it (lists and streams by
  their elements; module types by \`DUMP\`, which every site's Redis must be able to load). Keys over 16 KB are sent at most at 1 MB/s.
- **local**: executed at this site's Redis and sent nowhere.
- **gateway**: mqkv answers, from what it knows or by asking all nodes of its Redis; \`mqkv:\` keys are hidden.
- **refused**: answered with an error that tells the reason.

Bounds: a command that is executed by the script and cannot be cut into portions takes at most 7,000 arguments. In MULTI and in scripts
blocking commands do not wait. Scripts on a cluster may use declared keys only, and no script can FLUSHALL; what a script publishes
reaches all sites. Consumer groups and what was delivered to them stay at their site; a stream that other sites change keeps its
groups. PFCOUNT's own notes inside a value are no write.

${sections.join('\n\n')}
`;
}

function section(title: string, group: string): string {
  const specs = [...commandTable.values()]
    .flatMap((spec) => [spec, ...spec.subcommands.values()])
    .filter((spec) => spec.group === group && (spec.subcommands.size === 0 || spec.via === 'refused'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return `## ${title}

| command | over a Redis store | what |
|---|---|---|
${specs.map(row).join('\n')}`;
}

function row(spec: CommandSpec): string {
  const name = spec.name.toUpperCase().replace('|', ' ');
  const what = spec.via === 'refused' ? spec.reason : spec.touches;
  return `| ${name} | ${WORDS[spec.via]} | ${what} |`;
}
