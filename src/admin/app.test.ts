// The admin routes over made-up sites: bodies, refusals, readiness.
import { describe, expect, it } from 'vitest';
import { fakeApp } from './fixture.ts';
import type { BrokerView, ChannelNumbers } from './hooks.ts';

async function get(app: ReturnType<typeof fakeApp>, path: string, init?: RequestInit) {
  const response = await app.request(path, init);
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(await response.text()) as unknown,
  };
}

const NSQ: ChannelNumbers = {
  queue: 'nsq',
  topic: 'mqkv_topic',
  channel: 'osaka',
  connections: 1,
  received: 10,
  finished: 8,
  requeued: 1,
  inFlight: 1,
  depth: 5,
  brokers: [
    {
      address: '10.0.0.1:4150',
      connections: 1,
      received: 10,
      finished: 8,
      requeued: 1,
      inFlight: 1,
      depth: 5,
    },
    {
      address: '10.0.0.2:4150',
      connections: null,
      received: null,
      finished: null,
      requeued: null,
      inFlight: null,
      depth: null,
      error: 'connection refused',
    },
  ],
};

describe('health and readiness', () => {
  it('answers by what the site says of itself', async () => {
    expect(await get(fakeApp(), '/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
    const sick = await get(fakeApp({ health: () => 'log is not writable' }), '/healthz');
    expect(sick).toMatchObject({ status: 503, body: { error: 'log is not writable' } });
  });

  it('is ready while every broker that answers has the subscription; others are listed', async () => {
    const brokers: BrokerView[] = [
      { address: 'a:1', connected: true, subscribed: true },
      { address: 'b:1', connected: false, subscribed: false, error: 'refused' },
    ];
    const ready = fakeApp({ ready: () => ({ problems: [], brokers, lagMs: 3 }) });
    const body = { ready: true, problems: [], unreachable: [{ address: 'b:1', error: 'refused' }], lagMs: 3 };
    expect(await get(ready, '/readyz')).toMatchObject({ status: 200, body });
    brokers[0] = { address: 'a:1', connected: true, subscribed: false };
    const not = await get(ready, '/readyz');
    expect(not).toMatchObject({
      status: 503,
      body: { ready: false, problems: ['no subscription yet at a:1'] },
    });
  });

  it('judges the lag only when asked, and a problem of the site always', async () => {
    const late = fakeApp({ ready: () => ({ problems: [], brokers: [], lagMs: 500 }) });
    expect((await get(late, '/readyz')).status).toBe(200);
    expect((await get(late, '/readyz?maxLagMs=500')).status).toBe(200);
    expect((await get(late, '/readyz?maxLagMs=499')).status).toBe(503);
    const broken = fakeApp({
      ready: () => ({ problems: ['store does not answer'], brokers: [], lagMs: null }),
    });
    expect((await get(broken, '/readyz?maxLagMs=0')).status).toBe(503);
  });

  it.each(['maxLagMs=', 'maxLagMs=-1', 'maxLagMs=1.5', 'maxLagMs=x', 'maxLagMs=86400001', 'maxlagms=1'])(
    'refuses ?%s',
    async (query) => {
      const { status, body } = await get(fakeApp(), `/readyz?${query}`);
      expect(status).toBe(400);
      expect(body).toEqual({ error: expect.stringContaining('maxLagMs') });
    },
  );
});

describe('consumer_stats', () => {
  it('has the shape of the design, with a row for each nsqd', async () => {
    const app = fakeApp({ channels: async () => [NSQ], numbers: () => ({ lagMs: 7 }) });
    const { body } = await get(app, '/api/v1/consumer_stats');
    const { queue: _, brokers, ...sums } = NSQ;
    expect(body).toEqual({ ...sums, lagMs: 7, nsqd: brokers });
  });

  it('sums over further queues', async () => {
    const app = fakeApp({ channels: async () => [NSQ, { ...NSQ, depth: 2, received: 100 }] });
    const { body } = await get(app, '/api/v1/consumer_stats');
    expect(body).toMatchObject({ depth: 7, received: 110, connections: 2, nsqd: { length: 4 } });
  });

  it('has a null channel without a queue', async () => {
    const { body } = await get(fakeApp({ numbers: () => ({ lagMs: 7 }) }), '/api/v1/consumer_stats');
    expect(body).toMatchObject({ topic: null, channel: null, received: 0, depth: 0, lagMs: null, nsqd: [] });
  });
});

describe('stats and metrics', () => {
  it('shows facts and numbers as JSON', async () => {
    const app = fakeApp({ facts: () => ({ storeId: 'ab' }), numbers: () => ({ keys: 3 }) });
    const { body } = await get(app, '/api/v1/stats');
    expect(body).toEqual({
      site: 'osaka',
      version: '1.2.3',
      storeId: 'ab',
      numbers: { keys: 3 },
      brokers: [],
    });
  });

  it('hands plain counters over at each scrape', async () => {
    let commandsTotal = 5;
    const brokers = () => [{ address: 'a:1', connected: true, subscribed: true }];
    const app = fakeApp({ numbers: () => ({ commandsTotal, lagMs: 250 }), brokers });
    const scrape = async (): Promise<string> => (await app.request('/metrics')).text();
    expect(await scrape()).toContain('mqkv_commands_total{site="osaka"} 5\n');
    commandsTotal = 9;
    const text = await scrape();
    expect(text).toContain('mqkv_commands_total{site="osaka"} 9\n');
    expect(text).toContain('mqkv_lag_seconds{site="osaka"} 0.25\n');
    expect(text).toContain('mqkv_broker_connected{broker="a:1",site="osaka"} 1\n');
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).toContain('# TYPE mqkv_commands_total counter');
  });
});

describe('refusals', () => {
  it('answers unknown routes, methods and failures in JSON', async () => {
    const app = fakeApp({
      numbers: () => {
        throw new Error('broken hook');
      },
    });
    expect(await get(app, '/nope')).toMatchObject({
      status: 404,
      body: { error: expect.stringContaining('/nope') },
    });
    const posted = await get(app, '/healthz', { method: 'POST' });
    expect(posted.status).toBe(405);
    expect(posted.headers.get('allow')).toBe('GET, HEAD');
    expect((await app.request('/debug/pprof/profile', { method: 'HEAD' })).status).toBe(405);
    expect(await get(app, '/api/v1/stats')).toMatchObject({ status: 500, body: { error: 'broken hook' } });
  });

  it('lists every route on the first page, which names the site', async () => {
    const text = await (await fakeApp({ version: '<b>' }).request('/')).text();
    for (const path of ['/readyz', '/metrics', '/debug/pprof/profile', '/api/v1/consumer_stats']) {
      expect(text).toContain(`href="${path}"`);
    }
    expect(text).toContain('osaka');
    expect(text).not.toContain('<b>');
  });

  it.each(['0', '61', '-1', '1.5', '', 'x'])('refuses profiles of seconds=%s', async (seconds) => {
    for (const kind of ['profile', 'heap']) {
      const { status, body } = await get(fakeApp(), `/debug/pprof/${kind}?seconds=${seconds}`);
      expect(status).toBe(400);
      expect(body).toEqual({ error: `seconds="${seconds}" must be an integer from 1 to 60` });
    }
  });
});
