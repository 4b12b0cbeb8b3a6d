// INFO of a gateway over a Redis store: its own sections, and those that only the Redis can fill.
import type { Call } from '../call.ts';
import { writeInfo } from '../info.ts';
import type { Session } from '../session.ts';
import type { KeySpace } from './key-space.ts';
import type { Port } from './port.ts';
import { isErrorReply, parsedReply } from './raw-reply.ts';

const PASSED_ON: readonly string[] = ['Memory', 'Persistence', 'Replication'];

/** Sections of an INFO text by heading, their lines without it. */
function sectionsOf(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  for (const part of text.split(/\r\n(?=# )/)) {
    const [heading, ...lines] = part.split('\r\n');
    const body = lines.filter((line) => line !== '').map((line) => `${line}\r\n`);
    sections.set(heading.replace(/^# /, ''), body.join(''));
  }
  return sections;
}

/** The text of a bulk or verbatim reply. */
function textOf(raw: Buffer): string {
  const reply = parsedReply(raw);
  if (reply.kind === 'bulk') return reply.bytes.toString('latin1');
  return reply.kind === 'verbatim' ? reply.text : '';
}

/** Replies to INFO. Several nodes: what lies at the first master, and the keys of all. */
export async function replyInfo(
  c: Call,
  session: Session,
  { port, keySpace }: { readonly port: Port; readonly keySpace: KeySpace },
): Promise<void> {
  const slot = 0;
  const [raw] = await port.ask(session, [['INFO']], { slot, protocol: c.reply.protocol });
  const elsewhere = new Map<string, string>();
  if (!isErrorReply(raw)) {
    const theirs = sectionsOf(textOf(raw));
    for (const name of PASSED_ON) elsewhere.set(name, theirs.get(name) ?? '');
    const db = `db${port.db ?? 0}`;
    const line = theirs
      .get('Keyspace')
      ?.split('\r\n')
      .find((text) => text.startsWith(`${db}:`));
    const keys = line === undefined ? 0 : await keySpace.count(session);
    const rest = line?.replace(/^db\d+:keys=\d+/, '') ?? '';
    elsewhere.set('Keyspace', keys === 0 ? '' : `db0:keys=${keys}${rest}\r\n`);
  } else elsewhere.set('Keyspace', '');
  writeInfo(c, elsewhere);
}
