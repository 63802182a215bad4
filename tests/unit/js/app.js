// The bundle of the unit test, as esbuild would give it: CommonJS with the built-ins external.
const { Sandbox, Container } = require('@cloudflare/sandbox');

class Base extends Sandbox {
  allowedHosts = ['a.example', '*.b.example'];
  interceptHttps = true;
  hello(name) { return { hello: name, id: this.ctx.id.toString() }; }
  async later(ms) { await new Promise((r) => setTimeout(r, ms)); return 'later'; }
  boom() { throw new Error('boom in a method'); }
  async policy() { await this.setOutboundHandler('pass', { a: 1 }); return 'set'; }
  async policyBad() { try { await this.setOutboundHandler('nope'); } catch (e) { return e.message; } }
  _private() { return 'secret'; }
}

class Box extends Base {
  enableInternet = false;
  static outbound = () => new Response('static field');
  static denied = (request, info) => new Response(`denied ${info.rule}`, { status: 418 });
}
Box.outboundByHost = {
  'host.example': () => new Response('by host'),
  '*.glob.example': () => new Response('by glob'),
};
class Broken extends Sandbox {
  constructor(...args) { super(...args); throw new Error('no such box'); }
}
class WrongType extends Container { allowedHosts = 'x'; }

const H = {};
H.pass = (request) => fetch(request);
H.header = (request, env) => {
  const r = new Request(request);
  r.headers.set('x-auth', env.SECRET);
  return fetch(r);
};
H.url = async (request) => {
  const u = new URL(request.url);
  u.pathname = '/changed';
  u.searchParams.set('q', 'a b');
  return fetch(new Request(u, request));
};
H.reply = (request, env, ctx) => new Response(
  `${request.method} ${request.url} ${request.headers.get('x-in')} ${ctx.containerId} ${ctx.className} ${JSON.stringify(ctx.params)}`,
  { status: 201, headers: { 'X-Out': 'yes' } });
