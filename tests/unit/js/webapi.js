// Assertions on the lesser web APIs, run inside the engine by the handler `webapi`. What is not
// said to be ours alone holds in workerd as well.
async function runWebApiTests(oursAlone = true) {
  const failures = [];
  const eq = (name, got, want) => {
    const a = JSON.stringify(got), b = JSON.stringify(want);
    if (a !== b) failures.push(`${name}: got ${a}, want ${b}`);
  };
  const throws = (name, fn, type = 'TypeError', text = '') => {
    try { fn(); failures.push(`${name}: did not throw`); } catch (e) {
      if (e.name !== type || !e.message.includes(text)) failures.push(`${name}: threw ${e.name}: ${e.message}`);
    }
  };
  const rejects = async (name, promise, type = 'TypeError', text = '') => {
    try { await promise; failures.push(`${name}: did not reject`); } catch (e) {
      if (e?.name !== type || !e.message.includes(text)) failures.push(`${name}: rejected with ${e?.name}: ${e?.message}`);
    }
  };
  const utf8 = (t) => new TextEncoder().encode(t);
  const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
  const un = (h) => new Uint8Array((h.match(/../g) ?? []).map((x) => parseInt(x, 16)));
  const through = (pair, ...chunks) => {
    const writer = pair.writable.getWriter();
    const written = (async () => {
      for (const c of chunks) await writer.write(c);
      await writer.close();
    })();
    const read = new Response(pair.readable).bytes();
    return Promise.all([read, written]).then(([bytes]) => bytes);
  };

  // URLPattern
  const p = new URLPattern({ pathname: '/users/:id/:rest*' });
  eq('pattern', p.exec('https://x.example/users/7/a/b').pathname.groups, { id: '7', rest: 'a/b' });
  eq('pattern no', p.test('https://x.example/other'), false);
  eq('pattern base', new URLPattern('/a/*', 'https://x.example').test('https://x.example/a/b'), true);
  throws('pattern bad', () => new URLPattern({ pathname: '(' }));

  // Compression: round trips, known bytes, hostile bytes
  const text = 'sallyport '.repeat(5000);
  for (const format of ['gzip', 'deflate', 'deflate-raw']) {
    const packed = await through(new CompressionStream(format), utf8(text.slice(0, 777)), utf8(text.slice(777)));
    eq(`${format} is smaller`, packed.length < 1000, true);
    const back = await through(new DecompressionStream(format), packed);
    eq(format, new TextDecoder().decode(back) === text, true);
    const single = [...packed].map((b) => new Uint8Array([b]));
    eq(`${format} by bytes`, (await through(new DecompressionStream(format), ...single)).length, text.length);
    eq(`${format} of nothing`, (await through(new DecompressionStream(format), await through(new CompressionStream(format)))).length, 0);
    await rejects(`${format} cut off`, through(new DecompressionStream(format), packed.slice(0, -1)));
    await rejects(`${format} and more`, through(new DecompressionStream(format), packed, new Uint8Array(1)));
    await rejects(`${format} nothing`, through(new DecompressionStream(format)));
    eq(`${format} of a string`, new TextDecoder().decode(await through(new DecompressionStream(format), await through(new CompressionStream(format), 't\u00e9xt'))), 't\u00e9xt');
    await rejects(`${format} of null`, through(new CompressionStream(format), null));
  }
  for (const bad of ['00', 'ffffffff', '1f8b0800', '789c00', '1f8b08ff000000000003']) {
    for (const format of ['gzip', 'deflate']) await rejects(`${format} ${bad}`, through(new DecompressionStream(format), un(bad)));
  }
  eq('gzip head', hex((await through(new CompressionStream('gzip'), utf8('a'))).slice(0, 3)), '1f8b08');
  eq('view', new TextDecoder().decode(await through(new DecompressionStream('deflate-raw'), new DataView(un('ff4b0400ff').buffer, 1, 3))), 'a');
  throws('format', () => new CompressionStream('zip'));
  throws('no format', () => new DecompressionStream());
  const piped = new Response(text).body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'));
  eq('piped', (await new Response(piped).text()) === text, true);

  // Identity and fixed length
  eq('identity', hex(await through(new IdentityTransformStream(), un('0102'), un('').buffer, un('03'), 'a')), '01020361');
  const mine = un('0405');
  await through(new IdentityTransformStream(), mine); eq('the chunk stays its writer\'s', mine.length, 2);
  await rejects('identity of a number', through(new IdentityTransformStream(), 7));
  eq('fixed', (await through(new FixedLengthStream(3), un('0102'), un('03'))).length, 3);
  await rejects('fixed, too many', through(new FixedLengthStream(1), un('0102')), 'TypeError', 'too many bytes');
  await rejects('fixed, too few', through(new FixedLengthStream(3), un('0102')), 'TypeError', 'did not see all expected bytes');
  throws('fixed, negative', () => new FixedLengthStream(-1));
  eq('class', new FixedLengthStream(0) instanceof IdentityTransformStream, true);
  const cancelled = new IdentityTransformStream();
  const cw = cancelled.writable.getWriter();
  await cancelled.readable.cancel(new Error('enough'));
  await rejects('a write after cancel', cw.write(un('01')), 'Error', 'enough');
  const aborted = new IdentityTransformStream();
  const ar = aborted.readable.getReader();
  const read = ar.read();
  aborted.writable.abort(new RangeError('no more')).catch(() => {});
  await rejects('a read after abort', read, 'RangeError', 'no more');
  const byob = new IdentityTransformStream();
  const bw = byob.writable.getWriter();
  const into = byob.readable.getReader({ mode: 'byob' }).read(new Uint8Array(8));
  bw.write(un('0708')).catch(() => {});
  eq('byob', hex((await into).value), '0708');

  // Text streams
  const strings = async (stream) => { const out = []; for await (const s of stream) out.push(s); return out; };
  const enc = new TextEncoderStream(); const ew = enc.writable.getWriter();
  for (const s of ['a', '\ud83d', '\ude00', '', 'b\ud800']) ew.write(s).catch(() => {});
  ew.close().catch(() => {});
  eq('encoder', hex(await new Response(enc.readable).bytes()), '61f09f988062efbfbd');
  eq('decoder', (await strings(ReadableStream.from([un('e2'), un('82ac61')]).pipeThrough(new TextDecoderStream()))).join(''), '\u20aca');
  await rejects('decoder fatal', strings(ReadableStream.from([un('ff')]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))));
  await rejects('decoder fatal at the end', strings(ReadableStream.from([un('e2')]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))));
  await rejects('decoder of a string', strings(ReadableStream.from(['x']).pipeThrough(new TextDecoderStream())));
  throws('decoder label', () => new TextDecoderStream('klingon'), 'RangeError');
  const dec = new TextDecoderStream('utf-16le', { ignoreBOM: true }); eq('decoder facts', [dec.encoding, dec.fatal, dec.ignoreBOM, new TextEncoderStream().encoding], ['utf-16le', false, true, 'utf-8']);

  // DigestStream
  const ds = new crypto.DigestStream('SHA-256'); const dw = ds.getWriter();
  await dw.write(utf8('ab')); await dw.write(utf8('c').buffer); await dw.close();
  eq('digest', hex(await ds.digest), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  eq('digest count', Number(ds.bytesWritten), 3);
  const md5 = new crypto.DigestStream('md5'); await new Response('abc').body.pipeTo(md5);
  eq('digest md5', hex(await md5.digest), '900150983cd24fb0d6963f7d28e17f72');
  const da = new crypto.DigestStream({ name: 'SHA-1' }); await da.abort(new Error('stop')); await rejects('digest aborted', da.digest, 'Error', 'stop');
  throws('digest name', () => new crypto.DigestStream('SHA-3'), 'NotSupportedError');

  // caches (workerd has them where they are configured)
  const caching = async () => {
  const url = 'https://cache.example/a?b=1';
  const c = caches.default;
  const put = (u, body, headers = {}, init = {}) => c.put(u, new Response(body, { ...init, headers }));
  eq('nothing there', await c.match(url), undefined);
  await put(url, 'kept', { 'cache-control': 'max-age=60', etag: '"e"', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT', 'x-own': '1' });
  const hit = await c.match(new Request(url));
  eq('hit', [await hit.text(), hit.headers.get('x-own'), hit.headers.get('cf-cache-status')], ['kept', '1', 'HIT']);
  eq('again', await (await c.match(url)).text(), 'kept');
  eq('method', await c.match(new Request(url, { method: 'POST' })), undefined);
    eq('ignoreMethod', await (await c.match(new Request(url, { method: 'POST' }), { ignoreMethod: true })).text(), 'kept');
    eq('etag', (await c.match(new Request(url, { headers: { 'if-none-match': 'W/"x", W/"e"' } }))).status, 304);
    eq('other etag', (await c.match(new Request(url, { headers: { 'if-none-match': '"x"' } }))).status, 200);
    eq('since', (await c.match(new Request(url, { headers: { 'if-modified-since': 'Tue, 02 Jan 2024 00:00:00 GMT' } }))).status, 304);
    eq('before', (await c.match(new Request(url, { headers: { 'if-modified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' } }))).status, 200);
    const range = async (r) => { const a = await c.match(new Request(url, { headers: { range: r } })); return [a.status, await a.text(), a.headers.get('content-range')]; };
    eq('range', await range('bytes=1-2'), [206, 'ep', 'bytes 1-2/4']); eq('suffix', await range('bytes=-3'), [206, 'ept', 'bytes 1-3/4']);
    eq('to the end', await range('bytes=2-99'), [206, 'pt', 'bytes 2-3/4']); eq('behind', await range('bytes=4-'), [416, '', 'bytes */4']);
    for (const odd of ['bytes=2-1', 'bytes=-', 'items=0-1', 'bytes=0-1,2-3']) eq(odd, (await range(odd))[0], 200);
    eq('another cache', await (await caches.open('other')).match(url), undefined);
    eq('the same cache', (await caches.open('other')) === (await caches.open('other')), true);
    for (const [why, headers, init] of [
      ['no-store', { 'cache-control': 'No-Store, max-age=60' }], ['private', { 'cache-control': 'private, max-age=60' }],
      ['no-cache', { 'cache-control': 'no-cache' }], ['max-age=0', { 'cache-control': 'max-age=0' }],
      ['a cookie', { 'cache-control': 'max-age=60', 'set-cookie': 'a=1' }], ['expired', { expires: 'Mon, 01 Jan 2024 00:00:00 GMT' }],
      ['bad expires', { expires: '0' }], ['s-maxage', { 'cache-control': 's-maxage=0, max-age=60' }], ['a 500', {}, { status: 500 }],
    ]) {
      await c.put(`https://cache.example/${encodeURIComponent(why)}`, new Response('x', { ...init, headers }));
      eq(why, await c.match(`https://cache.example/${encodeURIComponent(why)}`), undefined);
    }
    await put('https://cache.example/cookie', 'x', { 'cache-control': 'private="Set-Cookie", max-age=60', 'set-cookie': 'a=1' });
    eq('without the cookie', (await c.match('https://cache.example/cookie')).headers.get('set-cookie'), null);
    await put('https://cache.example/plain', 'x'); eq('nothing said', (await c.match('https://cache.example/plain'))?.status, 200);
    await put('https://cache.example/short', 'x', { 'cache-control': 'max-age=1' });
    eq('in time', (await c.match('https://cache.example/short'))?.status, 200);
    for (let i = 0; i < 200 && await c.match('https://cache.example/short') !== undefined; i++) await scheduler.wait(20);
    eq('its time is over', await c.match('https://cache.example/short'), undefined);
    await c.put('https://cache.example/text', new Response(ReadableStream.from(['t\u00e9', new Uint8Array([120]).buffer, 't']), { headers: { 'cache-control': 'max-age=60' } }));
    eq('of strings', await (await c.match('https://cache.example/text')).text(), 't\u00e9xt'); await rejects('of numbers', c.put(url, new Response(ReadableStream.from([7]))));
    // Ceilings: one body, all bodies, their number. What was used last stays.
    await put('https://cache.example/huge', new Uint8Array(4 * 1024 * 1024 + 1)); eq('too long', await c.match('https://cache.example/huge'), undefined);
    await c.match(url);
    for (let i = 0; i < 5; i++) { await put(`https://cache.example/big${i}`, new Uint8Array(3.5 * 1024 * 1024)); await c.match(url); }
    eq('the oldest went', [(await c.match('https://cache.example/big0')) === undefined, (await c.match('https://cache.example/big4'))?.status, (await c.match(url))?.status], [true, 200, 200]);
    for (let i = 0; i < 1100; i++) await put(`https://cache.example/n${i}`, null);
    eq('their number', [await c.match('https://cache.example/n0'), (await c.match('https://cache.example/n1099'))?.status], [undefined, 200]);
    await put(url, 'kept', { 'cache-control': 'max-age=60' });
    await rejects('add', c.add(url), 'Error', 'not implemented');
    throws('new Cache', () => new Cache('x'));
    throws('new CacheStorage', () => new CacheStorage());
    const names = []; for (let i = 0; i < 70; i++) names.push(caches.open(`n${i}`).then(() => 1, () => 0)); eq('names', (await Promise.all(names)).includes(0), true);
  await rejects('put of a POST', c.put(new Request(url, { method: 'POST' }), new Response('x')));
  await rejects('put of a 206', c.put(url, new Response('x', { status: 206 })));
  await rejects('put of vary *', c.put(url, new Response('x', { headers: { vary: 'a, *' } })));
  const usedUp = new Response('x'); await usedUp.text(); await rejects('put of a used body', c.put(url, usedUp));
  eq('delete', [await c.delete(url), await c.delete(url), await c.match(url)], [true, false, undefined]);
  };
  if (oursAlone) await caching();

  // Multipart by strangers
  const parse = (head, data = '1') => new Response(`--B\r\n${head}\r\n\r\n${data}\r\n--B--\r\n`, { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData();
  const parts = async (head) => { const list = []; for (const [n, v] of await parse(head)) list.push([n, typeof v === 'string' ? v : v.name]); return list; };
  eq('another header', await parts('X-Other: q; name="wrong"\r\nContent-Disposition: form-data; name="a"'), [['a', '1']]);
  eq('a name in a file\'s', await parts('Content-Disposition: form-data; filename="; name=evil"; name="real"'), [['real', '; name=evil']]);
  eq('escapes', await parts('Content-Disposition: form-data; name="a\\"b"; filename="c\\\\d"'), [['a"b', 'c\\d']]);
  eq('separators', await parts('Content-Disposition: form-data; name="a;b"; filename="c;d"'), [['a;b', 'c;d']]);
  for (const head of ['Content-Disposition: attachment; name="a"', 'X: y', 'Content-Disposition: form-data', 'Content-Disposition: form-data; filename="x"']) await rejects(head, parse(head));
  await rejects('no end', new Response('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n', { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData());
  if (oursAlone) {
    eq('a name without quotes', await parts('Content-Disposition: form-data; name=a'), [['a', '1']]); eq('as browsers write them', await parts('Content-Disposition: form-data; name="a%22%0D%0Ab"'), [['a"\r\nb', '1']]);
    const began = performance.now(); await rejects('a long head', parse(`Content-Disposition: form-data; name="${'\\'.repeat(400001)}`)); await rejects('many semicolons', parse(`Content-Disposition: form-data${'; '.repeat(200000)}`)); eq('in linear time', performance.now() - began < 3000, true);
  }

  // MessageChannel and events
  const { port1, port2 } = new MessageChannel();
  const buffer = un('0102').buffer;
  const got = new Promise((resolve) => { port2.onmessage = (e) => resolve([e.type, e.data.a, e.data.b.byteLength]); });
  port1.postMessage({ a: 1, b: buffer }, oursAlone ? [buffer] : []);
  eq('message', await got, ['message', 1, 2]); eq('transferred', buffer.byteLength, oursAlone ? 0 : 2);
  throws('message that cannot be', () => port1.postMessage(() => {}), 'DataCloneError');
  let late = 0; const other = new MessageChannel(); other.port1.postMessage(1); other.port1.postMessage(2);
  const both = new Promise((resolve) => other.port2.addEventListener('message', () => { if (++late === 2) resolve(late); })); other.port2.start();
  eq('waited for', await both, 2);
  port1.close(); port1.postMessage('lost'); throws('new MessagePort', () => new MessagePort());
  eq('events', [new MessageEvent('m', { data: 1 }).data, new CloseEvent('c', { code: 1000, wasClean: true }).code, new ErrorEvent('e', { message: 'x' }).message], [1, 1000, 'x']);
  const target = new EventTarget(); let seen; const listener = { handleEvent(e) { seen = [this === listener, e.currentTarget === target, e.eventPhase]; } };
  target.addEventListener('x', listener); const ev = new Event('x'); target.dispatchEvent(ev); eq('handleEvent', seen, [true, true, 2]); eq('after it', [ev.currentTarget, ev.eventPhase, ev.target === target], [null, 0, true]);
  target.addEventListener('again', (e) => { try { target.dispatchEvent(e); } catch (x) { seen = x.name; } }); target.dispatchEvent(new Event('again')); eq('dispatched twice', seen, 'InvalidStateError');
  eq('code', [DOMException.ABORT_ERR, new DOMException('', 'AbortError').code, new DOMException('').DATA_CLONE_ERR], [20, 20, 25]);

  // Timers, performance, navigator
  const order = []; const immediate = await new Promise((resolve) => { setImmediate((x) => { order.push(x); resolve(x); }, 'i'); queueMicrotask(() => order.push('m')); }); eq('immediate', [immediate, order], ['i', ['m', 'i']]);
  let no = 0; clearImmediate(setImmediate(() => no++)); await scheduler.wait(5); eq('clearImmediate', no, 0);
  performance.mark('a'); performance.mark('b', { detail: { x: 1 } }); const m = performance.measure('ab', 'a', 'b');
  eq('marks', [performance.getEntriesByType('mark').length, performance.getEntriesByName('b')[0].detail, m.entryType, m.duration >= 0], [2, { x: 1 }, 'measure', true]);
  throws('no mark', () => performance.measure('x', 'never'), 'SyntaxError'); performance.clearMarks(); performance.clearMeasures(); eq('cleared', performance.getEntries().length, 0);
  eq('navigator', [navigator.userAgent, typeof navigator.hardwareConcurrency], ['Cloudflare-Workers', 'number']);
  eq('symbols', [typeof Symbol.dispose, typeof Symbol.asyncDispose], ['symbol', 'symbol']); eq('self', self === globalThis, true);
  const clone = structuredClone({ a: new Uint8Array([1, 2]), v: new DataView(un('0304').buffer, 1), f: [new Float64Array([0.5])] }); eq('clone', [[...clone.a], clone.v.getUint8(0), clone.f[0][0]], [[1, 2], 4, 0.5]);
  const moved = un('0506'); const taken = structuredClone({ deep: { moved } }, { transfer: [moved.buffer] }); eq('transfer', [hex(taken.deep.moved.buffer), moved.length], ['0506', 0]);
  if (oursAlone) {
    for (let i = 0; i < 1500; i++) performance.mark(`n${i}`); eq('marks kept', performance.getEntries().length <= 1000, true); performance.clearMarks();
    for (const name of ['HTMLRewriter', 'WebSocketPair', 'WebSocket', 'EventSource']) throws(name, () => new globalThis[name]('https://x.example/'), 'Error', `new ${name}() has no local form`);
    throws('service worker form', () => addEventListener('fetch', () => {}), 'TypeError', 'export default');
    let heard = 0; addEventListener('own', () => heard++); dispatchEvent(new Event('own')); eq('global events', heard, 1);
    // Back-pressure: what a small chunk inflates to is not made before it is read.
    const zeros = await through(new CompressionStream('gzip'), new Uint8Array(32 * 1024 * 1024));
    const bomb = new DecompressionStream('gzip'); const bombWriter = bomb.writable.getWriter(); let through2 = false;
    bombWriter.write(zeros).then(() => { through2 = true; }, () => {}); await scheduler.wait(10); eq('the write waits', through2, false);
    const bombReader = bomb.readable.getReader(); const first = await bombReader.read(); eq('a piece', first.value.length <= 64 * 1024, true);
    await bombReader.cancel(new RangeError('enough')); await rejects('the writer hears of it', bombWriter.closed, 'RangeError', 'enough');
    const many = []; for (let i = 0; i < 5000; i++) many.push(new CompressionStream('gzip')); eq('made, not used', many.length, 5000);
  }
  return failures;
}
