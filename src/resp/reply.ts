// Replies as values, for the client side: peer links, tests, tools.

/** A reply of either protocol. Texts are latin1; integers past 2^53 are bigint. Attributes (`|`) are read and dropped. */
export type Reply =
  | { readonly kind: 'simple'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'integer'; readonly value: number | bigint }
  | { readonly kind: 'bulk'; readonly bytes: Buffer }
  | { readonly kind: 'null' }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'bigNumber'; readonly value: bigint }
  | { readonly kind: 'verbatim'; readonly format: string; readonly text: string }
  | { readonly kind: 'array' | 'set' | 'push'; readonly items: readonly Reply[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Reply, Reply])[] };

/** The reply as plain JavaScript, for tests and printing: bulks as latin1 strings, maps as arrays of pairs, errors as `-ERR …`. */
export function plainReply(reply: Reply): unknown {
  switch (reply.kind) {
    case 'simple':
      return reply.text;
    case 'error':
      return `-${reply.text}`;
    case 'bulk':
      return reply.bytes.toString('latin1');
    case 'null':
      return null;
    case 'verbatim':
      return reply.text;
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(plainReply);
    case 'map':
      return reply.entries.map(([key, value]) => [plainReply(key), plainReply(value)]);
    default:
      return reply.value;
  }
}
