// EVAL through the write script beside a plain Redis: values, errors with digest and line, and that every write is recorded.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Broker, openControl, type RedisControl, requireBroker, startRedis } from './brokers/index.ts';
import { keysIn, ScriptedRedis, shown, told } from './redis-rows.ts';

const { skip } = requireBroker('redis-server');

let servers: readonly Broker[] = [];
let scripted: ScriptedRedis;
let plain: RedisControl;

beforeAll(async () => {
  if (skip !== false) return;
  servers = [await startRedis(), await startRedis()];
  scripted = await ScriptedRedis.open(servers[0].port);
  plain = openControl(servers[1].port);
});

afterAll(async () => {
  scripted?.control.close();
  plain?.close();
  for (const server of servers) await server.stop();
});

const SEED = [
  ['SET', 'str', 'v'],
  ['HSET', 'h', 'a', '1'],
  ['ZADD', 'z', '1', 'a'],
  ['RPUSH', 'l', 'a', 'b'],
];

beforeEach(async () => {
  if (skip !== false) return;
  await scripted.clear();
  await plain.call('FLUSHALL');
  for (const words of SEED) {
    await plain.call(...words);
    await scripted.run(words);
  }
});

/** The same script on both: replies and what the keys then hold. */
async function both(words: readonly string[]): Promise<unknown> {
  const { reply } = await scripted.run(words);
  expect(reply, words.join(' ')).toEqual(told(await plain.reply(...words)));
  const keys = await keysIn(scripted.control);
  expect(keys).toEqual(await keysIn(plain));
  for (const key of keys) expect(await shown(scripted.control, key)).toEqual(await shown(plain, key));
  return reply;
}

const SCRIPTS = [
  'error(5)',
  "return redis.call('nosuch')",
  "return redis.call('get')",
  'return redis.call()',
  "return redis.call('set','a','b',{})",
  "return redis.pcall('nosuch')",
  "return redis.pcall('lpush','k')",
  'return foo',
  'foo=1',
  '\nlocal x = nil\nreturn x.y',
  "return {err='MY error'}",
  "return {err='nope'}",
  "return redis.error_reply('MY x')",
  "return redis.error_reply('my')",
  'return redis.error_reply()',
  "return redis.status_reply('x','y')",
  'x = =',
  'KEYS[9]=1 return KEYS[9]',
  "return redis.call('eval','return 1',0)",
  "return redis.call('blpop','k',0)",
  "return redis.call('multi')",
  "return redis.log(redis.LOG_WARNING,'hi')",
  'return redis.log(9)',
  "return redis.sha1hex('')",
  'return redis.sha1hex()',
  'return redis.setresp(4)',
  'return redis.setresp()',
  "redis.setresp(3) return redis.call('hgetall','h')",
  'return redis.replicate_commands()',
  'return redis.set_repl(redis.REPL_ALL)',
  'return redis.breakpoint()',
  "local ok,e=pcall(redis.call,'nosuch') return {tostring(ok),type(e),tostring(e.err),tostring(e.source), tostring(e.line)}",
  "local ok,e=pcall(redis.call,'nosuch') return {tostring(ok),type(e),tostring(e)}",
  "local e=redis.pcall('nosuch') local t={} for k,v in pairs(e) do t[#t+1]=k..'='..tostring(v) end table.sort(t) return t",
  "local ok,e=pcall(function() error('x') end) return {tostring(ok),tostring(e)}",
  "local ok,e=pcall(function() error({err='x'}) end) return {tostring(ok),type(e), tostring(e)}",
  "local ok,e=pcall(function() error({err='x',b=1}) end) return {tostring(ok),type(e), tostring(e)}",
  'local ok,e=pcall(function() error({b=1}) end) return {tostring(ok),type(e)}',
  "local ok,e=xpcall(function() redis.call('nosuch') end, function(e) return e end) local t={} for k,v in pairs(e) do t[#t+1]=k..'='..tostring(v) end table.sort(t) return t",
  "local ok,e=pcall(redis.call,'nosuch')\n\n\nerror(e)",
  "local e=redis.pcall('nosuch')\n\n\nerror(e)",
  "local function f()\nredis.call('nosuch')\nend\n\nf()",
  "local function f()\nreturn redis.call('nosuch')\nend\n\nreturn f()",
  'local ok,e=pcall(function() local a=nil; return a.b end) return {tostring(ok),type(e),tostring(e)}',
  'return print',
  "return loadstring('return foo')()",
  "local f,e=loadstring('x = =') return e",
  'string.foo=1',
  'return 3.7',
  'return {1,2,nil,4}',
  'return true',
  'return {map={a=1}}',
  'return {double=3.5}',
  "return redis.call('set','x',1.5)",
  "return redis.call('mget','a',true)",
  '#!lua\nreturn 1',
  "#!lua flags=no-writes\nreturn redis.call('set','x','1')",
  '#!lua flags=foo\nreturn 1',
  '#!python\nreturn 1',
  '#!lua name=x\nreturn 1',
  '#!lua',
  "#!lua flags=no-writes,allow-oom\n\nerror('x')",
  "#!lua flags=no-writes\nreturn redis.pcall('set','x','1')",
  "error('a\\nb')",
  "return {err='a\\r\\nb'}",
  "error('MYCODE hello')",
  "error({err='hello there'})",
  "error({err='-hello there'})",
  'assert(false)',
  "assert(false,'msg')",
  "assert(false,{err='T x'})",
  "return redis.call('lpush','str','x')",
  "return redis.call('config','get','x')",
  "return redis.call('script','kill')",
  "return redis.call('xgroup','foo')",
  "return redis.call('xgroup','create','a')",
  "return redis.call('subscribe','x')",
  "return redis.call('time')[1]*0",
  "return select('#',...)",
  'return tostring(...)',
  "return redis.call('incr','x','y','z')",
  "return redis.call('sort','nokey')",
  "return #redis.call('lpop','nokey')",
  "return redis.call('blmpop',0,1,'nokey','LEFT')",
  "return redis.call('lpop','nokey')==false",
  "return {redis.call('zmpop',1,'nokey','min')}",
  "return redis.call('bzpopmin','nokey',0)",
  "return redis.call('xread','streams','nokey','0')==false",
  "redis.setresp(3) return tostring(redis.call('get','nokey'))",
  "redis.setresp(3) return redis.call('zscore','z','a').double==1",
  "redis.setresp(3) return tostring(redis.call('lpop','nokey'))",
];

