// The site's consumer group at the stream: made where it is not there, from where this process left off.
import type { Link } from '../../redis-link/index.ts';
import { expectNoError } from './replies.ts';

/** What a new group begins with: all that comes from now on. */
const FROM_NOW = '$';
/** Where nothing was seen before the stream went away: all of the new one. */
const FROM_START = '0';

/** The group of one site at one stream. */
export class Group {
  /** Units: ids of Redis; the last one that was delivered here. */
  lastId: string | undefined;
  readonly #stream: Buffer;
  readonly #name: string;
  #wasThere = false;

  constructor(stream: Buffer, name: string) {
    this.#stream = stream;
    this.#name = name;
  }

  /** Makes the group, and the stream, where they are not there. Errors: MqkvError of the reply or the link. */
  async open(link: Pick<Link, 'call'>): Promise<void> {
    const from = this.lastId ?? (this.#wasThere ? FROM_START : FROM_NOW);
    const reply = await link.call(['XGROUP', 'CREATE', this.#stream, this.#name, from, 'MKSTREAM']);
    if (reply.kind !== 'error' || !reply.text.startsWith('BUSYGROUP')) expectNoError(reply);
    this.#wasThere = true;
  }
}
