// Values that travel whole, as read.lua gives them and as native commands make them.
import { TYPE_LIST, TYPE_OTHER, TYPE_STREAM, type ValueType } from '../../crdt/index.ts';
import type { Latin1 } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { Arg } from './access.ts';

// list = count:u32 (length:u32 bytes)*count, little-endian

export function wholeValueOf(type: ValueType | 0, reply: Reply | undefined): Buffer | undefined {
  if (type === TYPE_LIST && reply?.kind === 'array')
    return encodeList(reply.items.map((item) => (item.kind === 'bulk' ? item.bytes : Buffer.alloc(0))));
  return undefined;
}

export function wholeValueCommands(type: ValueType, key: Latin1, bytes: Buffer): Arg[][] {
  if (type === TYPE_OTHER) return [['RESTORE', key, '0', bytes, 'REPLACE']];
  if (type === TYPE_STREAM) return [];
  const elements = decodeList(bytes);
  const commands: Arg[][] = [['DEL', key]];
  for (let at = 0; at < elements.length; at += 1000)
    commands.push(['RPUSH', key, ...elements.slice(at, at + 1000)]);
  return commands;
}

function encodeList(elements: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [u32(elements.length)];
  for (const element of elements) parts.push(u32(element.length), element);
  return Buffer.concat(parts);
}

function decodeList(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = [];
  for (let at = 4; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

function u32(x: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(x);
  return bytes;
}
