// A TCP proxy on loopback that tests cut or freeze: what happens between us and a broker, not in the broker.
import net from 'node:net';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Ends every connection and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  /** Passes nothing on any more, without ending anything, until `mend`. */
  freeze(): void;
}

/** Starts a proxy to that loopback port. */
export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<net.Socket>();
  let state: 'open' | 'cut' | 'frozen' = 'open';
  let accepted = 0;
  const pass = (from: net.Socket, to: net.Socket): void => {
    sockets.add(from);
    from.on('data', (chunk) => {
      if (state === 'open') to.write(chunk);
    });
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = net.createServer((client) => {
    if (state === 'cut') return client.destroy();
    accepted += 1;
    const upstream = net.connect(target, '127.0.0.1');
    pass(client, upstream);
    pass(upstream, client);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    get accepted() {
      return accepted;
    },
    cut: () => {
      state = 'cut';
      end();
    },
    freeze: () => {
      state = 'frozen';
    },
    mend: () => {
      if (state === 'frozen') end();
      state = 'open';
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
