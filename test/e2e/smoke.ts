// Starts mqkv on the runtime that is given (default: this one), writes and reads a key, and stops it.
import assert from 'node:assert/strict';
import { startMqkv } from './mqkv.ts';
import { clientOf } from './workload.ts';

const mqkv = await startMqkv(['--site', 'smoke'], process.argv[2]);
const client = clientOf(mqkv.port);
try {
  assert.equal(await client.set('k', 'v', 'EX', 100), 'OK');
  assert.equal(await client.get('k'), 'v');
  assert.equal(await client.incrby('n', 5), 5);
  assert.equal(await client.hset('h', 'a', '1', 'b', '2'), 2);
  assert.deepEqual(await client.zrange('z', '0', '-1'), []);
  assert.equal((await fetch(`${mqkv.admin}/healthz`)).status, 200);
} finally {
  client.disconnect();
}
assert.equal(await mqkv.stop(), 0);
console.log('smoke: served and stopped');