/** As libraries have them: a rate limiter, a lock, a queue of jobs, packed state. */
const LIBRARY_SCRIPTS = [
  `local now, window, limit = 1000, 60, 2
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
local n = redis.call('ZCARD', KEYS[1])
if n < limit then redis.call('ZADD', KEYS[1], now, ARGV[1]) redis.call('PEXPIRE', KEYS[1], window * 1000) return 1 end
return 0`,
  `if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('DEL', KEYS[2]) end
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', 30000)`,
  `local id = redis.call('INCR', KEYS[3])
local fields = {}
for i, value in ipairs(ARGV) do fields[#fields + 1] = 'f' .. i fields[#fields + 1] = value end
redis.call('HMSET', 'job:' .. id, unpack(fields))
redis.call('LPUSH', KEYS[4], id)
redis.call('XADD', KEYS[5], '5-' .. id, 'event', 'added', 'id', id)
return {id, redis.call('RPOPLPUSH', KEYS[4], KEYS[4]), redis.call('HGETALL', 'job:' .. id)}`,
  `local state = cjson.decode(redis.call('GET', KEYS[6]) or '{"n":0}')
state.n = state.n + 1
redis.call('SET', KEYS[6], cjson.encode(state))
redis.call('APPEND', KEYS[7], cmsgpack.pack({ARGV[1], state.n}))
return {redis.sha1hex(ARGV[1]), struct.pack('>I2', state.n), bit.tohex(state.n, 4)}`,
];

const READ_ONLY_SCRIPTS = [
  "return redis.call('set','x','1')",
  "return redis.pcall('set','x','1')",
  "return redis.call('get','str')",
  '#!lua\nreturn 1',
  '#!lua flags=no-writes\nreturn 1',
];

/** Commands that must not reach Redis unseen, whatever way a script calls them. */
const WAYS = [
  "return redis.call('set','k','1')",
  "return _G.redis.call('set','k','1')",
  "local call = redis.call return call('set','k','1')",
  "return loadstring(\"return redis.call('set','k','1')\")()",
  "return loadstring(\"return _G.redis.call('set',...)\")('k','1')",
  "local f = coroutine.wrap(function() redis.call('set','k','1') end) f() return 1",
  "local ok = pcall(redis.call, 'set', 'k', '1') return tostring(ok)",
  "local ok = xpcall(function() redis.call('set','k','1') end, function() end) return tostring(ok)",
];

