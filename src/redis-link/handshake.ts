// The first commands of every connection: AUTH, HELLO, CLIENT SETNAME, SELECT, in one write.
import { MqkvError } from '../base/index.ts';
import type { Reply } from '../resp/index.ts';
import type { LinkOptions, LinkSetup } from './link.ts';

/** Errors: MqkvError REDIS_AUTH, REDIS_PROTOCOL, REDIS_DB. */
export async function shakeHands(setup: LinkSetup, options: LinkOptions): Promise<void> {
  const { user, password, protocol, clientName, db = 0 } = options;
  const none: Promise<Reply | undefined> = Promise.resolve(undefined);
  const [auth, hello, name, select] = await Promise.all([
    password === undefined
      ? none
      : setup.call(user === undefined ? ['AUTH', password] : ['AUTH', user, password]),
    protocol === 3 ? setup.call(['HELLO', '3']) : none,
    clientName === undefined ? none : setup.call(['CLIENT', 'SETNAME', clientName]),
    db === 0 ? none : setup.call(['SELECT', String(db)]),
  ]);
  refuse(auth, 'REDIS_AUTH', 'refused the user or password');
  for (const reply of [hello, name, select])
    if (reply?.kind === 'error' && /^(NOAUTH|WRONGPASS)/.test(reply.text))
      refuse(reply, 'REDIS_AUTH', 'wants a password');
  refuse(hello, 'REDIS_PROTOCOL', 'does not speak RESP3');
  refuse(select, 'REDIS_DB', `refused database ${db}`);
}

function refuse(reply: Reply | undefined, code: string, what: string): void {
  if (reply?.kind === 'error') throw new MqkvError(code, `Redis ${what}: ${reply.text}`);
}
