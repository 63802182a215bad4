// The bundle of test_objects.c: a Worker whose fetch() runs the test that the path names and answers
// with what failed.
const { DurableObject, WorkerEntrypoint, RpcTarget, env: globalEnv, waitUntil, exports: moduleExports } = require('cloudflare:workers');
const { Sandbox, ContainerProxy, outboundParams } = require('@cloudflare/sandbox');

let constructed = 0;
let gate = null;

class Counter extends DurableObject {
  own = 'own value';
  arrow = () => 'an arrow';
  #n = 0;
  constructor(ctx, env) {
    super(ctx, env);
    constructed++;
    this.made = constructed;
  }
  add(n = 1) { return (this.#n += n); }
  async addLater(n, ms) { await new Promise((r) => setTimeout(r, ms)); return this.add(n); }
  echo(...args) { return args; }
  boom(message) { const e = new RangeError(message ?? 'boom'); e.code = 'E_BOOM'; throw e; }
  async boomLater() { await null; class Special extends Error { name = 'SpecialError'; } throw new Special('later'); }
  throwsText() { throw 'just text'; }
  bad() { return { f: new (class Odd {})() }; }
  facts() { return { id: this.ctx.id.toString(), name: this.ctx.id.name, props: this.ctx.props, made: this.made, env: Object.keys(this.env) }; }
  get size() { return this.#n; }
  get nested() { return { deep: { value: 7 }, fn: (x) => x + this.#n }; }
  fn() { let calls = 0; return (x) => { calls++; return `${x}/${calls}`; }; }
  target() { return new Cell(5); }
  async useCallback(fn) { return [await fn('a'), await fn('b')]; }
  async useCell(cell) { return (await cell.add(2)) + (await cell.value); }
  stream() { return ReadableStream.from([new Uint8Array([97]), new Uint8Array([98])]); }
  response() { return new Response('from rpc', { status: 202 }); }
  later() { this.ctx.waitUntil(new Promise((r) => setTimeout(r, 3)).then(() => { this.add(100); })); return 'now'; }
  ticks() { let n = 0; const i = setInterval(() => { this.add(1000); if (++n === 2) clearInterval(i); }, 1); }
  async afterAwaits() { await null; await null; setTimeout(() => this.add(7), 4); (async () => { await null; await null; await null; this.mark = await (await fetch('https://up.example/late')).text(); })(); return 1; }
  marked() { return this.mark ?? null; }
  begin(ms) { setTimeout(() => console.log('still here'), ms); fetch('https://up.example/').then(() => console.log('answered')); }
  async block(ms) {
    let done = false;
    const p = this.ctx.blockConcurrencyWhile(async () => { await new Promise((r) => setTimeout(r, ms)); done = true; return 'blocked'; });
    return [await p, done];
  }
  fail() { this.ctx.blockConcurrencyWhile(async () => { await null; throw new TypeError('block failed'); }); return new Promise(() => {}); }
  abort() { this.ctx.abort('aborted by itself'); }
  toString() { return 'never'; }
  async fetch(request) {
    if (request.url.endsWith('/up')) return fetch('https://up.example/');
    if (request.url.endsWith('/text')) return new Response(`${request.method} ${await request.text()} ${request.headers.get('x-a')} ${request.redirect}`);
    if (request.url.endsWith('/wrong')) return 'no response';
    if (request.url.endsWith('/hang')) { await new Promise((r, j) => request.signal.addEventListener('abort', () => j(request.signal.reason))); }
    throw new Error('fetch threw');
  }
  alarm(info) { if (info.scheduledTime === 666) throw new Error('alarm failed'); this.alarmed = info; }
  lastAlarm() { return this.alarmed ?? null; }
}

class Slow extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => { await new Promise((r) => setTimeout(r, 3)); this.ready = true; });
  }
  isReady() { return this.ready === true; }
}

let fragileFails = true;
class Fragile extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    if (fragileFails) throw new SyntaxError('not today');
  }
  hello() { return 'hello'; }
}
let shyFails = true;
class Shy extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => { await null; if (shyFails) throw new Error('shy'); });
  }
  hello() { return 'hi'; }
}
class Plain { constructor(state, env) { this.state = state; } hello() { return `plain ${this.state.id}`.slice(0, 7); } }
class Box extends Sandbox { hello() { return `box ${this.ctx.id.name}`; } }

