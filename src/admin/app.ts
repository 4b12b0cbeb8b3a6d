// The admin HTTP's routes, as one table: handlers, index page and 405 answers come from it.
import { type Context, Hono } from 'hono';
import type { Registry } from 'prom-client';
import { type Clock, type Logger, MqkvError, messageOf, PROFILE_SECONDS_MAX } from '../base/index.ts';
import { consumerStats } from './consumer-stats.ts';
import type { AdminHooks } from './hooks.ts';
import { beginProfile, type ProfileKind } from './profiler.ts';
import { judge } from './readiness.ts';

/** What the routes work with. `signal`: aborts profiles under way when the admin HTTP closes. */
export interface AppOptions {
  readonly hooks: AdminHooks;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

interface Route {
  readonly path: string;
  /** What it answers, for the index page. */
  readonly doc: string;
  /** Names of the query parameters; others are refused. undefined: not looked at. */
  readonly query?: readonly string[];
  /** Too costly to be run for a HEAD. */
  readonly getOnly?: true;
  readonly handle: (context: Context, options: AppOptions) => Response | Promise<Response>;
}

const ROUTES: readonly Route[] = [
  { path: '/', doc: 'this list', handle: index },
  { path: '/healthz', doc: '200 while the process works', handle: health },
  { path: '/readyz', doc: '200 when it should get traffic; ?maxLagMs=N', query: ['maxLagMs'], handle: ready },
  { path: '/api/v1/consumer_stats', doc: "this site's channel at every broker", handle: consumers },
  { path: '/api/v1/stats', doc: 'numbers of store, clients and replication', handle: stats },
  {
    path: '/api/v1/sites',
    doc: 'the sites, their states, and how far each is behind each other',
    handle: sites,
  },
  { path: '/metrics', doc: "Prometheus' text form", handle: metrics },
  {
    path: '/debug/pprof/profile',
    doc: `CPU profile for go tool pprof; ?seconds=1..${PROFILE_SECONDS_MAX}, default 30`,
    query: ['seconds'],
    getOnly: true,
    handle: (context, options) => profile(context, options, { kind: 'cpu', defaultSeconds: 30 }),
  },
  {
    path: '/debug/pprof/heap',
    doc: `what is allocated meanwhile and still alive, for go tool pprof; ?seconds=1..${PROFILE_SECONDS_MAX}, default 5`,
    query: ['seconds'],
    getOnly: true,
    handle: (context, options) => profile(context, options, { kind: 'heap', defaultSeconds: 5 }),
  },
];

/** The routes over a site. Every error is JSON: `{"error": "…"}`. */
export function adminApp(options: AppOptions): Hono {
  const app = new Hono();
  for (const route of ROUTES) {
    app.all(route.path, (context) => answer(context, route, options));
  }
  app.notFound((context) =>
    failure(context, 404, `no route ${new URL(context.req.url).pathname}; GET / lists them`),
  );
  app.onError((error, context) => {
    options.logger.error({ err: error, path: new URL(context.req.url).pathname }, 'admin request failed');
    return failure(context, 500, messageOf(error));
  });
  return app;
}

function answer(context: Context, route: Route, options: AppOptions): Response | Promise<Response> {
  const methods = route.getOnly ? ['GET'] : ['GET', 'HEAD'];
  if (!methods.includes(context.req.method)) {
    context.header('Allow', methods.join(', '));
    return failure(context, 405, `${context.req.method} is not allowed here; ${methods.join(' and ')} is`);
  }
  const unknown = Object.keys(context.req.query()).find((name) => route.query?.includes(name) === false);
  if (unknown === undefined) return route.handle(context, options);
  return failure(context, 400, `unknown parameter "${unknown}"; allowed: ${route.query?.join(', ')}`);
}

function health(context: Context, { hooks }: AppOptions): Response {
  const problem = hooks.health();
  return problem === undefined
    ? context.json({ status: 'ok' })
    : context.json({ status: 'failed', error: problem }, 503);
}

async function ready(context: Context, { hooks }: AppOptions): Promise<Response> {
  const text = context.req.query('maxLagMs');
  const maxLagMs = text === undefined ? undefined : integer(text, 0, 86_400_000);
  if (Number.isNaN(maxLagMs))
    return failure(context, 400, `maxLagMs="${text}" must be an integer from 0 to 86400000`);
  const verdict = judge(await hooks.ready(), maxLagMs);
  return context.json(verdict, verdict.ready ? 200 : 503);
}

async function consumers(context: Context, { hooks }: AppOptions): Promise<Response> {
  return context.json(consumerStats(await hooks.channels(), hooks.numbers().lagMs ?? null));
}

function stats(context: Context, { hooks }: AppOptions): Response {
  const { site, version } = hooks;
  return context.json({
    site,
    version,
    ...hooks.facts(),
    numbers: hooks.numbers(),
    brokers: hooks.brokers(),
  });
}

function sites(context: Context, { hooks }: AppOptions): Response {
  return context.json(hooks.sites());
}

async function metrics(context: Context, { registry }: AppOptions): Promise<Response> {
  return context.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType });
}

/** Headers go out at once, so that a client sees that the profile runs; the body follows when it is over. */
function profile(
  context: Context,
  { hooks, clock, signal }: AppOptions,
  { kind, defaultSeconds }: { readonly kind: ProfileKind; readonly defaultSeconds: number },
): Response {
  const text = context.req.query('seconds') ?? String(defaultSeconds);
  const seconds = integer(text, 1, PROFILE_SECONDS_MAX);
  if (Number.isNaN(seconds)) {
    return failure(context, 400, `seconds="${text}" must be an integer from 1 to ${PROFILE_SECONDS_MAX}`);
  }
  const gone = new AbortController();
  try {
    const ended = AbortSignal.any([signal, gone.signal, context.req.raw.signal]);
    const { result } = beginProfile(kind, { durationMs: seconds * 1000, clock, signal: ended });
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${hooks.site}-${kind}.pb.gz"`,
      'X-Content-Type-Options': 'nosniff',
    };
    return context.body(
      streamOf(result, () => gone.abort()),
      200,
      headers,
    );
  } catch (error) {
    if (!(error instanceof MqkvError)) throw error;
    return failure(context, error.code === 'PROFILE_BUSY' ? 409 : 501, error.message);
  }
}

function streamOf(result: Promise<Buffer>, cancel: () => void): ReadableStream<Uint8Array> {
  let cancelled = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (bytes: Buffer): void => {
        if (cancelled) return;
        controller.enqueue(bytes);
        controller.close();
      };
      result.then(send, (error: unknown) => controller.error(error));
    },
    cancel() {
      cancelled = true;
      cancel();
    },
  });
}

function index(context: Context, { hooks }: AppOptions): Response {
  const rows = ROUTES.map(
    ({ path, doc }) => `<tr><td><a href="${path}">${path}</a></td><td>${escaped(doc)}</td></tr>`,
  );
  return context.html(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mqkv ${escaped(hooks.site)}</title></head>
<body><h1>mqkv ${escaped(hooks.version)}, site ${escaped(hooks.site)}</h1>
<table>
${rows.join('\n')}
</table>
</body></html>
`);
}

function failure(context: Context, status: 400 | 404 | 405 | 409 | 500 | 501, error: string): Response {
  return context.json({ error }, status);
}

/** NaN when it is none in the range. */
function integer(text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : Number.NaN;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
