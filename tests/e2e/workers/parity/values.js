// As probes.js: what constructors and methods make of odd arguments, bodies however they are read, timers, globals.

const A = 'http://a.example.test';
const outcome = async (fn) => {
  try {
    const value = await fn();
    return value === undefined ? 'undefined' : value;
  } catch (e) {
    return `threw ${e.name}`;
  }
};
const all = (...fns) => Promise.all(fns.map(outcome));
const seen = async (response) => JSON.parse(await response.text());
const post = (init) => new Request(A, { method: 'POST', body: 'x', ...init });
const later = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));

export const probes = {
  bodies: () => all(...[undefined, 123, {}, true, new String('x'), new Date(0), [1, 2], Symbol('x'), new Map(), new URL(A)]
    .map((body) => () => new Response(body).text())),
  response_inits: () => all(...[null, { status: undefined }, { headers: undefined }, new Response('y', { status: 404 }), { status: '201' }]
    .map((init) => () => new Response('x', init).status)),
  request_inits: () => all(...[null, { method: undefined }, { body: undefined }, { signal: null }, { mode: 'cors', credentials: 'include' },
    { method: 'HEAD', body: null }, { method: 'HEAD', body: '' }, { signal: {} }, { headers: null }, { redirect: null }]
    .map((init) => () => new Request(A, init).method)),
  request_inputs: () => all(...[new URL(A), { toString: () => A }, undefined, null, 5].map((input) => () => new Request(input).url)),
  request_from_request: () => all(
    () => [...new Request(new Request(A, { headers: { a: '1' } }), { headers: { b: '2' } }).headers],
    () => new Request(post(), { method: 'PUT' }).text(), () => new Request(post(), { body: 'y' }).text(),
    () => new Request(post(), { body: null }).text(), () => new Request(post(), { method: 'GET' }).method,
    () => new Request(post({ headers: { 'content-type': 'q/r' } }), { headers: {} }).headers.get('content-type'),
    () => new Request(new Request(A), { method: 'POST', body: 'z' }).headers.get('content-type')),
  async response_from_response() {
    const r = await fetch(`${A}/repeated`);
    const copy = new Response(r.body, { status: 201, headers: r.headers });
    return [copy.status, copy.headers.get('x-twice'), r.bodyUsed, await copy.text(), r.bodyUsed];
  },
  own_keys: () => [Object.keys(new Response('x')), JSON.stringify(new Headers({ a: 1 })), Object.keys(new Request(A)), Object.keys({ ...new Headers({ a: 1 }) })],
  headers_arguments: () => all(
    () => new Headers().get(), () => new Headers().set('a'), () => new Headers().append('a'), () => new Headers().has(), () => new Headers().delete(),
    () => new Headers({ a: 1 }).delete('b'), () => new Headers({ a: [1, 2] }).get('a'), () => new Headers([['a', {}]]).get('a'),
    () => new Headers({ a: Symbol('x') }).get('a'), () => [...new Headers(Object.create({ p: 1 }))], () => new Headers([['a', '1'], ['a', '']]).get('a')),
  headers_for_each() {
    const headers = new Headers({ b: 1, a: 2 });
    const out = [];
    headers.forEach((value, name, self) => out.push([value, name, self === headers]));
    return [out, String(headers), Object.fromEntries(headers)];
  },

  // bodies of what was fetched
  async clone_and_original() {
    const r = await fetch(`${A}/length`);
    const copy = r.clone();
    return [await r.text(), await copy.text()];
  },
  async tee() {
    const r = await fetch(`${A}/length`);
    const [a, b] = r.body.tee();
    return [await new Response(a).text(), await new Response(b).text(), r.bodyUsed];
  },
  async locked() {
    const r = new Response('x');
    r.body.getReader();
    return [r.bodyUsed, r.body.locked, ...await all(() => r.text(), () => new Response(r.body))];
  },
  async partly_read() {
    const r = await fetch(`${A}/length`);
    const reader = r.body.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return [r.bodyUsed, value instanceof Uint8Array, await outcome(() => r.text())];
  },
  async cancelled() {
    const r = await fetch(`${A}/length`);
    await r.body.cancel();
    return [r.bodyUsed, await outcome(() => r.text())];
  },
  async none() {
    const out = [];
    for (const [path, method] of [['status?status=204', 'GET'], ['status?status=304', 'GET'], ['length', 'HEAD'], ['status?status=200', 'GET']]) {
      const r = await fetch(`${A}/${path}`, { method });
      out.push([r.status, r.body === null, await r.text()]);
    }
    return out;
  },
  empty_passed: () => fetch(`${A}/status?status=200`),
  async empty_sent_on() {
    const got = await fetch(`${A}/status?status=200`);
    return (await seen(await fetch(`${A}/echo`, { method: 'POST', body: got.body }))).body;
  },
  async byob() {
    const reader = (await fetch(`${A}/length`)).body.getReader({ mode: 'byob' });
    const { value, done } = await reader.read(new Uint8Array(10));
    return [value.length, done];
  },
  async iterated() {
    let size = 0;
    for await (const chunk of (await fetch(`${A}/length`)).body) size += chunk.length;
    return size;
  },
  forms: () => all(
    async () => [...await new Response('a=1&b=2&a=3', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()],
    () => new Response('x').formData(),
    async () => {
      const form = new FormData();
      form.append('f', new File(['x'], 'n.txt', { type: 'text/plain' }));
      const got = (await new Response(form).formData()).get('f');
      return [got.name, got.type, await got.text()];
    }),
  json_errors: () => all(() => new Response('').json(), () => new Response('{').json(), () => new Response(null).json()),
  texts: () => all(() => new Response(new Uint8Array([0xef, 0xbb, 0xbf, 97, 0xff])).text(), () => new Response(new Uint8Array([97, 98, 99]).subarray(1)).text(),
    () => new Response(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)).text(), async () => [...await new Response('abc').bytes()],
    async () => (await new Response('abc').arrayBuffer()).byteLength),
  piped() {
    const { readable, writable } = new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
      },
    });
    new Response('abc').body.pipeTo(writable);
    return new Response(readable).text();
  },

  // fetch
  fetches: () => all(
    async () => (await fetch(new URL(`${A}/length`))).status, async () => (await fetch(`${A}/length`, null)).status, () => fetch(),
    async () => (await seen(await fetch(new Request(`${A}/echo`, { method: 'POST', body: 'x' }), { method: 'PUT' }))).method,
    async () => (await seen(await fetch(new Request(`${A}/echo`, { headers: { q: '1' } }), { headers: { r: '1' } }))).headers
      .map(([n]) => n.toLowerCase()).filter((n) => n === 'q' || n === 'r')),
  request_seen: (request) => [request.url, request instanceof Request, Object.prototype.toString.call(request), typeof request.headers.get('host'),
    request.headers.get('content-length'), request.signal instanceof AbortSignal, request.signal.aborted],

  // what leaves
  status_204: () => new Response(null, { status: 204 }),
  status_205: () => new Response(null, { status: 205 }),
  status_304: () => new Response(null, { status: 304, headers: { etag: '"x"' } }),
  passed_204: () => fetch(`${A}/status?status=204`),
  passed_304: () => fetch(`${A}/status?status=304`),
  framing_of_own: () => new Response('x', { headers: { server: 'mine', 'transfer-encoding': 'chunked', 'content-length': '99' } }),
  stream_with_a_length: () => new Response(new Blob(['abc']).stream(), { headers: { 'content-length': '3' } }),
  empty_stream: () => new Response(new ReadableStream({ start: (controller) => controller.close() })),
  blob: () => new Response(new Blob(['abc'], { type: 'text/x' })),
  params: () => new Response(new URLSearchParams({ a: 'b' })),
  cookies: () => {
    const r = new Response('x');
    r.headers.append('set-cookie', 'a=1');
    r.headers.append('Set-Cookie', 'b=2');
    return r;
  },

  // globals
  aborts: () => {
    const controller = new AbortController();
    controller.abort('x');
    return [controller.signal.reason, AbortSignal.abort().reason.name, AbortSignal.abort().reason.message, AbortSignal.any([controller.signal]).aborted];
  },
  dom_exception: () => {
    const e = new DOMException('m', 'AbortError');
    return [e.code, e.name, e.message, e instanceof Error, String(e)];
  },
  base64: () => all(() => btoa('é'), () => btoa('€'), () => atob('a'), () => atob('YQ=='), () => atob(' Y Q='), () => btoa(null), () => atob('YQ=')),
  clones: () => all(() => structuredClone(new Map([[1, 2]])).get(1), () => structuredClone(() => 1), () => structuredClone({ a: Symbol('x') }),
    () => structuredClone(new Error('m')).message, () => structuredClone(new Date(0)).getTime()),
  urls: () => {
    const u = new URL('https://u:p@EXAMPLE.com:8443/a/../b?x=1&x=2#f');
    return [u.href, u.origin, u.host, u.port, u.pathname, u.search, u.searchParams.getAll('x'), u.hash, URL.canParse('x'), String(u), JSON.stringify(u)];
  },
  search_params: () => {
    const s = new URLSearchParams({ a: '1 +', b: 'é' });
    s.append('c', '&');
    s.delete('a', 'x');
    return [s.toString(), s.size, s.has('b', 'é'), [...s.keys()]];
  },
  text_codecs: () => all(() => new TextDecoder('utf-16le').encoding, () => new TextDecoder('x'), () => new TextDecoder('ascii').decode(new Uint8Array([0x80])),
    () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])), () => new TextDecoder().decode(new Uint8Array([0xf0, 0x9f])),
    () => new TextEncoder().encodeInto('é', new Uint8Array(1))),
  events: () => {
    const target = new EventTarget();
    const out = [];
    target.addEventListener('a', (e) => out.push(e.type), { once: true });
    target.addEventListener('a', { handleEvent: () => out.push('object') });
    target.dispatchEvent(new Event('a'));
    target.dispatchEvent(new Event('a'));
    return out;
  },
  random: () => all(() => crypto.getRandomValues(new Float32Array(1)), () => crypto.getRandomValues(new Uint8Array(65537)), () => crypto.randomUUID().length,
    () => crypto.subtle.digest('X', new Uint8Array(1)), async () => (await crypto.subtle.digest('MD5', new Uint8Array(1))).byteLength,
    () => crypto.subtle.timingSafeEqual(new Uint8Array([1]), new Uint8Array([1]))),
  timers_in_order: async () => {
    const out = [];
    setTimeout((...args) => out.push(args), 2, 'a', 'b');
    setTimeout(() => out.push(1), 1);
    setTimeout(() => out.push(0));
    await later(20);
    return out;
  },
  async interval_stops() {
    let n = 0;
    await new Promise((resolve) => {
      const timer = setInterval(() => {
        if (++n < 3) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    await later(10);
    return n;
  },
  timer_arguments: () => all(() => typeof setTimeout('x', 1), () => typeof setTimeout(), ...['x', undefined, null, {}, 99999999].map((v) => () => clearTimeout(v))),
  race: () => Promise.race([later(50, 'slow'), later(1, 'fast')]),
  globals: () => [typeof self, self === globalThis, typeof global, typeof window, typeof document, typeof alert],

  // of Node
  node_globals: () => [typeof Buffer, typeof process, typeof setImmediate, typeof clearImmediate, typeof global],
  buffer_basics: () => [Buffer.from('aé').toString('base64'), Buffer.from('YcOp', 'base64').toString(), Buffer.from([1, 2]).equals(Buffer.concat([Buffer.from([1]), Buffer.from([2])])),
    Buffer.from('ff00', 'hex').readUInt16BE(0), Buffer.alloc(3).length, Buffer.isBuffer(Buffer.alloc(1)), Buffer.byteLength('é'),
    Buffer.from('x') instanceof Uint8Array, JSON.stringify(Buffer.from('a')), Buffer.from('abc').toString('base64url'), Buffer.from('abc').subarray(1).toString('latin1')],
  process_basics: () => [typeof process.env, typeof process.nextTick, typeof process.version, process.platform, process.versions.node.split('.').length, typeof process.cwd,
    process.browser === undefined],
  async process_next_tick() {
    const ran = [];
    await new Promise((resolve) => {
      setImmediate((v) => {
        ran.push(v);
        resolve();
      }, 'immediate');
      process.nextTick((v) => ran.push(v), 'tick');
      Promise.resolve().then(() => ran.push('promise'));
    });
    return ran;
  },
};

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(1);
    if (!Object.hasOwn(probes, name)) return new Response('no such probe', { status: 404 });
    if (searchParams.has('bare')) return probes[name](request, env, ctx);
    try {
      const value = await probes[name](request, env, ctx);
      return value instanceof Response ? value : new Response(JSON.stringify({ value }), { headers: { 'x-json': '1' } });
    } catch (e) {
      return new Response(JSON.stringify({ threw: String(e) }), { headers: { 'x-json': '1' } });
    }
  },
};
