// Sites as processes, joined by peer links, each with a store of its own: what tests about Redis stores start from.
import { Redis } from 'ioredis';
import { eventually } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf } from './workload.ts';

/** Sites that link to each other; a client of each. */
export interface LinkedSites extends AsyncDisposable {
  readonly sites: readonly MqkvProcess[];
  readonly clients: readonly Redis[];
  /** Waits until nothing waits to be sent at any site. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** One site per list of flags (`--store URL …`); each links to those before it. */
export async function startLinkedSites(flags: readonly (readonly string[])[]): Promise<LinkedSites> {
  const sites: MqkvProcess[] = [];
  const clients: Redis[] = [];
  const close = async (): Promise<void> => {
    for (const client of clients) client.disconnect();
    for (const site of sites) await site.stop();
  };
  try {
    for (const [i, own] of flags.entries()) {
      const peers =
        sites.length === 0 ? '127.0.0.1:1' : sites.map(({ port }) => `127.0.0.1:${port}`).join(',');
      sites.push(
        await startMqkv([
          '--site',
          `site${i}`,
          '--queue',
          `peers://${peers}`,
          '--serve-while-loading',
          ...own,
        ]),
      );
      const client = clientOf(sites[i]?.port ?? 0);
      await client.connect();
      clients.push(client);
    }
    for (const client of clients)
      await eventually('the links', async () =>
        (await client.info('mqkv')).includes(`peers_linked:${sites.length - 1}`),
      );
    return { sites, clients, settled: () => settled(clients), stop: close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function settled(clients: readonly Redis[]): Promise<void> {
  for (const client of clients)
    await eventually(
      'an empty outbox',
      async () => (await client.info('mqkv')).includes('outbox_empty:1'),
      60_000,
    );
}
