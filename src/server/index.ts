// The folder's door, published as mqkv/server.
export { CommandBatch, ReplyWriter } from '../resp/index.ts';
export type { Connection, Handler } from './connection.ts';
export { matchesGlob } from './glob.ts';
export type { LaterReply } from './late-replies.ts';
export type { ListenAddress, ListenOptions } from './listener.ts';
export { type CommandHandler, type Context, type Middleware, Mux } from './mux.ts';
export type { ServerLimits, ServerOptions } from './options.ts';
export { PubSub, type SubscriptionKind } from './pub-sub.ts';
export { createServer, RespServer, type ServerStats } from './server.ts';
