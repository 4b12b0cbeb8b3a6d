// Random commands on few keys of changing types through the write script: replies, data, versions, other sites.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/base/index.ts';
import { COMMANDS, randomCommand } from './redis-random-commands.ts';
import { requireBroker } from './brokers/index.ts';
import { Trio } from './redis-trio.ts';

const { skip } = requireBroker('redis-server');

let trio: Trio;

beforeAll(async () => {
  if (skip === false) trio = await Trio.open();
});

afterAll(() => trio?.close());

describe.skipIf(skip).each([2, 3] as const)(`the write script, RESP%i ${skip || ''}`, (protocol) => {
  beforeEach(() => trio.begin(protocol));
  afterEach(() => trio.end());

  it('random commands on few keys of changing types', async () => {
    const random = seededRandom(40 + protocol);
    const changed = new Set<string>();
    for (let i = 0; i < 1200; i++) {
      const args = randomCommand(random);
      const reply = await trio.run(args);
      if (typeof reply !== 'string' || !reply.startsWith('-')) changed.add(args[0]);
    }
    for (const [name] of COMMANDS) expect(changed, name).toContain(name);
  });
});
