// JSON from nsqd's and nsqlookupd's HTTP ports, bounded in time and size.
import http from 'node:http';
import { type Clock, MqkvError, messageOf, NSQ_HTTP_BYTES_MAX } from '../../base/index.ts';
import { type Address, formatAddress } from './address.ts';

/** One request. Units: timeoutMs in ms. */
export interface HttpRequest {
  readonly address: Address;
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** The answer; `body` is undefined where it is no JSON. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Asks. Errors: QUEUE_UNREACHABLE. */
export function ask(request: HttpRequest): Promise<HttpAnswer> {
  const { address, path, method = 'GET', clock, timeoutMs, signal } = request;
  return new Promise((resolve, reject) => {
    const { host, port } = address;
    const call = http.request({ host, port, path, method, agent: false });
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const fail = (reason: string): void => {
      finish(() => reject(new MqkvError('QUEUE_UNREACHABLE', `http://${formatAddress(address)}: ${reason}`)));
      call.destroy();
    };
    const abort = (): void => fail('closed');
    const timer = clock.after(timeoutMs, () => fail('no answer in time'));
    signal?.addEventListener('abort', abort, { once: true });
    call.on('error', (error) => fail(messageOf(error)));
    call.on('response', (response) => {
      collect(response, fail, (body) => finish(() => resolve({ status: response.statusCode ?? 0, body })));
    });
    call.end();
  });
}

function collect(
  response: http.IncomingMessage,
  fail: (why: string) => void,
  done: (body: unknown) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > NSQ_HTTP_BYTES_MAX) return fail(`an answer above ${NSQ_HTTP_BYTES_MAX} bytes`);
    chunks.push(chunk);
  });
  response.on('error', (error) => fail(messageOf(error)));
  response.on('end', () => done(parse(Buffer.concat(chunks))));
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The object at `value`, empty when it is none: foreign JSON is read field by field. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The array at `value`, empty when it is none. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The number at `value`, 0 when it is none. */
export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
