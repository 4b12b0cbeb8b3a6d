// Replies as raw text, cut into trees, so that they can be compared byte for byte but for an order that Redis leaves open.

/** A reply's own line (with the bulk's bytes) and what it holds. */
interface Node {
  readonly head: string;
  readonly items: readonly Node[];
}

const AGGREGATES = '*~>%';
const BULKS = '$=!';

/** Reads one reply. undefined: it is not there yet. */
function read(text: string, at: number): { readonly node: Node; readonly next: number } | undefined {
  const end = text.indexOf('\r\n', at);
  if (end < 0) return undefined;
  const mark = text[at];
  const line = text.slice(at, end);
  const length = Number(line.slice(1));
  if (BULKS.includes(mark) && length >= 0) {
    const next = end + 2 + length + 2;
    return next > text.length ? undefined : { node: { head: text.slice(at, next), items: [] }, next };
  }
  if (!AGGREGATES.includes(mark) || length < 0) return { node: { head: line, items: [] }, next: end + 2 };
  const items: Node[] = [];
  let next = end + 2;
  for (let left = mark === '%' ? length * 2 : length; left > 0; left--) {
    const item = read(text, next);
    if (item === undefined) return undefined;
    items.push(item.node);
    next = item.next;
  }
  return { node: { head: line, items }, next };
}

/** Cuts as many whole replies off as there are. */
export function cut(text: string): { readonly replies: Node[]; readonly rest: string } {
  const replies: Node[] = [];
  let at = 0;
  for (;;) {
    const found = read(text, at);
    if (found === undefined) return { replies, rest: text.slice(at) };
    replies.push(found.node);
    at = found.next;
  }
}

function flat(node: Node): string {
  return node.items.length === 0 ? node.head : `${node.head}(${node.items.map(flat).join('|')})`;
}

function sorted(node: Node, size: number): string {
  const parts: string[] = [];
  for (let i = 0; i < node.items.length; i += size)
    parts.push(
      node.items
        .slice(i, i + size)
        .map(flat)
        .join('='),
    );
  return `${node.head}(${parts.sort().join('|')})`;
}

const UNORDERED = new Set([
  'KEYS',
  'SMEMBERS',
  'SINTER',
  'SUNION',
  'SDIFF',
  'HKEYS',
  'HVALS',
  'SPOP',
  'SRANDMEMBER',
]);
const SCANS = new Set(['SCAN', 'SSCAN', 'HSCAN', 'ZSCAN']);

/** A reply's text for comparison, elements sorted where the command leaves their order open, a TTL about (the servers are asked at different moments). */
export function canonical(words: readonly string[], node: Node): string {
  const name = words[0].toUpperCase();
  if (name === 'TTL' && /^:\d\d/.test(node.head)) return `:${Math.round(Number(node.head.slice(1)) / 100)}`;
  if (node.items.length === 0) return node.head;
  if (UNORDERED.has(name) || node.head[0] === '~') return sorted(node, 1);
  if (name === 'HGETALL' || name === 'HRANDFIELD' || name === 'ZRANDMEMBER') {
    const isPaired = name === 'HGETALL' || (words.length > 3 && node.items[0].items.length === 0);
    return sorted(node, isPaired ? 2 : 1);
  }
  if (SCANS.has(name)) {
    const size = name === 'HSCAN' || name === 'ZSCAN' ? 2 : 1;
    return `${flat(node.items[0])} ${sorted(node.items[1], size)}`;
  }
  return flat(node);
}

/** The replies inside EXEC's, each with the command it answers. */
export function innerReplies(node: Node, queued: readonly (readonly string[])[]): string {
  if (node.items.length !== queued.length) return flat(node);
  return `${node.head}(${node.items.map((item, i) => canonical(queued[i], item)).join('|')})`;
}

export type { Node };
