// A small in-memory server on mqkv/server: what it takes to speak Redis. Run: node dist/examples/clone.js [PORT]
import { pathToFileURL } from 'node:url';
import { type Context, createServer, Mux, PubSub, type RespServer } from '../src/server/index.ts';

/** Longest line that a detached client may send. Units: bytes. */
const LINE_BYTES_MAX = 1024;

/** A server with strings, publish and subscribe; call `listen` on it. */
export function cloneServer(): RespServer {
  const values = new Map<string, Buffer>();
  const pubsub = new PubSub();

  const mux = new Mux()
    .use(checkArity)
    .command('PING', ({ argc, arg, reply }) => (argc > 1 ? reply.bulk(arg(1)) : reply.simple('PONG')))
    .command('SET', ({ text, arg, reply }) => {
      // Arguments are views of the input: what is kept is copied.
      values.set(text(1), Buffer.from(arg(2)));
      reply.ok();
    })
    .command('GET', ({ text, reply }) => {
      const value = values.get(text(1));
      if (value === undefined) reply.null();
      else reply.bulk(value);
    })
    .command('DEL', ({ argc, text, reply }) => {
      let deleted = 0;
      for (let a = 1; a < argc; a++) if (values.delete(text(a))) deleted++;
      reply.integer(deleted);
    })
    .command('PUBLISH', ({ text, arg, reply }) => reply.integer(pubsub.publish(text(1), arg(2))))
    .command('SUBSCRIBE', ({ connection, argc, text, reply }) => {
      for (let a = 1; a < argc; a++) pubsub.subscribe(connection, text(a), reply);
    })
    .command('PSUBSCRIBE', ({ connection, argc, text, reply }) => {
      for (let a = 1; a < argc; a++) pubsub.psubscribe(connection, text(a), reply);
    })
    .command('UNSUBSCRIBE', ({ connection, argc, text, reply }) => {
      const channels = Array.from({ length: argc - 1 }, (_, a) => text(a + 1));
      pubsub.unsubscribe(connection, channels, reply);
    })
    .command('DETACH', detach)
    .command('QUIT', ({ connection, reply }) => {
      reply.ok();
      connection.close(true);
    });
  return createServer({ handler: mux });
}

/** Least number of arguments, the name included. */
const ARITY: Readonly<Record<string, number>> = {
  SET: 3,
  GET: 2,
  DEL: 2,
  PUBLISH: 3,
  SUBSCRIBE: 2,
  PSUBSCRIBE: 2,
};

/** A middleware: runs before every command and may answer in its place. */
function checkArity(context: Context, next: () => void | Promise<void>): void | Promise<void> {
  const { name, argc, reply } = context;
  if (argc >= (ARITY[name] ?? 1)) return next();
  reply.error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
}

/** Takes the socket out of the server and talks to the client line by line, in upper case, until `BYE`. */
function detach({ connection, reply }: Context): void {
  reply.ok();
  const { socket, head } = connection.detach();
  let pending = '';
  const received = (bytes: Buffer): void => {
    const lines = (pending + bytes.toString('latin1')).split(/\r?\n/);
    pending = lines.pop() ?? '';
    for (const line of lines) {
      socket.write(`${line.toUpperCase()}\r\n`, 'latin1');
      if (line.toUpperCase() === 'BYE') socket.end();
    }
    if (pending.length > LINE_BYTES_MAX) socket.destroy();
  };
  received(head);
  socket.on('data', received);
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
  socket.resume();
}

async function main(): Promise<void> {
  const server = cloneServer();
  const { host, port } = await server.listen({ port: Number(process.argv[2] ?? 6380) });
  process.stdout.write(`ready ${host}:${port}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
