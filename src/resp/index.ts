// The folder's door: RESP2 and RESP3, no I/O.
export { CommandBatch } from './command-batch.ts';
export { encodeCommand } from './encode-command.ts';
export { formatDouble } from './format-double.ts';
export { type RequestLimits, requestLimits } from './limits.ts';
export { codeOfBytes, nameCode } from './names.ts';
export { plainReply, type Reply } from './reply.ts';
export { ReplyParser } from './reply-parser.ts';
export { ReplyWriter } from './reply-writer.ts';
export { type ParseStatus, RequestParser } from './request-parser.ts';
