// Copies another site's whole data, page by page, from where it was broken off.
import { PAGE_BYTES, PAGES_BYTES_MAX, sleep } from '../../base/index.ts';
import type { PeerAddress } from '../peer-port.ts';
import type { Way } from './asking.ts';
import type { PeerWork } from './peer-work.ts';
import * as wire from './wire.ts';

/** Units: ms. An answer that takes longer than this is worth a larger one. */
const ROUND_TRIP_MS = 20;
/** Units: bytes copied between two notes of the cursor. */
const NOTE_BYTES = 256 * 1024;

// note "bootstrap" := JSON of `Progress`

/** How far a copy is. */
export interface Progress {
  /** The store that is copied. */
  readonly storeId: string;
  /** Where to go on; '' is the beginning. */
  readonly cursor: string;
  /** What that store had applied before the first page was made. */
  readonly applied: Readonly<Record<string, number>>;
  /** The gateway that copies, and until when it is believed to be alive. Units: Unix ms. */
  readonly by: string;
  readonly untilMs: number;
}

export interface PullingOptions {
  readonly work: PeerWork;
  readonly peer: PeerAddress;
  readonly from: Pick<Progress, 'cursor' | 'applied'>;
  /** Notes how far it is: what came before is merged. */
  readonly note: (at: Pick<Progress, 'cursor' | 'applied'>) => Promise<void>;
  readonly way: Way;
  /** A page is merged. */
  readonly onPage: () => void;
  readonly signal: AbortSignal;
}

interface Asked {
  readonly cursor: string;
  readonly bytesMax: number;
  readonly way: Way;
  readonly signal: AbortSignal;
}

interface Pages {
  readonly deltas: readonly Buffer[];
  readonly bytes: number;
  readonly next: string;
}

/** Copies until the end. Result: bytes of deltas. Errors: those of `PeerPort.ask`; `BAD_CURSOR`; the store's. */
export async function pullFrom({
  work,
  peer,
  from,
  note,
  way,
  onPage,
  signal,
}: PullingOptions): Promise<number> {
  const { store, clock } = work.context;
  let bytesMax = PAGE_BYTES;
  let total = 0;
  let unnoted = 0;
  let next = ask(work, peer, { cursor: from.cursor, bytesMax, way, signal });
  for (;;) {
    const since = clock.now();
    const pages = await next;
    if (clock.now() - since > ROUND_TRIP_MS) bytesMax = Math.min(PAGES_BYTES_MAX, bytesMax * 2);
    if (pages.next !== '' && !signal.aborted)
      next = ask(work, peer, { cursor: pages.next, bytesMax, way, signal });
    next.catch(() => {});
    for (const deltas of pages.deltas) {
      await store.merge(deltas);
      await sleep(clock, 0);
    }
    onPage();
    total += pages.bytes;
    unnoted += pages.bytes;
    if (pages.next === '' || signal.aborted) return total;
    if (unnoted < NOTE_BYTES) continue;
    unnoted = 0;
    await note({ cursor: pages.next, applied: from.applied });
  }
}

async function ask(work: PeerWork, peer: PeerAddress, { cursor, bytesMax, ...how }: Asked): Promise<Pages> {
  const request = wire.request(wire.PAGE).u32(bytesMax).raw(Buffer.from(cursor, 'latin1')).done();
  const reader = wire.answered(await work.asking.ask(peer, request, { purpose: 'bootstrap', ...how }));
  const deltas: Buffer[] = [];
  let bytes = 0;
  for (let length = reader.u32(); length > 0; length = reader.u32()) {
    deltas.push(reader.bytes(length));
    bytes += length;
  }
  return { deltas, bytes, next: reader.rest().toString('latin1') };
}

/** Reads a note of progress; undefined: there is none. */
export function decodeProgress(text: string | undefined): Progress | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    const value = JSON.parse(text) as Partial<Record<keyof Progress, unknown>>;
    const { storeId, cursor, by, untilMs } = value;
    const isProgress =
      typeof storeId === 'string' &&
      typeof cursor === 'string' &&
      typeof by === 'string' &&
      typeof untilMs === 'number';
    if (!isProgress) return undefined;
    return { storeId, cursor, by, untilMs, applied: wire.decodeApplied(JSON.stringify(value.applied)) };
  } catch {
    return undefined;
  }
}