H.rewrap = async (request) => {
  const res = await fetch(request);
  const out = new Response(res.body, res);
  out.headers.set('x-added', '1');
  return out;
};
H.replace = async (request) => {
  const res = await fetch(request);
  return new Response(await res.text() + '!', res);
};
H.echo = async (request) => new Response(await request.text());
H.stream = () => {
  let n = 0;
  return new Response(new ReadableStream({
    pull(c) { if (n++ < 3) c.enqueue(`chunk${n};`); else c.close(); },
  }));
};
H.streamError = () => {
  let n = 0;
  return new Response(new ReadableStream({
    pull(c) { if (n++ < 1) c.enqueue('part'); else throw new Error('mid'); },
  }));
};
H.pipe = async (request) => {
  const res = await fetch(request);
  const up = new TransformStream({ transform(chunk, c) { c.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())); } });
  return new Response(res.body.pipeThrough(up));
};
H.post = () => fetch('https://up.example/p?x=1#frag', { method: 'post', body: 'hello', headers: { 'x-p': '1' } });
H.postStream = (request) => fetch('https://up.example/s', { method: 'POST', body: ReadableStream.from(['a', 'b', 'c']) });
H.postBody = (request) => fetch('https://up.example/b', { method: 'POST', body: request.body });
H.clone = async (request) => {
  const copy = request.clone();
  return new Response(`${await request.text()}|${await copy.text()}`);
};
H.throws = () => { throw new TypeError('handler threw'); };
H.rejects = async () => { await null; throw new Error('handler rejected'); };
H.notResponse = () => 'text';
H.leftover = async (request) => { fetch('https://up.example/left'); await fetch(request); return new Response('x'); };
H.abort = async (request) => {
  try { await fetch(request, { signal: AbortSignal.timeout(5) }); } catch (e) { return new Response(`${e.name}`); }
};
H.timer = async () => { await new Promise((r) => setTimeout(r, 2)); let n = 0; await new Promise((r) => { const i = setInterval(() => { if (++n === 3) { clearInterval(i); r(); } }, 1); }); return new Response(`timer ${n}`); };
H.kv = async (request, env) => {
  await env.KV.put('k1', 'v1', { metadata: { m: 1 } });
  const a = await env.KV.get('k1');
  const none = await env.KV.get('none');
  const m = await env.KV.getWithMetadata('k1');
  const l = await env.KV.list({ prefix: 'k' });
  await env.KV.put('j', '{"x":[1]}');
  const j = await env.KV.get('j', 'json');
  const buf = await env.KV.get('j', { type: 'arrayBuffer' });
  await env.KV.delete('k1');
  return Response.json({ a, none, m: m.metadata, l: l.keys[0].name, j, n: buf.byteLength, gone: await env.KV.get('k1') });
};
H.env = (request, env) => Response.json({ v: env.VAR, o: env.OBJ, s: env.SECRET, keys: Object.keys(env) });
H.log = (request, env) => { console.log('hello %s', 'you', { a: [1, 'x'], m: new Map([[1, 2]]) }, null); console.error(new Error('logged')); console.log(env); return new Response(''); };
H.unhandled = () => { Promise.reject(new Error('nobody caught')); return new Response('ok'); };
H.nullHeader = (request) => { const r = new Request(request); r.headers.set('x-key', null); return fetch(r); };
H.wideHeader = (request) => { const r = new Request(request); r.headers.set('x-key', '\u20ac'); r.headers.set('x-e', '\u00e9'); return fetch(r); };
H.refreshed = () => new Promise((resolve) => {
  const order = [];
  const late = setTimeout(() => {
    order.push('late');
    resolve(new Response(`${order} ${late.hasRef()}`));
  }, 3).unref();
  setTimeout(() => order.push('early'), 4);
  setTimeout(() => late.refresh(), 2);
});
H.keep = (request) => { if (!H.kept) { H.kept = request; return new Response('kept'); } return new Response(H.kept.url); };
H.keepResponse = async (request) => { H.response ??= await fetch(request); return H.response; };
H.wait = async (request) => { H.gate = Promise.withResolvers(); await H.gate.promise; const r = await fetch('https://up.example/after'); return r; };
H.release = () => { H.gate.resolve(); return new Response('released'); };
H.forever = async (request) => { request.signal.addEventListener('abort', () => console.log(`aborted: ${request.signal.reason.message}`)); await new Promise(() => {}); };
H.bigHeaders = (request) => { const r = new Request(request); for (let i = 0; i < 3000; i++) r.headers.set('x-n', `value ${i}`); return fetch(r); };
H.manual = (request) => fetch('https://up.example/m', { redirect: 'manual' });
H.deleteHeader = (request) => { const r = new Request(request); r.headers.delete('X-In'); r.headers.append('x-in', 'a'); r.headers.append('x-in', 'b'); return new Response(r.headers.get('x-in')); };
H.failed = async (request) => { try { await fetch(request); } catch (e) { return new Response(`${e.name}: ${e.message}`); } };
H.empty = () => new Response(null, { status: 204 });
H.cookies = () => { const h = new Headers(); h.append('Set-Cookie', 'a=1'); h.append('set-cookie', 'b=2'); return new Response(null, { headers: h }); };
H.finalize = () => {
  const registry = new FinalizationRegistry((v) => console.log(`finalized ${v}`));
  H.registry = registry;
  for (let i = 0; i < 50; i++) registry.register({ i }, i);
  let keep;
  for (let i = 0; i < 300; i++) keep = new Array(20000).fill(i);
  return new Response(`${keep.length}`);
};
H.endless = () => { let n = 0; return new Response(new ReadableStream({ pull(c) { c.enqueue(`${n++};`); }, cancel(r) { console.log(`cancelled: ${r.message}`); } })); };
H.slowRead = async (request) => { const r = (await fetch(request)).body.getReader(); await r.read(); await new Promise(() => {}); };
H.readText = async (request) => new Response(await (await fetch(request)).text());
H.readRewrap = async (request) => { const res = await fetch(request); return new Response((await res.text()).toUpperCase(), res); };
H.readManual = async (request) => { const res = await fetch(request); return new Response(`${await res.text()}!`, { headers: res.headers, encodeBody: 'manual' }); };
H.dropEncoding = async (request) => { const res = await fetch(request); const out = new Response(res.body, res); out.headers.delete('Content-Encoding'); return out; };
H.ownHeaders = async (request) => { const res = await fetch(request); return new Response(res.body, { status: res.status, headers: { 'x-a': '1' } }); };
H.api = require('sallyport').outboundParams ? async (request, env, ctx) => {
  const failures = await runApiTests();
  return new Response(failures.length === 0 ? 'ok' : failures.join('\n'));
} : null;
H.webcrypto = async () => {
  const failures = await runCryptoTests();
  return new Response(failures.length === 0 ? 'ok' : failures.join('\n'));
};
Base.outboundHandlers = H;
Box.outboundHandlers = { own: () => new Response('own') };
Box.outboundHandlers = { own2: () => new Response('own2') };

module.exports = { Base, Box, Broken, WrongType, notAClass: 1, default: { fetch() {} } };