describe.skipIf(skip)(`EVAL ${skip || ''}`, () => {
  it.each(SCRIPTS)('%j', async (text) => {
    await both(['EVAL', text, '2', 'str', 'h', 'x', 'y']);
  });

  it.each(LIBRARY_SCRIPTS)('%j', async (text) => {
    const keys = ['window', 'lock', 'ids', 'jobs', 'events', 'state', 'packed'];
    for (const arg of ['a', 'a', 'b', 'c', 'c']) await both(['EVAL', text, '7', ...keys, arg, 'more']);
  });

  it.each(READ_ONLY_SCRIPTS)('EVAL_RO %j', async (text) => {
    await both(['EVAL_RO', text, '1', 'str']);
  });

  it.each([
    ['EVAL', 'return 1', 'x'],
    ['EVAL', 'return 1', '-1'],
    ['EVAL', 'return 1', '2', 'a'],
    ['EVALSHA', '0'.repeat(40), '0'],
    ['EVALSHA', 'xx', '0'],
  ])('%s %s %s %s', async (...words) => {
    await both(words.filter((word) => word !== undefined));
  });

  it('records every write with one version', async () => {
    const text = `
      redis.call('INCRBY', KEYS[1], 5)
      redis.call('HSET', KEYS[2], 'f', ARGV[1])
      redis.call('RPUSH', KEYS[3], 'a', 'b')
      redis.call('SADD', 'undeclared', 'm')
      redis.call('EXPIRE', KEYS[1], 1000)
      return {redis.call('GET', KEYS[1]), redis.call('LRANGE', KEYS[3], 0, -1), redis.call('TYPE', 'undeclared')}`;
    await both(['EVAL', text, '3', 'n', 'hash', 'list', 'v']);
    const { version, touched } = await scripted.run(['EVAL', text, '3', 'n', 'hash', 'list', 'v']);
    for (const key of ['n', 'hash', 'list', 'undeclared']) {
      expect(await scripted.header(key), key).toContain(version);
      expect(touched).toContain(key);
    }
  });

  it('leaves what it wrote before it failed, recorded', async () => {
    const text = "redis.call('SET', KEYS[1], 'x')\nredis.call('LPUSH', KEYS[1], 'y')";
    const { reply, version } = await scripted.run(['EVAL', text, '1', 'k']);
    expect(reply).toMatch(/^-WRONGTYPE .* script: [0-9a-f]{40}, on @user_script:2\.$/);
    expect(await scripted.header('k')).toBe(`p${version}`);
    expect(await scripted.control.call('GET', 'k')).toBe('x');
  });

  it.each(WAYS)('sees the write of %s', async (text) => {
    await both(['EVAL', text, '1', 'k']);
    expect(await scripted.header('k')).toMatch(/^p[0-9a-f]{24}$/);
  });

  it('tells exact integers to the script as Redis does', async () => {
    await both(['SET', 'n', '9007199254740993']);
    await both(['EVAL', "return redis.call('INCR', KEYS[1]) > 0", '1', 'n']);
    await both(['EVAL', "return redis.call('GET', KEYS[1])", '1', 'n']);
  });

  it('has RESP3 values where the script asks for them', async () => {
    await both(['EVAL', "redis.setresp(3) return redis.call('ZINCRBY', 'z', 1, 'a').double", '1', 'z']);
    await both(['EVAL', "redis.setresp(3) return redis.call('HGETALL', 'h').map.a", '1', 'h']);
    await both(['EVAL', "redis.setresp(3) return {tostring(redis.call('LPOP', 'none'))}", '1', 'none']);
    await both([
      'EVAL',
      "redis.setresp(3) return redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')[1][2].double",
      '1',
      'z',
    ]);
  });

  it.each([
    'return {double=3.5}',
    'return {map={a=1}}',
    'return {set={a=true}}',
    'return false',
    'return nil',
    "return redis.call('HGETALL', 'h')",
    "redis.setresp(3) return redis.call('HGETALL', 'h')",
    "return redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')",
    "redis.setresp(3) return redis.call('ZINCRBY', 'z', 1, 'a')",
    "return redis.call('ZPOPMIN', 'z')",
    "redis.setresp(3) return redis.call('ZPOPMIN', 'z')",
    "redis.setresp(3) return redis.call('ZMPOP', 1, 'z', 'MIN')",
    "redis.setresp(3) return redis.call('SPOP', 'none')",
    "redis.setresp(3) return redis.call('SMEMBERS', 'none')",
    "return redis.call('LPOP', 'none')",
    "return redis.call('INCRBYFLOAT', 'x', '1.5')",
    "redis.setresp(3) redis.call('SET', 'y', 'v') redis.setresp(2) return redis.call('GET', 'none') == false",
  ])('to a client of RESP3: %s', async (text) => {
    const third = await ScriptedRedis.openMore(servers[0].port, 'm3');
    const plainThird = openControl(servers[1].port);
    await plainThird.call('HELLO', 3);
    const words = ['EVAL', text, '4', 'h', 'z', 'none', 'x'];
    const { reply } = await third.run(words);
    expect(reply).toEqual(told(await plainThird.reply(...words)));
    third.control.close();
    plainThird.close();
  });

  it('fetches the text of a digest that the store keeps', async () => {
    const sha = 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db';
    await scripted.control.call('SET', `mqkv:script:${sha}`, 'return 1');
    expect((await scripted.run(['EVALSHA', sha.toUpperCase(), '0'])).reply).toBe(1);
    expect((await scripted.run(['EVALSHA_RO', sha, '0'])).reply).toBe(1);
  });

  it('tells what it publishes', async () => {
    const text = "return {redis.call('PUBLISH', 'c', 'one'), redis.call('PUBLISH', 'c', 'two')}";
    const { reply, version, touched } = await scripted.run(['EVAL', text, '0']);
    expect({ reply, version }).toEqual({ reply: [0, 0], version: '' });
    expect(touched).toEqual(['c', '!', 'one', 'c', '!', 'two']);
    const { reply: refused } = await scripted.run([
      'EVAL',
      "return redis.call('PUBLISH', 'mqkv:bus', 'x')",
      '0',
    ]);
    expect(refused).toMatch(/^-ERR channel names beginning with 'mqkv:' are reserved/);
  });

  it.each([
    "redis.call('nosuch')",
    '\n\nredis.call("lpush", "str", "x")',
    "error('boom')",
    '\nlocal x = nil\nreturn x.y',
    "error({err = 'MY own'})",
    "return redis.pcall('nosuch')",
  ])('tells errors without the handler that only some servers have: %j', async (text) => {
    const bare = await ScriptedRedis.openMore(servers[0].port, 'm', (script) =>
      script.replace("rawget(GLOBALS, '__redis__err__handler')", 'nil'),
    );
    const { reply } = await bare.run(['EVAL', text, '1', 'str']);
    const expected = String(told(await plain.reply('EVAL', text, '1', 'str')));
    // Where an error table was raised is known to that handler only.
    expect(reply).toBe(text.includes('own') ? '-MY own' : expected);
    bare.control.close();
  });

  it('does not end the Redis by an error without a text', async () => {
    const { reply } = await scripted.run(['EVAL', 'error({})', '0']);
    expect(reply).toMatch(/^-ERR /);
    expect(await scripted.control.call('PING')).toBe('PONG');
  });

  it.each([
    "redis.call('GET', 'mqkv:tags')",
    "redis.call('SET', 'mqkv:x', '1')",
    "redis.call('MGET', 'a', 'mqkv:x')",
  ])('refuses reserved names: %s', async (call) => {
    const { reply, version } = await scripted.run(['EVAL', `return ${call}`, '0']);
    expect(reply).toMatch(/^-ERR key names beginning with 'mqkv:' are reserved/);
    expect(version).toBe('');
  });

  it('refuses keys that it does not declare on a cluster', async () => {
    const cluster = await ScriptedRedis.open(servers[0].port, 'mc');
    try {
      for (const call of ["redis.call('SET', 'b', '1')", "redis.call('GET', 'b')"]) {
        const { reply } = await cluster.run(['EVAL', `return ${call}`, '1', 'a']);
        expect(reply).toMatch(/^-ERR on a cluster a script may only use the keys that it declares/);
      }
      expect((await cluster.run(['EVAL', "return redis.call('SET', KEYS[1], '1')", '1', 'a'])).reply).toBe(
        'OK',
      );
    } finally {
      cluster.control.close();
    }
  });
});
