// Which error replies mean "not applied, ask again": redirections and states of a server that pass.
//
// refusal = "-MOVED " slot " " address / "-ASK " slot " " address
//         / ("-TRYAGAIN" / "-CLUSTERDOWN" / "-LOADING" / "-MASTERDOWN" / "-READONLY" / "-NOSCRIPT") *( " " text )
// address = [ host ] ":" port                       no host: that of the node which answered

/** Why a command was not applied. */
export type Refusal =
  | { readonly kind: 'moved'; readonly host: string; readonly port: number }
  | { readonly kind: 'ask'; readonly host: string; readonly port: number }
  | { readonly kind: 'noscript' }
  | { readonly kind: 'pause'; readonly code: string };

/** How far an error line is looked at: the longest host name and then some. Units: bytes. */
const LINE_BYTES_MAX = 400;
const STAR = 42;
const MINUS = 45;
const READONLY_RESULT = /^\*\d+\r\n(?:-READONLY |\*\d+\r\n-READONLY [^\r]*\r\n\$0\r\n\r\n)/;
const CLUSTER_ONLY = ['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN'];
const PAUSES = ['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY'];

/** The refusal at `at`, where an error reply begins. undefined: any other error, the client's to see. */
export function refusalAt(bytes: Buffer, at: number, isCluster: boolean): Refusal | undefined {
  // M(OVED, ASTERDOWN) A(SK) T(RYAGAIN) C(LUSTERDOWN) L(OADING) R(EADONLY) N(OSCRIPT): others leave here.
  if (!'MATCLRN'.includes(String.fromCharCode(bytes[at + 1]))) return undefined;
  const end = bytes.indexOf(13, at);
  const words = bytes.toString('latin1', at + 1, Math.min(end, at + LINE_BYTES_MAX)).split(' ', 3);
  const code = words[0];
  if (!isCluster && CLUSTER_ONLY.includes(code)) return undefined;
  if (code === 'MOVED' || code === 'ASK')
    return redirection(code === 'ASK' ? 'ask' : 'moved', words[2] ?? '');
  if (code === 'NOSCRIPT') return { kind: 'noscript' };
  return PAUSES.includes(code) ? { kind: 'pause', code } : undefined;
}

/**
 * Whether the write script has answered that its first unit met a read-only replica: a master until just now. Nothing was
 * applied then, by any unit. Shape: see write-replies.ts; the empty version behind a command's error says that it changed nothing.
 */
export function isReadonlyResult(bytes: Buffer): boolean {
  let at = bytes.indexOf(13) + 2;
  if (bytes[at] === STAR) at = bytes.indexOf(13, at) + 2;
  if (bytes[at] !== MINUS) return false;
  return READONLY_RESULT.test(bytes.toString('latin1', 0, LINE_BYTES_MAX));
}

function redirection(kind: 'moved' | 'ask', address: string): Refusal | undefined {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon < 0 || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { kind, host: address.slice(0, colon), port };
}
