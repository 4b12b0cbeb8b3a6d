// redis-server with TLS, on a Unix socket, with ACL users: what a plain one on loopback does not have.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificate, testKey } from '../../src/server/test-certificate.ts';
import { freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';
import { flagsOf } from './redis-flags.ts';

export interface RedisKindOptions {
  /** TLS on `port` (self-signed, for localhost); clients need no certificate. */
  readonly tls?: boolean;
  /** As in an ACL file: `user NAME on >PASSWORD ~* &* +@all`. */
  readonly users?: readonly string[];
  readonly flags?: readonly string[];
}

export interface RedisOfKind extends Broker {
  /** Its Unix socket. */
  readonly path: string;
}

/** Starts it; nothing is saved. It always has a Unix socket too. */
export async function startRedisKind(options: RedisKindOptions = {}): Promise<RedisOfKind> {
  const [port] = await freePorts(1);
  const broker = await startBroker({
    command: 'redis-server',
    ports: [port],
    args: (dir) => [
      ...flagsOf({
        bind: '127.0.0.1',
        save: '',
        dir,
        loglevel: 'warning',
        unixsocket: join(dir, 'redis.sock'),
      }),
      ...portFlags(dir, port, options.tls === true),
      ...aclFlags(dir, options.users),
      ...(options.flags ?? []),
    ],
  });
  return Object.assign(broker, { path: join(broker.dir, 'redis.sock') });
}

function portFlags(dir: string, port: number, isTls: boolean): readonly string[] {
  if (!isTls) return flagsOf({ port });
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  writeFileSync(key, testKey);
  writeFileSync(certificate, testCertificate);
  const files = { 'tls-key-file': key, 'tls-cert-file': certificate, 'tls-ca-cert-file': certificate };
  return flagsOf({ port: 0, 'tls-port': port, 'tls-auth-clients': 'no', ...files });
}

function aclFlags(dir: string, users: readonly string[] | undefined): readonly string[] {
  if (users === undefined) return [];
  const file = join(dir, 'users.acl');
  writeFileSync(file, `${users.join('\n')}\n`);
  return flagsOf({ aclfile: file });
}
