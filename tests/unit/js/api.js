// Assertions on the web API, run inside the engine by the handler `api`; joined with app.js.
async function runApiTests() {
  const failures = [];
  const eq = (name, got, want) => {
    const a = JSON.stringify(got), b = JSON.stringify(want);
    if (a !== b) failures.push(`${name}: got ${a}, want ${b}`);
  };
  const throws = (name, fn, type = 'TypeError') => {
    try { fn(); failures.push(`${name}: did not throw`); } catch (e) {
      if (e.name !== type) failures.push(`${name}: threw ${e.name}: ${e.message}`);
    }
  };
  const rejects = async (name, promise, type = 'TypeError') => {
    try { await promise; failures.push(`${name}: did not reject`); } catch (e) {
      if (e.name !== type) failures.push(`${name}: rejected with ${e.name}: ${e.message}`);
    }
  };

  // Headers
  const h = new Headers([['B', '2'], ['a', ' 1 '], ['b', '3'], ['Set-Cookie', 'x'], ['set-cookie', 'y']]);
  eq('headers order', [...h], [['a', '1'], ['b', '2, 3'], ['set-cookie', 'x'], ['set-cookie', 'y']]);
  eq('getSetCookie', h.getSetCookie(), ['x', 'y']);
  h.set('B', 'z'); eq('set', h.get('b'), 'z');
  h.delete('A'); eq('delete', h.has('a'), false);
  eq('get absent', h.get('none'), null);
  for (const bad of ['a b', '', 'a:', 'ä', 'a\n']) throws(`name ${JSON.stringify(bad)}`, () => h.set(bad, 'x'));
  for (const bad of ['a\nb', 'a\rb', 'a\0b', 'a\x01b', 'a\x7fb']) throws(`value ${JSON.stringify(bad)}`, () => h.set('x', bad));
  h.set('x', '\u00ff'); eq('latin1 value', h.get('x'), '\u00ff');
  h.set('x', '\u20ac'); eq('wide value', h.get('x'), '\u20ac');
  throws('header pair', () => new Headers([['a']]));
  throws('headers of a string', () => new Headers('a'));
  eq('headers of a record', [...new Headers({ Z: 1, y: null })], [['y', 'null'], ['z', '1']]);
  const iter = new Headers({ a: 1, b: 2 }); const seen = [];
  for (const [k] of iter) { seen.push(k); iter.set('c', '3'); }
  eq('snapshot', seen, ['a', 'b']);

  // Request
  const r = new Request('https://u:p@x.example/a#f', { method: 'post', body: 'b' });
  eq('method', r.method, 'POST'); eq('url', r.url, 'https://u:p@x.example/a#f');
  eq('content-type', r.headers.get('content-type'), 'text/plain;charset=UTF-8');
  eq('redirect', r.redirect, 'follow');
  eq('patch', new Request('https://x.example/', { method: 'patch' }).method, 'PATCH');
  eq('custom method', new Request('https://x.example/', { method: 'chicken' }).method, 'chicken');
  throws('bad method', () => new Request('https://x.example/', { method: 'a b' }));
  throws('connect', () => new Request('https://x.example/', { method: 'CONNECT' }));
  throws('get with body', () => new Request('https://x.example/', { body: 'x' }));
  throws('bad url', () => new Request('nope'));
  for (const bad of ['ftp://x.example/', 'https://*.example/', 'https://a!b.example/']) {
    eq('a Request of', new Request(bad).url, bad);
    await rejects('a fetch of', fetch(bad));
  }
  const r2 = new Request(r); eq('moved', [r.bodyUsed, r2.bodyUsed], [true, false]);
  throws('used body', () => new Request(r));
  eq('text', await r2.text(), 'b');
  await rejects('twice', r2.text());
  eq('null body', new Request('https://x.example/').body, null);
  eq('params body', await new Request('https://x.example/', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) }).text(), 'a=b+c');
  const c = new Request('https://x.example/', { method: 'POST', body: 'cl' }); const c2 = c.clone();
  eq('clone', [await c.text(), await c2.text()], ['cl', 'cl']);

  // Response
  eq('json', await Response.json({ a: 1 }).json(), { a: 1 });
  eq('json type', Response.json(1).headers.get('content-type'), 'application/json');
  eq('json own type', Response.json(1, { headers: { 'content-type': 'x/y' } }).headers.get('content-type'), 'x/y');
  eq('json undefined', await Response.json(undefined).text(), 'undefined');
  throws('status 101', () => new Response(null, { status: 101 }), 'RangeError');
  throws('status 600', () => new Response(null, { status: 600 }), 'RangeError');
  throws('204 with body', () => new Response('x', { status: 204 }));
  eq('204 with an empty one', new Response('', { status: 204 }).body, null);
  throws('encodeBody', () => new Response('', { encodeBody: 'x' }));
  eq('statusText', [new Response('').statusText, new Response('', { statusText: 'Odd' }).statusText], ['', 'Odd']);
  const red = Response.redirect('https://y.example/', 307);
  eq('redirect', [red.status, red.headers.get('location')], [307, 'https://y.example/']);
  throws('immutable', () => red.headers.set('a', 'b'));
  throws('redirect status', () => Response.redirect('https://y.example/', 200), 'RangeError');
  eq('error()', [Response.error().type, Response.error().status], ['error', 0]);
  eq('arrayBuffer', [...new Uint8Array(await new Response(new Uint8Array([1, 2, 3]).subarray(1)).arrayBuffer())], [2, 3]);
  eq('bytes', [...(await new Response('é').bytes())], [195, 169]);
  eq('bom', await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 65])).text(), 'A');
  eq('blob', await (await new Response('xyz').blob()).text(), 'xyz');
  eq('stream body', await new Response(ReadableStream.from(['a', new Uint8Array([98])])).text(), 'ab');
  eq('generator body', await new Response((async function* () { yield 'g'; yield 'h'; })()).text(), 'gh');
  const parts = []; for await (const p of new Response('it').body) parts.push(new TextDecoder().decode(p)); eq('for await', parts, ['it']);
  const rc = new Response('cc').clone(); eq('response clone', await rc.text(), 'cc');
  const [ta, tb] = new Response('tee').body.tee(); eq('tee', [await new Response(ta).text(), await new Response(tb).text()], ['tee', 'tee']);
  const locked = new Response('l'); locked.body.getReader(); await rejects('locked', locked.text());

  // FormData
  const f = new FormData(); f.append('a', '1'); f.append('f', new File(['data'], 'n.txt', { type: 'text/plain' }));
  const fr = new Response(f); const f2 = await fr.formData();
  eq('form', [f2.get('a'), f2.get('f').name, await f2.get('f').text(), f2.get('f').type], ['1', 'n.txt', 'data', 'text/plain']);
  eq('urlencoded form', (await new Response(new URLSearchParams('q=1&q=2')).formData()).getAll('q'), ['1', '2']);

  // URL
  const u = new URL('../b?x=1#h', 'https://user:pw@EXAMPLE.com:8443/a/c');
  eq('url', [u.href, u.origin, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.username],
    ['https://user:pw@example.com:8443/b?x=1#h', 'https://example.com:8443', 'example.com:8443', 'example.com', '8443', '/b', '?x=1', '#h', 'user']);
  u.searchParams.append('y', 'ä b'); eq('params', u.search, '?x=1&y=%C3%A4+b');
  u.search = '?z=9'; eq('params reload', u.searchParams.get('z'), '9');
  u.port = ''; u.protocol = 'http'; u.host = 'q.example:81'; eq('setters', u.href, 'http://user:pw@q.example:81/b?z=9#h');
  throws('bad', () => new URL('x')); eq('canParse', [URL.canParse('x'), URL.canParse('x:')], [false, true]);
  eq('parse', URL.parse('nope'), null);
  eq('ipv4', new URL('http://0x7f.1/').hostname, '127.0.0.1');
  eq('idn', new URL('https://bücher.example/').hostname, 'xn--bcher-kva.example');
  const sp = new URLSearchParams('a=1&b=2&a=3'); eq('getAll', sp.getAll('a'), ['1', '3']);
  sp.set('a', 'x'); sp.delete('b'); sp.append('c', '&'); eq('sp', sp.toString(), 'a=x&c=%26'); eq('sp size', sp.size, 2);
  sp.sort(); eq('has', [sp.has('c'), sp.has('c', 'x')], [true, false]);
  eq('entries', Object.fromEntries(new URLSearchParams({ k: 'v' })), { k: 'v' });

  // encoding
  eq('encode', [...new TextEncoder().encode('a€😀\ud800')], [97, 226, 130, 172, 240, 159, 152, 128, 239, 191, 189]);
  eq('decode', new TextDecoder().decode(new Uint8Array([0xf0, 0x9f, 0x98, 0x80, 0xff, 0xe2, 0x82])), '😀\ufffd\ufffd');
  throws('fatal', () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])));
  const d = new TextDecoder(); eq('stream', d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac])), '€');
  eq('utf16', new TextDecoder('utf-16le').decode(new Uint8Array([0x61, 0, 0x3d, 0xd8, 0, 0xde])), 'a😀');
  eq('latin1', new TextDecoder('latin1').decode(new Uint8Array([0xe9, 0x80])), 'é€');
  throws('label', () => new TextDecoder('nope'), 'RangeError');
  eq('into', new TextEncoder().encodeInto('€a', new Uint8Array(3)), { read: 1, written: 3 });
  eq('btoa', [btoa('hello'), btoa('a'), btoa('\xff'), btoa('')], ['aGVsbG8=', 'YQ==', '/w==', '']);
  eq('atob', [atob('aGVsbG8='), atob(' YQ '), atob('/w==')], ['hello', 'a', '\xff']);
  throws('atob bad', () => atob('a'), 'InvalidCharacterError'); throws('btoa bad', () => btoa('€'), 'InvalidCharacterError');

  // events
  const ac = new AbortController(); let fired = 0; ac.signal.addEventListener('abort', () => fired++); ac.abort(); ac.abort();
  eq('abort', [fired, ac.signal.aborted, ac.signal.reason.name], [1, true, 'AbortError']);
  eq('any', AbortSignal.any([new AbortController().signal, AbortSignal.abort('r')]).reason, 'r');
  throws('throwIfAborted', () => ac.signal.throwIfAborted(), 'AbortError');
  await rejects('aborted fetch', fetch('https://x.example/', { signal: ac.signal }), 'AbortError');
  const t = new EventTarget(); let ev; t.addEventListener('q', (e) => { ev = e.type; }, { once: true });
  t.dispatchEvent(new Event('q')); eq('event', ev, 'q');
  const to = AbortSignal.timeout(1); await new Promise((res) => to.addEventListener('abort', res)); eq('timeout', to.reason.name, 'TimeoutError');

  // clone, microtasks, timers
  const src = { a: [1, { b: new Date(5) }], m: new Map([['k', new Set([1])]]) }; src.self = src;
  const cl = structuredClone(src); eq('clone', [cl.a[1].b.getTime(), cl.m.get('k').has(1), cl.self === cl, cl !== src], [5, true, true, true]);
  throws('clone fn', () => structuredClone(() => {}), 'DataCloneError');
  throws('clone symbol', () => structuredClone({ s: Symbol('x') }), 'DataCloneError');
  throws('clone promise', () => structuredClone(Promise.resolve()), 'DataCloneError');
  throws('clone response', () => structuredClone({ a: [new Response('x')] }), 'DataCloneError');
  try { structuredClone({ f: function named() {} }); } catch (e) { eq('clone says what', e.message.includes('named'), true); }
  const shared = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]);
  const views = structuredClone({ a: shared.subarray(2, 4), b: new DataView(shared.buffer, 4), c: new Float32Array(shared.buffer, 4, 1) });
  eq('clone views', [[...views.a], views.b.getUint8(0), views.a.buffer === views.b.buffer, views.a.buffer !== shared.buffer, views.c.length, views.a.byteOffset], [[2, 3], 4, true, true, 1, 2]);
  const mix = structuredClone([new RangeError('r', { cause: 'c' }), /a+/gi, 10n, Object(5), new String('s'), new DOMException('d', 'AbortError'), , undefined, NaN]);
  eq('clone mix', [mix[0] instanceof RangeError, mix[0].message, mix[0].cause, mix[1].source, mix[1].flags, typeof mix[2], typeof mix[3], mix[4] instanceof String, mix[5].name, 6 in mix, mix.length, Number.isNaN(mix[8])],
    [true, 'r', 'c', 'a+', 'gi', 'bigint', 'object', true, 'AbortError', false, 9, true]);
  const give = new ArrayBuffer(8); new Uint8Array(give)[1] = 9;
  const given = structuredClone({ view: new Uint8Array(give, 1), again: give }, { transfer: [give] });
  eq('transfer', [given.view[0], given.view.length, given.again === given.view.buffer, give.byteLength, give.detached], [9, 7, true, 0, true]);
  throws('transfer detached', () => structuredClone(1, { transfer: [give] }), 'DataCloneError');
  throws('clone detached', () => structuredClone(give), 'DataCloneError');
  const kept = new ArrayBuffer(4);
  throws('transfer what cannot', () => structuredClone({ kept, f() {} }, { transfer: [kept] }), 'DataCloneError'); eq('kept', kept.byteLength, 4);
  throws('transfer twice', () => structuredClone(kept, { transfer: [kept, kept] }), 'DataCloneError');
  throws('transfer an array', () => structuredClone(1, { transfer: [new Uint8Array(1)] }), 'DataCloneError');
  eq('clone proto', Object.getPrototypeOf(structuredClone(JSON.parse('{"__proto__":{"x":1}}'))) === Object.prototype, true);
  const order = []; queueMicrotask(() => order.push(1)); await null; eq('microtask', order, [1]);
  await new Promise((res) => { setTimeout(() => order.push('b'), 4); setTimeout(() => order.push('a'), 1); const x = setTimeout(() => order.push('never'), 2); clearTimeout(x); clearTimeout(+setTimeout(() => order.push('never'), 2)); setTimeout((v) => { order.push(v); res(); }, 6, 'arg'); });
  eq('timers', order, [1, 'a', 'b', 'arg']);

  // crypto
  const hex = (b) => new Uint8Array(b).toHex();
  eq('sha256', hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  eq('sha1', hex(await crypto.subtle.digest({ name: 'sha-1' }, new Uint8Array(0))), 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode('The quick brown fox jumps over the lazy dog'));
  eq('hmac', hex(mac), 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8');
  eq('verify', await crypto.subtle.verify('HMAC', key, mac, new TextEncoder().encode('The quick brown fox jumps over the lazy dog')), true);
  eq('verify wrong', await crypto.subtle.verify('HMAC', key, mac, new Uint8Array(1)), false);
  await rejects('not extractable', crypto.subtle.exportKey('raw', key), 'InvalidAccessError');
  eq('uuid', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), true);
  eq('random', crypto.getRandomValues(new Uint8Array(64)).some((x) => x !== 0), true);
  throws('too much', () => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError');
  const big = new Uint32Array(new ArrayBuffer(64), 32, 4); crypto.getRandomValues(big); eq('offset', new Uint8Array(big.buffer, 0, 32).every((x) => x === 0), true);

  // what must not be there
  eq('Atomics.wait', typeof Atomics.wait, 'undefined');
  throws('eval', () => (0, eval)('1'), 'EvalError');
  throws('Function', () => new Function('1'), 'EvalError');
  eq('performance', performance.now() >= 0, true); eq('agent', typeof navigator.userAgent, 'string');
  return failures;
}