class Cell extends RpcTarget {
  secret = 1;
  #v;
  constructor(v) { super(); this.#v = v; }
  add(n) { this.#v += n; return this.#v; }
  get value() { return this.#v; }
  self() { return this; }
}

class Entry extends WorkerEntrypoint {
  hello(who) { return `hello ${who} ${JSON.stringify(this.ctx.props)} ${this.env.VAR}`; }
  later() { this.ctx.waitUntil(new Promise((r) => setTimeout(r, 4)).then(() => console.log('entry waited'))); return 1; }
  cell() { return new Cell(1); }
  fetch(request) { return new Response(`entry ${new URL(request.url).pathname}`); }
}

const T = {};
T.leaves = () => { setTimeout(() => {}, 60000); };
async function rejects(promise) { try { await promise; } catch (e) { return e; } throw new Error('it did not reject'); }
function throws(fn) { try { fn(); } catch (e) { return e; } throw new Error('it did not throw'); }
const text = (e) => `${e.name}: ${e.message}`;

T.ids = (eq, env) => {
  const ns = env.COUNTER;
  const a = ns.idFromName('a');
  eq('name', a.name, 'a');
  eq('hex', /^[0-9a-f]{64}$/.test(`${a}`), true);
  eq('stable', ns.idFromName('a').toString(), a.toString());
  eq('equals', [a.equals(ns.idFromName('a')), a.equals(ns.idFromName('b')), a.equals('x')], [true, false, false]);
  const s = ns.idFromString(a.toString().toUpperCase());
  eq('from string', [s.equals(a), s.name], [true, undefined]);
  eq('other class', text(throws(() => env.SLOW.idFromString(a.toString()))), 'TypeError: Durable Object ID is not valid for this namespace.');
  eq('not hex', text(throws(() => ns.idFromString('abc'))), 'TypeError: Invalid Durable Object ID: must be 64 hex digits.');
  const u = ns.newUniqueId();
  eq('unique', [u.name, u.equals(ns.newUniqueId())], [undefined, false]);
  eq('get', throws(() => ns.get('x')).name, 'TypeError');
  eq('get of another class', throws(() => ns.get(env.SLOW.idFromName('a'))).name, 'TypeError');
  const stub = ns.get(a);
  eq('stub', [stub.id.equals(a), stub.name, stub.then, typeof stub], [true, 'a', undefined, 'object']);
  eq('by name', ns.getByName('a').id.equals(a), true);
  eq('jurisdiction', ns.jurisdiction('eu') === ns, true);
  eq('empty name', ns.idFromName('').equals(ns.idFromName('')), true);
};
T.bindings = async (eq, env, ctx) => {
  eq('own names', [typeof env.Shy.get, typeof env.Fragile.get, typeof env.Box.get, typeof env.Sandbox.get], ['function', 'function', 'function', 'function']);
  eq('bound ones have no second', ['Counter' in env, 'Slow' in env, 'Plain' in env, 'Entry' in env], [false, false, false, false]);
  eq('same objects', await ctx.exports.Counter.getByName('same').add(3), 3);
  eq('exports', await env.COUNTER.getByName('same').add(3), 6);
  eq('sandbox', await env.Sandbox.getByName('me').hello(), 'box me');
  eq('global', globalEnv === env && moduleExports === ctx.exports, true);
  eq('plain class', await env.PLAIN.getByName('p').hello(), 'plain ' + `${env.PLAIN.idFromName('p')}`[0]);
  eq('not exported', text(throws(() => env.LOST.idFromName('x'))), 'Error: env.LOST is bound to the class "Nowhere", which is not exported.');
  eq('unsupported', text(throws(() => env.AI.run('x'))), 'Error: env.AI (ai) has no local form here.');
  eq('printed', (console.log(env.AI, env.COUNTER.getByName('x'), env), 1), 1);
  eq('var wins', env.Wanted, 'a var');
  eq('params', outboundParams(() => {}, { p: 1 }), { p: 1 });
};
T.calls = async (eq, env) => {
  const s = env.COUNTER.getByName('calls');
  eq('add', await s.add(2), 2);
  eq('again', await s.add(), 3);
  eq('in order', await Promise.all([s.add(1), s.add(1), s.add(1)]), [4, 5, 6]);
  eq('later', await s.addLater(4, 2), 10);
  const args = [1, 'x', null, undefined, 5n, { a: [1, { b: 2 }] }, new Date(7), new Map([['k', new Set([1])]]), new Uint8Array([1, 2]), /x/gi];
  const back = (await s.echo(...args));
  eq('args', [back[0], back[1], back[2], back[3], back[4] === 5n, back[5], back[6].getTime(), back[7].get('k').has(1), [...back[8]], `${back[9]}`],
    [1, 'x', null, undefined, true, { a: [1, { b: 2 }] }, 7, true, [1, 2], '/x/gi']);
  eq('copied', back[5] !== args[5] && back[8] !== args[8], true);
  const o = { n: 1 }; const p = s.echo(o); o.n = 2; eq('copied when called', (await p)[0].n, 1);
  const cyc = { list: [] }; cyc.list.push(cyc); const c2 = (await s.echo(cyc))[0]; eq('cycle', c2.list[0] === c2, true);
  const err = (await s.echo(new TypeError('as a value')))[0]; eq('error value', [err instanceof TypeError, err.message], [true, 'as a value']);
  eq('property', await s.size, 10);
  eq('nested', await s.nested.deep.value, 7);
  eq('nested call', await s.nested.fn(1), 11);
  eq('facts', await s.facts(), { id: `${s.id}`, name: 'calls', props: {}, made: (await s.facts()).made, env: Object.keys(env) });
  eq('no own', text(await rejects(s.own)), 'TypeError: The RPC receiver does not implement the method "own".');
  eq('no arrow', text(await rejects(s.arrow())), 'TypeError: The RPC receiver does not implement the method "arrow".');
  eq('no method', text(await rejects(s.nope(1))), 'TypeError: The RPC receiver does not implement the method "nope".');
  eq('toString', (await rejects(s.toString())).message, 'The RPC receiver does not implement the method "toString".');
  eq('hasOwnProperty', (await rejects(s.hasOwnProperty('x'))).message, 'The RPC receiver does not implement the method "hasOwnProperty".');
  eq('ctx', (await rejects(s.ctx)).message, 'The RPC receiver does not implement the method "ctx".');
  eq('alarm', (await rejects(s.alarm())).message, "'alarm' is a reserved method and cannot be called over RPC.");
  eq('constructor', s.constructor, undefined);
};
T.errors = async (eq, env) => {
  const s = env.COUNTER.getByName('errors');
  const e = await rejects(s.boom('the message'));
  eq('error', [e.name, e.message, e instanceof RangeError, e.code, e.remote], ['RangeError', 'the message', true, 'E_BOOM', true]);
  eq('no stack of the callee', `${e.stack}`.includes('boom'), false);
  const l = await rejects(s.boomLater());
  eq('name', [l.name, l.message, l instanceof Error], ['SpecialError', 'later', true]);
  eq('text', await s.throwsText().catch((x) => x), 'just text');
  const d = await rejects(s.echo(new (class Odd {})()));
  eq('clone', [d.name, d.message], ['DataCloneError', 'Could not serialize an object of type "Odd". This type does not support serialization.']);
  eq('symbol', (await rejects(s.echo(Symbol('x')))).name, 'DataCloneError');
  eq('promise', (await rejects(s.echo(Promise.resolve()))).name, 'DataCloneError');
  eq('result', (await rejects(s.bad())).name, 'DataCloneError');
  const held = s.boom('held'); await new Promise((r) => setTimeout(r, 1)); eq('held', (await rejects(held)).message, 'held');
};
T.passing = async (eq, env) => {
  const s = env.COUNTER.getByName('passing');
  const f = await s.fn();
  eq('function', [await f('x'), await f('y')], ['x/1', 'y/2']);
  eq('callback', await s.useCallback((v) => v + v), ['aa', 'bb']);
  eq('callback fails', text(await rejects(s.useCallback(() => { throw new TypeError('mine'); }))), 'TypeError: mine');
  const t = await s.target();
  eq('target', [await t.add(1), await t.value, (await rejects(t.secret)).name], [6, 6, 'TypeError']);
  eq('target itself', await (await t.self()).add(1), 7);
  eq('target there', await s.useCell(new Cell(3)), 10);
  eq('target back', await s.useCell(t), 18);
  eq('stub as argument', await (await s.echo(env.COUNTER.getByName('other')))[0].add(5), 5);
  eq('stream', await new Response(await s.stream()).text(), 'ab');
  const r = await s.response(); eq('response', [r.status, await r.text()], [202, 'from rpc']);
  const q = (await s.echo(new Request('https://x.example/', { method: 'POST', body: 'q' })))[0]; eq('request', await q.text(), 'q');
  const h = (await s.echo(new Headers({ a: 'b' })))[0]; eq('headers', h.get('a'), 'b');
};
T.fetching = async (eq, env) => {
  const s = env.COUNTER.getByName('fetching');
  const r = await s.fetch('https://o.example/text', { method: 'POST', body: 'body', headers: { 'x-a': '1' } });
  eq('fetch', await r.text(), 'POST body 1 manual');
  eq('upstream', await (await s.fetch(new Request('https://o.example/up'))).text(), 'upstream body');
  eq('throws', (await rejects(s.fetch('https://o.example/x'))).message, 'fetch threw');
  eq('wrong', (await rejects(s.fetch('https://o.example/wrong'))).name, 'TypeError');
  eq('bad url', (await rejects(s.fetch('/relative'))).name, 'TypeError');
  eq('no fetch', (await rejects(env.SLOW.getByName('f').fetch('https://o.example/'))).message, 'The class "Slow" has no fetch() handler.');
  const ac = new AbortController(); const p = s.fetch('https://o.example/hang', { signal: ac.signal }); setTimeout(() => ac.abort(), 1);
  eq('abort', (await rejects(p)).name, 'AbortError');
};
T.gates = async (eq, env) => {
  const slow = env.SLOW.getByName('gate');
  eq('constructor', await Promise.all([slow.isReady(), slow.isReady()]), [true, true]);
  const s = env.COUNTER.getByName('gates');
  const order = [];
  await Promise.all([s.block(3).then((v) => order.push(v)), s.add(1).then((v) => order.push(v))]);
  eq('order', order.map((o) => JSON.stringify(o)).sort(), ['1', '["blocked",true]']);
  await s.add(41);
  const failed = s.fail();
  const waiting = s.add(1);
  eq('failed', text(await rejects(failed)), 'TypeError: block failed');
  eq('waiting', text(await rejects(waiting)), 'TypeError: block failed');
  const before = constructed;
  eq('anew', [await s.add(1), constructed - before], [1, 1]);
  eq('abort', (await rejects(s.abort())).message, 'aborted by itself');
  eq('and anew', await s.add(1), 1);
};
T.broken = async (eq, env) => {
  const f = env.Fragile.getByName('f');
  eq('constructor', text(await rejects(f.hello())), 'SyntaxError: not today');
  eq('each', (await Promise.all([rejects(f.hello()), rejects(f.hello())])).map(text), ['SyntaxError: not today', 'SyntaxError: not today']);
  fragileFails = false;
  eq('mended', await f.hello(), 'hello');
  const s = env.Shy.getByName('s');
  eq('block', text(await rejects(s.hello())), 'Error: shy');
  shyFails = false;
  eq('mended too', await s.hello(), 'hi');
};
T.tasks = async (eq, env) => {
  const s = env.COUNTER.getByName('tasks');
  eq('answers first', await s.later(), 'now');
  await s.ticks();
  return s;
};
T.tasksLater = async (eq, env) => {
  const s = env.COUNTER.getByName('tasks');
  for (let i = 0; i < 200 && (await s.size) < 2100; i++) await new Promise((r) => setTimeout(r, 1));
  eq('they outlive the call', await s.size, 2100);
  // after a call the caller's own fetches are its own again
  eq('own fetch', await (await fetch('https://up.example/mine')).text(), 'upstream body');
};
T.awaits = async (eq, env) => { eq('call', await env.COUNTER.getByName('awaits').afterAwaits(), 1); };
T.awaitsLater = async (eq, env) => {
  const s = env.COUNTER.getByName('awaits');
  for (let i = 0; i < 200 && (await s.size) !== 7; i++) await new Promise((r) => setTimeout(r, 1));
  eq('timer', await s.size, 7);
  eq('fetch', await s.marked(), 'upstream body');
};
T.leftover = async (eq, env) => { const s = env.COUNTER.getByName('left'); await s.addLater(1, 1); fetch('https://up.example/left'); await s.add(1); setTimeout(() => console.log('never'), 1); };
T.services = async (eq, env, ctx) => {
  eq('self', await env.ENTRY.hello('you'), 'hello you {} v');
  eq('by name', await env.BYNAME.hello('you'), 'hello you {} v');
  eq('fetch', await (await env.ENTRY.fetch('https://e.example/p')).text(), 'entry /p');
  eq('default', await (await env.MAIN.fetch('https://w.example/hello')).text(), 'hello from the worker');
  eq('props', await ctx.exports.Entry({ props: { a: [1] } }).hello('x'), 'hello x {"a":[1]} v');
  eq('no props', await ctx.exports.Entry.hello('x'), 'hello x {} v');
  eq('target', await (await env.ENTRY.cell()).add(1), 2);
  eq('method', text(await rejects(env.ENTRY.nope())), 'TypeError: The RPC receiver does not implement the method "nope".');
  eq('other', text(throws(() => env.FOREIGN.hello())), 'Error: env.FOREIGN is a service binding to "other": only services of this app ("test" or "self") can be bound.');
  eq('unknown entry', text(throws(() => env.UNKNOWN.fetch())), 'Error: env.UNKNOWN is bound to the entrypoint "Gone", which is not exported.');
  eq('later', await env.ENTRY.later(), 1);
};
T.waits = (eq, env, ctx) => { ctx.waitUntil(new Promise((r) => setTimeout(r, 3)).then(() => console.log('waited'))); waitUntil(Promise.reject(new Error('late failure'))); ctx.passThroughOnException(); };
T.stream = (eq, env, ctx) => new Response(new ReadableStream({ async pull(c) { await null; c.enqueue('s'); c.close(); ctx.waitUntil(new Promise((r) => setTimeout(r, 2)).then(() => console.log('after the stream'))); } }));
T.hang = async (eq, env, ctx, request) => { request.signal.addEventListener('abort', () => console.log(`aborted ${request.signal.reason.message}`)); await env.COUNTER.getByName('hang').addLater(1, 60000); };
T.open = async (eq, env) => { gate = Promise.withResolvers(); await gate.promise; };
T.close = () => { gate.resolve(); };
T.pass = (eq, env, ctx, request) => fetch(request);
T.objectPass = (eq, env, ctx, request) => env.COUNTER.getByName('pass').fetch('https://o.example/up');
T.rpcMany = async (eq, env) => { const s = env.COUNTER.getByName('many'); for (let i = 0; i < 20000; i++) await s.add(1); };
T.throws = () => { throw new Error('worker threw'); };

const worker = {
  async fetch(request, env, ctx) {
    const name = new URL(request.url).pathname.slice(1);
    if (name === 'hello') return new Response('hello from the worker');
    const failures = [];
    const eq = (what, a, b) => { const x = JSON.stringify(a), y = JSON.stringify(b); if (x !== y) failures.push(`${what}: ${x} is not ${y}`); };
    const result = await T[name](eq, env, ctx, request);
    if (result instanceof Response) return result;
    return new Response(failures.length === 0 ? 'ok' : failures.join('\n'));
  },
  async scheduled(controller, env, ctx) {
    if (controller.cron === 'bad') throw new Error('cron failed');
    if (controller.cron === 'late') ctx.waitUntil(Promise.reject(new Error('late cron failed')));
    ctx.waitUntil(new Promise((r) => setTimeout(r, 2)).then(() => console.log(`cron ${controller.cron} ${controller.scheduledTime}`)));
  },
};

module.exports = { Counter, Slow, Fragile, Shy, Plain, Box, Entry, ContainerProxy, DurableObject, default: worker };
