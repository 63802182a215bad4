// Assertions on the modules of Node's, run inside the engine by the page `nodeapi`. What is not said
// to be ours alone holds in workerd as well, but for some codes of errors that are Node's here.
async function runNodeApiTests(oursAlone = true) {
  const failures = [];
  const eq = (name, got, want) => {
    const a = JSON.stringify(got), b = JSON.stringify(want);
    if (a !== b) failures.push(`${name}: got ${a}, want ${b}`);
  };
  const throws = (name, fn, text = '') => {
    try { fn(); failures.push(`${name}: did not throw`); } catch (e) {
      if (!`${e.code} ${e.message}`.includes(text)) failures.push(`${name}: threw ${e.code} ${e.message}`);
    }
  };
  const mod = (name) => (typeof require === 'function' ? require(`node:${name}`) : process.getBuiltinModule(`node:${name}`));

  // buffer
  const { Buffer: B } = mod('buffer');
  eq('Buffer', B === Buffer, true);
  const b = B.from('h\u00e9llo \u{1f600}');
  eq('utf8', [b.length, b.toString(), B.isBuffer(b), b instanceof Uint8Array], [11, 'h\u00e9llo \u{1f600}', true, true]);
  eq('hex', [b.toString('hex'), B.from('00ff7', 'hex').length, B.from('zz', 'hex').length], ['68c3a96c6c6f20f09f9880', 2, 0]);
  eq('base64', [b.toString('base64'), b.toString('base64url'), B.from('_-8', 'base64url').toString('hex'), B.from('/+8=', 'base64').toString('hex')],
    ['aMOpbGxvIPCfmIA=', 'aMOpbGxvIPCfmIA', 'ffef', 'ffef']);
  eq('latin1', [B.from('\u00ff', 'latin1').toString('hex'), B.from([200, 65]).toString('latin1'), B.from('ab').toString('ascii')], ['ff', '\u00c8A', 'ab']);
  eq('utf16', B.from('a', 'utf16le').toString('hex'), '6100');
  eq('part', [b.toString('utf8', 0, 1), b.toString('hex', 9, 99), b.toString('utf8', 5, 2), b.toString('utf8', -3, 1)], ['h', '9880', '', 'h']);
  eq('isEncoding', [B.isEncoding('base64url'), B.isEncoding('UTF-8'), B.isEncoding('x')], [true, true, false]);
  eq('byteLength', [B.byteLength('\u00e9'), B.byteLength('_-8', 'base64url')], [2, 2]);
  const w = B.alloc(4); eq('write', [w.write('_-8', 'base64url'), w.toString('hex'), w.write('6162', 1, 'hex'), w.toString('hex')], [2, 'ffef0000', 2, 'ff616200']);
  throws('toString of no encoding', () => b.toString('klingon'), 'encoding');
  eq('concat', B.concat([B.from('a'), new Uint8Array([98])]).toString(), 'ab');
  eq('numbers', [B.from([1, 2, 3, 4]).readUInt32BE(0), B.from([255]).readInt8(0)], [16909060, -1]);
  eq('json', JSON.stringify(B.from('a')), '{"type":"Buffer","data":[97]}');
  eq('body', await new Response(B.from('body')).text(), 'body');
  eq('isUtf8', [mod('buffer').isUtf8(b), mod('buffer').isUtf8(B.from([255])), mod('buffer').isAscii(b)], [true, false, false]);

  // crypto: known answers of FIPS 180, RFC 1321, 4231, 5869, 6070 and SP 800-38A
  const c = mod('crypto');
  eq('sha256', c.createHash('sha256').update('a').update(B.from('b')).update('63', 'hex').digest('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  eq('md5', c.createHash('md5').update('abc').digest('hex'), '900150983cd24fb0d6963f7d28e17f72');
  const half = c.createHash('sha1').update('a'); const copied = half.copy(); half.update('x');
  eq('copy', copied.update('bc').digest('hex'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  throws('digest twice', () => { const h = c.createHash('sha1'); h.digest(); h.update('a'); }, 'ERR_CRYPTO_HASH_FINALIZED');
  throws('no hash', () => c.createHash('sha3-1'), 'not supported'); throws('a number', () => c.createHash('sha1').update(7), 'ERR_INVALID_ARG_TYPE');
  eq('hmac', c.createHmac('sha512', 'Jefe').update('what do ya want for nothing?').digest('hex').slice(0, 32), '164b7a7bfcf819e2e395fbe73b56e0a3');
  eq('hmac, long key', c.createHmac('sha256', B.alloc(131, 0xaa)).update('Test Using Larger Than Block-Size Key - Hash Key First').digest('hex').slice(0, 32), '60e431591ee0b67f0d8a26aacbf5b77f');
  eq('pbkdf2', c.pbkdf2Sync('password', 'salt', 4096, 20, 'sha1').toString('hex'), '4b007901b765489abead49d926f721d065a429c1');
  eq('hkdf', B.from(c.hkdfSync('sha256', B.alloc(22, 11), B.from('000102030405060708090a0b0c', 'hex'), B.from('f0f1f2f3f4f5f6f7f8f9', 'hex'), 42)).toString('hex').slice(0, 16), '3cb25f25faacd57a');
  eq('pbkdf2 called back', await new Promise((resolve) => c.pbkdf2('password', 'salt', 1, 20, 'sha1', (e, key) => resolve(key.toString('hex').slice(0, 8)))), '0c60c80f');
  eq('random', [c.randomBytes(oursAlone ? 100000 : 1000).length > 900, new Set(c.randomBytes(64)).size > 20, c.randomUUID().length], [true, true, 36]);
  const ints = Array.from({ length: 300 }, () => c.randomInt(3)); eq('randomInt', [new Set(ints).size, Math.max(...ints), c.randomInt(5, 6)], [3, 2, 5]);
  throws('randomInt range', () => c.randomInt(3, 3), 'ERR_OUT_OF_RANGE'); throws('randomBytes size', () => c.randomBytes(-1), 'ERR_OUT_OF_RANGE');
  eq('equal', [c.timingSafeEqual(B.from('a'), B.from('a')), c.timingSafeEqual(B.from('a'), B.from('b'))], [true, false]);
  throws('equal lengths', () => c.timingSafeEqual(B.from('a'), B.from('ab')), 'same byte length');
  const key = B.from('2b7e151628aed2a6abf7158809cf4f3c', 'hex'), iv = B.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
  const ctr = c.createCipheriv('aes-128-ctr', key, iv);
  eq('ctr', ctr.update('6bc1bee22e409f96e93d7e117393172a', 'hex', 'hex') + ctr.final('hex'), '874d6191b620e3261bef6864990db6ce');
  const cbc = c.createCipheriv('AES-128-CBC', key, B.from('000102030405060708090a0b0c0d0e0f', 'hex'));
  eq('cbc', (cbc.update('6bc1bee22e409f96e93d7e117393172a', 'hex', 'hex') + cbc.final('hex')).slice(0, 32), '7649abac8119b246cee98e9b12e9197d');
  const gcm = c.createCipheriv('aes-256-gcm', B.alloc(32, 1), B.alloc(12, 2)); gcm.setAAD(B.from('aad'));
  const sealed = B.concat([gcm.update('secret', 'utf8'), gcm.update(' text', 'utf8'), gcm.final()]); const tag = gcm.getAuthTag();
  const unseal = (t, aad = 'aad') => { const d = c.createDecipheriv('aes-256-gcm', B.alloc(32, 1), B.alloc(12, 2)); d.setAAD(B.from(aad)); if (t) d.setAuthTag(t); return d.update(sealed, null, 'utf8') + d.final('utf8'); };
  eq('gcm', [unseal(tag), tag.length], ['secret text', 16]);
  throws('gcm, another tag', () => unseal(B.alloc(16))); throws('gcm, other data', () => unseal(tag, 'x'));
  throws('gcm, no tag', () => unseal(null)); throws('gcm, a part of the tag', () => unseal(tag.subarray(0, 4))); throws('key length', () => c.createCipheriv('aes-256-gcm', B.alloc(31), B.alloc(12)), 'ERR_CRYPTO_INVALID_KEYLEN');
  throws('no cipher', () => c.createCipheriv('rot13', key, iv), 'ERR_CRYPTO_UNKNOWN_CIPHER'); throws('iv', () => c.createCipheriv('aes-128-cbc', key, B.alloc(3)), 'ERR_CRYPTO_INVALID_IV');
  const sealedStream = c.createDecipheriv('aes-256-gcm', B.alloc(32, 1), B.alloc(12, 2)); sealedStream.setAuthTag(B.alloc(16));
  const wrongTag = new Promise((resolve) => sealedStream.on('error', resolve)); sealedStream.end(sealed); eq('gcm stream, another tag', (await wrongTag) instanceof Error, true);
  const raw = B.from('Jefe'), secret = c.createSecretKey(raw), same = c.createSecretKey('SmVmZQ', 'base64'); raw.fill(0); secret.export().fill(0);
  eq('secret key', [secret.type, secret.symmetricKeySize, secret instanceof c.KeyObject, secret.export().toString(), secret.export({ format: 'jwk' }), secret.equals(same), secret.equals(c.createSecretKey('jefe', 'utf8')), secret.equals(c.createSecretKey('Jef', 'utf8'))],
    ['secret', 4, true, 'Jefe', { kty: 'oct', k: 'SmVmZQ' }, true, false, false]);
  eq('its uses', [c.createHmac('sha512', secret).update('what do ya want for nothing?').digest('hex').slice(0, 8), c.createCipheriv('aes-128-ctr', c.createSecretKey(key), iv).update('').length, mod('util').types.isKeyObject(secret), mod('util').types.isKeyObject(raw)], ['164b7a7b', 0, true, false]);
  throws('a key of its own', () => new c.KeyObject('secret', raw)); throws('no key', () => c.createSecretKey(7), 'ERR_INVALID_ARG_TYPE'); throws('equals', () => secret.equals(raw), 'ERR_INVALID_ARG_TYPE');
  throws('a form of pairs', () => secret.export({ format: 'pem' }), 'ERR_INVALID_ARG_VALUE'); eq('nothing shows', `${JSON.stringify(secret)} ${secret}`, '{} [object KeyObject]');

  // events, util, path, url, querystring, assert, string_decoder
  const { EventEmitter, once } = mod('events'); const e = new EventEmitter(); const heard = [];
  e.on('x', (v) => heard.push(v)); e.once('x', (v) => heard.push(-v)); e.emit('x', 1); e.emit('x', 2); eq('emitter', heard, [1, -1, 2]);
  const soon = once(e, 'y'); e.emit('y', 7); eq('once', await soon, [7]); throws('unhandled error', () => e.emit('error', new Error('mine')), 'mine');
  const u = mod('util'); eq('promisify', await u.promisify((a, cb) => cb(null, a + 1))(1), 2);
  eq('format', u.format('%s-%d %j', 'a', 1, { b: 2 }), 'a-1 {"b":2}'); eq('inspect', u.inspect({ a: [1, 'x'] }), "{ a: [ 1, 'x' ] }");
  eq('deep', [u.isDeepStrictEqual({ a: [1] }, { a: [1] }), u.isDeepStrictEqual({ a: 1 }, { a: '1' })], [true, false]);
  eq('types', [u.types.isUint8Array(b), u.types.isPromise(soon), u.types.isDate(new Date()), u.types.isRegExp(1), u.types.isUint8Array(new Int8Array(1))], [true, true, true, false, false]);
  eq('strip', u.stripVTControlCharacters('\u001b[31mred\u001b[0m'), 'red'); class P2 {} class C2 {} u.inherits(C2, P2); eq('inherits', new C2() instanceof P2, true);
  const p = mod('path'); eq('path', [p.join('/a', '../b', 'c'), p.resolve('/x', 'y'), p.basename('/a/b.ts', '.ts'), p.extname('a.b.c'), p.posix === p || typeof p.posix.join], ['/b/c', '/x/y', 'b', '.c', true]);
  const nurl = mod('url'); eq('url', [nurl.URL === URL, nurl.fileURLToPath('file:///a%20b'), nurl.parse('http://u@h:1/p?q=1#f').pathname, nurl.format(new URL('http://h/p'))], [true, '/a b', '/p', 'http://h/p']);
  const qs = mod('querystring'); eq('querystring', [qs.stringify({ a: ['x', 'y'], b: 'c d' }), qs.parse('a=1&a=2&b=%20').a], ['a=x&a=y&b=c%20d', ['1', '2']]);
  const assert = mod('assert'); throws('assert', () => assert.strictEqual(1, 2), 'ERR_ASSERTION'); assert.deepStrictEqual({ a: new Map([[1, 2]]) }, { a: new Map([[1, 2]]) }); assert(true);
  throws('strict', () => mod('assert/strict').equal(1, '1'), 'ERR_ASSERTION');
  const { StringDecoder } = mod('string_decoder'); const sd = new StringDecoder('utf8'); eq('decoder', sd.write(B.from([0xe2, 0x82])) + sd.write(B.from([0xac])) + sd.end(), '\u20ac');

  // stream, zlib
  const { Readable, Transform, PassThrough } = mod('stream'); const { pipeline } = mod('stream/promises');
  const out = []; await pipeline(Readable.from(['a', 'b']), new Transform({ transform(chunk, enc, cb) { cb(null, `${chunk}`.toUpperCase()); } }), async function (source) { for await (const x of source) out.push(`${x}`); });
  eq('pipeline', out.join(''), 'AB');
  const text = []; for await (const x of new PassThrough().end('done')) text.push(`${x}`); eq('passthrough', text.join(''), 'done');
  const hashed = c.createHash('sha1'); hashed.end('abc'); eq('hash stream', (await once(hashed, 'data'))[0].toString('hex').slice(0, 8), 'a9993e36');
  const z = mod('zlib'); const long = 'zip '.repeat(50000);
  for (const [pack, open] of [['gzipSync', 'gunzipSync'], ['deflateSync', 'inflateSync'], ['deflateRawSync', 'inflateRawSync'], ['gzipSync', 'unzipSync'], ['deflateSync', 'unzipSync']]) {
    const packed = z[pack](long); eq(`${pack} ${open}`, [packed.length < 5000, z[open](packed).toString() === long], [true, true]);
    throws(`${open}, cut off`, () => z[open](packed.subarray(0, packed.length - 5)), 'Z_BUF_ERROR');
    throws(`${open} of junk`, () => z[open](B.from('junk, no data')), 'Z_');
  }
  eq('gzip called back', await new Promise((resolve) => z.gzip('x', (err, packed) => z.gunzip(packed, (err2, back) => resolve(`${back}`)))), 'x');
  throws('a bomb', () => z.gunzipSync(z.gzipSync(B.alloc(1 << 20)), { maxOutputLength: 1000 }), 'ERR_BUFFER_TOO_LARGE');
  const zs = []; for await (const x of Readable.from([B.from(long)]).pipe(z.createGzip()).pipe(z.createGunzip())) zs.push(x); eq('zlib stream', B.concat(zs).toString() === long, true);

  // process, timers, channels and what is small
  const proc = mod('process'); eq('process', [proc === process, proc.platform, proc.cwd !== undefined, typeof proc.versions.node, proc.argv.length >= 0], [true, 'linux', true, 'string', true]);
  const order = []; await new Promise((resolve) => { process.nextTick((x) => { order.push(x); }, 't'); setTimeout(() => { order.push('later'); resolve(); }, 1); order.push('now'); }); eq('nextTick', order, ['now', 't', 'later']);
  process.env.MINE = 1; eq('env', [process.env.MINE, process.env.NOTHING, 'MINE' in process.env], ['1', undefined, true]); delete process.env.MINE; eq('env deleted', process.env.MINE, undefined);
  eq('hrtime', [process.hrtime().length, typeof process.hrtime.bigint(), process.uptime() >= 0], [2, 'bigint', true]);
  const tp = mod('timers/promises'); eq('timers', [await tp.setTimeout(1, 'v'), await tp.setImmediate('i')], ['v', 'i']); let n = 0; for await (const v of tp.setInterval(1, 'w')) if (++n === 2) break; eq('interval', n, 2);
  const stop = AbortSignal.abort(); eq('aborted', await tp.setTimeout(1000, 0, { signal: stop }).then(() => 'no', (x) => x.name), 'AbortError');
  eq('a value with a signal', (await tp.setTimeout(1, { signal: stop })).signal === stop, true); const ends = new AbortController(); n = 0;
  eq('interval aborted', await (async () => { for await (const v of tp.setInterval(1, 0, { signal: ends.signal })) if (++n === 2) ends.abort(); })().then(() => 'no', (x) => [x.name, n]), ['AbortError', 2]);
  const dc = mod('diagnostics_channel'); const ch = dc.channel('t'); let got; const sub = (m) => { got = m; }; ch.subscribe(sub); ch.publish(5); eq('channel', [got, dc.hasSubscribers('t'), ch.unsubscribe(sub), ch.hasSubscribers], [5, true, true, false]);
  eq('small', [mod('os').EOL, mod('tty').isatty(1), mod('net').isIP('::1'), mod('net').isIP('1.2.3.4'), mod('net').isIP('1.2.3'), mod('net').isIP('::ffff:1.2.3.4')], ['\n', false, 6, 4, 0, 6]);
  eq('stream/web', [mod('stream/web').ReadableStream === ReadableStream, mod('module').isBuiltin('node:fs'), mod('module').isBuiltin('left-pad'), mod('http').STATUS_CODES[404], mod('fs').existsSync('/nothing')], [true, true, false, 'Not Found', false]);
  new (mod('http').Agent)({ keepAlive: true });

  // AsyncLocalStorage. This text is not rewritten by the bundler: what stands behind an `await` is
  // shown by the tests of the whole.
  const { AsyncLocalStorage, AsyncResource } = mod('async_hooks'); const als = new AsyncLocalStorage(), other = new AsyncLocalStorage();
  eq('no store', als.getStore(), undefined);
  const seen = await als.run('a', () => new Promise((resolve) => {
    const list = [als.getStore(), als.run('b', () => als.getStore()), als.getStore(), als.exit(() => als.getStore()), other.run(1, () => [als.getStore(), other.getStore()])];
    Promise.resolve().then(() => list.push(als.getStore())).then(() => queueMicrotask(() => { list.push(als.getStore()); setTimeout(() => { list.push(als.getStore()); resolve(list); }, 1); }));
  }));
  eq('stores', seen, ['a', 'b', 'a', undefined, ['a', 1], 'a', 'a', 'a']); eq('left', als.getStore(), undefined);
  const [x1, x2] = await Promise.all(['x', 'y'].map((s) => als.run(s, () => Promise.resolve().then(() => Promise.resolve()).then(() => als.getStore())))); eq('side by side', [x1, x2], ['x', 'y']);
  eq('bind', [als.run('k', () => AsyncLocalStorage.bind(() => als.getStore()))(), als.run('s', () => AsyncLocalStorage.snapshot())(() => als.getStore()), als.run('r', () => new AsyncResource('T')).runInAsyncScope(() => als.getStore())], ['k', 's', 'r']);
  throws('a throw leaves', () => als.run('t', () => { throw new Error('out'); }), 'out'); eq('left after it', als.getStore(), undefined);

  if (oursAlone) {
    eq('names', ['SHA-256', 'RSA-SHA256', 'Sha256'].map((n) => c.createHash(n).digest('base64').slice(0, 4)), ['47DE', '47DE', '47DE']);
    throws('fs', () => mod('fs').readFileSync('/etc/passwd'), 'node:fs has no form'); throws('child_process', () => mod('child_process').spawn('ls'), 'node:child_process has no form');
    throws('fs.promises', () => mod('fs').promises.readFile('x'), 'node:fs has no form'); throws('net', () => mod('net').connect(80), 'node:net has no form'); throws('http', () => mod('http').request('http://x'), 'node:http has no form');
    throws('unknown', () => require('node:nothing'), "Cannot find module 'node:nothing': Node has no module of that name"); throws('no such', () => require('cloudflare:nothing'), 'there are cloudflare:workers, cloudflare:sockets');
    throws('sign', () => c.createSign('sha256'), 'crypto.subtle'); throws('scrypt', () => c.scryptSync('p', 's', 64), 'no form'); throws('brotli', () => z.brotliCompressSync('x'), 'no form'); throws('enterWith', () => als.enterWith(1), 'run()');
    throws('too many rounds', () => c.pbkdf2Sync('p', 's', 100001, 8, 'sha1'), 'ERR_OUT_OF_RANGE'); throws('exit', () => process.exit(1), 'no form');
    throws('part of the SDK', () => require('@cloudflare/sandbox/openai').Editor(), '@cloudflare/sandbox/openai has no form in a Worker here: Editor');
    eq('slash', require('node:events/') === mod('events'), true); eq('names of a proxy', [typeof Object.create(Object.getPrototypeOf(mod('fs'))).open, `${mod('fs').then}`], ['function', 'undefined']);
    eq('a big inflation', (() => { try { z.gunzipSync(z.gzipSync(B.alloc(65 << 20))); return 'no'; } catch (err) { return err.code; } })(), 'ERR_BUFFER_TOO_LARGE');
    const sockets = require('cloudflare:sockets'); throws('sockets', () => sockets.connect('x:1'), 'connect() has no local form');
    const workers = require('cloudflare:workers'); throws('withEnv', () => workers.withEnv({}, () => {}), 'withEnv() has no local form'); eq('RpcStub', new workers.RpcStub(() => 1) instanceof workers.RpcStub, true); throws('RpcStub of a number', () => new workers.RpcStub(1), 'neither');
    eq('workflows', new (require('cloudflare:workflows').NonRetryableError)('x').name, 'NonRetryableError');
    eq('env of the Worker', [process.env.TEXT, Object.keys(process.env).includes('TEXT'), process.env.OBJECT, process.env.S3], ['var', true, undefined, 's3cret']);
    delete process.env.TEXT; eq('deleted', [process.env.TEXT, 'TEXT' in process.env, Object.keys(process.env).includes('TEXT')], [undefined, false, false]); process.env.TEXT = 'set'; eq('set again', process.env.TEXT, 'set');
  }
  return failures;
}
