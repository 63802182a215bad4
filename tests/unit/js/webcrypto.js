// Assertions on WebCrypto, run inside the engine by the handler `webcrypto`: known answers of the
// RFCs, round trips of every algorithm and format, and the errors. Runs under node as well:
//     node -e "$(cat webcrypto.js); runCryptoTests().then(console.log)"
async function runCryptoTests() {
  const failures = [];
  const eq = (name, got, want) => {
    const a = JSON.stringify(got), b = JSON.stringify(want);
    if (a !== b) failures.push(`${name}: got ${a}, want ${b}`);
  };
  const rejects = async (name, promise, type) => {
    try { await promise; failures.push(`${name}: did not reject`); } catch (e) {
      if (e.name !== type) failures.push(`${name}: rejected with ${e.name}: ${e.message}`);
    }
  };
  const s = crypto.subtle;
  const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
  const un = (h) => new Uint8Array((h.match(/../g) ?? []).map((x) => parseInt(x, 16)));
  const utf8 = (t) => new TextEncoder().encode(t);
  const b64 = (t) => Uint8Array.from(atob(t.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const raw = (h, alg, usages) => s.importKey('raw', un(h), alg, true, usages);

  // Known answers
  // RFC 4231, case 2
  const h512 = await s.importKey('raw', utf8('Jefe'), { name: 'hmac', hash: 'sha-512' }, false, ['sign']);
  eq('hmac-512', hex(await s.sign('HMAC', h512, utf8('what do ya want for nothing?'))),
    '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737');
  // RFC 5869, cases 1 and 3
  const hk = await s.importKey('raw', un('0b'.repeat(22)), 'HKDF', false, ['deriveBits', 'deriveKey']);
  eq('hkdf 1', hex(await s.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: un('000102030405060708090a0b0c'), info: un('f0f1f2f3f4f5f6f7f8f9') }, hk, 336)),
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
  eq('hkdf 3', hex(await s.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new Uint8Array() }, hk, 336)),
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8');
  // RFC 6070 and its SHA-256 form
  const pw = await s.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits']);
  const pbkdf2 = (hash, iterations, bits) => s.deriveBits({ name: 'PBKDF2', hash, salt: utf8('salt'), iterations }, pw, bits);
  eq('pbkdf2 sha1', hex(await pbkdf2('SHA-1', 4096, 160)), '4b007901b765489abead49d926f721d065a429c1');
  eq('pbkdf2 sha256', hex(await pbkdf2('SHA-256', 4096, 256)), 'c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a');
  // RFC 3394 4.1 and 4.6: the wrapped key is the second one
  const kek = await raw('000102030405060708090a0b0c0d0e0f', 'AES-KW', ['wrapKey', 'unwrapKey']);
  const data = await raw('00112233445566778899aabbccddeeff', 'AES-CBC', ['encrypt']);
  eq('kw', hex(await s.wrapKey('raw', data, kek, 'AES-KW')), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5');
  const back = await s.unwrapKey('raw', un('1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5'), kek, 'AES-KW', 'AES-GCM', true, ['decrypt']);
  eq('kw back', hex(await s.exportKey('raw', back)), '00112233445566778899aabbccddeeff');
  await rejects('kw wrong', s.unwrapKey('raw', un('1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe6'), kek, 'AES-KW', 'AES-GCM', true, ['decrypt']), 'OperationError');
  // SP 800-38A F.2.1 and F.5.1, first blocks
  const k38 = '2b7e151628aed2a6abf7158809cf4f3c';
  const cbc = await raw(k38, 'AES-CBC', ['encrypt', 'decrypt']);
  const cbcOut = await s.encrypt({ name: 'AES-CBC', iv: un('000102030405060708090a0b0c0d0e0f') }, cbc, un('6bc1bee22e409f96e93d7e117393172a'));
  eq('cbc', hex(cbcOut).slice(0, 32), '7649abac8119b246cee98e9b12e9197d'); eq('cbc padded', cbcOut.byteLength, 32);
  const ctr = await raw(k38, 'AES-CTR', ['encrypt', 'decrypt']);
  const ctrParams = { name: 'AES-CTR', counter: un('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'), length: 64 };
  eq('ctr', hex(await s.encrypt(ctrParams, ctr, un('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51'))),
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff');
  // The GCM specification, test cases 4 and 16
  const gcmCase = async (name, key, out, aad, iv) => {
    const gk = await raw(key, 'AES-GCM', ['encrypt', 'decrypt']);
    const p = { name: 'AES-GCM', iv: un(iv), additionalData: un(aad) };
    const plain = un('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39');
    const ct = await s.encrypt(p, gk, plain);
    eq(name, hex(ct), out);
    eq(`${name} back`, hex(await s.decrypt(p, gk, ct)), hex(plain));
    const bad = new Uint8Array(ct.slice(0)); bad[0] ^= 1;
    await rejects(`${name} changed`, s.decrypt(p, gk, bad), 'OperationError');
    await rejects(`${name} other aad`, s.decrypt({ ...p, additionalData: un('00') }, gk, ct), 'OperationError');
  };
  await gcmCase('gcm 4', 'feffe9928665731c6d6a8f9467308308',
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    'feedfacedeadbeeffeedfacedeadbeefabaddad2', 'cafebabefacedbaddecaf888');
  await gcmCase('gcm 16', 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    'feedfacedeadbeeffeedfacedeadbeefabaddad2', 'cafebabefacedbaddecaf888');
  // RFC 8032 7.1, test 2
  const edJwk = { kty: 'OKP', crv: 'Ed25519', d: 'TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs', x: 'PUAXw-hDiVqStwqnTR-vJyyLM8uxJaMwviUiR1Jq2zs' };
  const edPub = await raw('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'Ed25519', ['verify']);
  const edSig = un('92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00');
  eq('ed25519', await s.verify('Ed25519', edPub, edSig, un('72')), true);
  eq('ed25519 wrong', await s.verify('Ed25519', edPub, edSig, un('73')), false);
  edJwk.x = (await s.exportKey('jwk', edPub)).x;
  const edPriv = await s.importKey('jwk', edJwk, 'Ed25519', true, ['sign']);
  eq('ed25519 sign', hex(await s.sign('Ed25519', edPriv, un('72'))), hex(edSig));
  eq('ed25519 pkcs8', hex(await s.exportKey('pkcs8', edPriv)), '302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
  await rejects('ed25519 not its x', s.importKey('jwk', { ...edJwk, x: 'A'.repeat(43) }, 'Ed25519', true, ['sign']), 'DataError');
  // RFC 7515 A.3: ES256
  const es = await s.importKey('jwk', { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  const esInput = utf8('eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ');
  const esSig = b64('DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q');
  eq('es256', await s.verify({ name: 'ECDSA', hash: 'SHA-256' }, es, esSig, esInput), true);
  eq('es256 other hash', await s.verify({ name: 'ECDSA', hash: 'SHA-384' }, es, esSig, esInput), false);
  eq('es256 short', await s.verify({ name: 'ECDSA', hash: 'SHA-256' }, es, esSig.subarray(1), esInput), false);
  await rejects('point not on the curve', s.importKey('raw', un('04' + '01'.repeat(64)), { name: 'ECDSA', namedCurve: 'P-256' }, true, []), 'DataError');
  // RFC 7748 6.1
  const xPriv = (d) => s.importKey('pkcs8', un('302e020100300506032b656e04220420' + d), 'X25519', true, ['deriveBits']);
  const alice = await xPriv('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
  const bobPub = await raw('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f', 'X25519', []);
  eq('x25519', hex(await s.deriveBits({ name: 'X25519', public: bobPub }, alice, 256)), '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');
  await rejects('x25519 all zero', s.deriveBits({ name: 'X25519', public: await raw('00'.repeat(32), 'X25519', []) }, alice, 256), 'OperationError');

  // Round trips: generate, export, import, use
  const msg = utf8('the quick brown fox');
  const formatsOf = { public: ['spki', 'jwk'], private: ['pkcs8', 'jwk'], secret: ['raw', 'jwk'] };
  const roundTrip = async (key, alg, hasRaw) => {
    let again = key;
    for (const format of [...formatsOf[key.type], ...(hasRaw && key.type === 'public' ? ['raw'] : [])]) {
      const out = await s.exportKey(format, again);
      again = await s.importKey(format, out, alg, true, key.usages);
      eq(`${alg.name} ${format}`, [again.type, again.extractable, again.algorithm.name, again.usages], [key.type, true, key.algorithm.name, key.usages]);
    }
    return again;
  };
  const rsaSize = { modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) };
  const signers = [
    [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...rsaSize }, {}],
    [{ name: 'RSA-PSS', hash: { name: 'SHA-384' }, ...rsaSize }, { saltLength: 48 }],
    [{ name: 'ECDSA', namedCurve: 'P-256' }, { hash: 'SHA-256' }, true],
    [{ name: 'ECDSA', namedCurve: 'P-384' }, { hash: 'SHA-1' }, true],
    [{ name: 'ECDSA', namedCurve: 'P-521' }, { hash: { name: 'SHA-512' } }, true],
    [{ name: 'Ed25519' }, {}, true],
  ];
  for (const [alg, params, hasRaw] of signers) {
    const { privateKey, publicKey } = await s.generateKey(alg, true, ['sign', 'verify']);
    eq(`${alg.name} usages`, [privateKey.usages, publicKey.usages, publicKey.extractable], [['sign'], ['verify'], true]);
    const priv = await roundTrip(privateKey, alg, hasRaw), pub = await roundTrip(publicKey, alg, hasRaw);
    const p = { name: alg.name, ...params };
    const sig = await s.sign(p, priv, msg);
    eq(`${alg.name} verify`, await s.verify(p, pub, sig, msg), true);
    eq(`${alg.name} verify other`, await s.verify(p, publicKey, sig, utf8('x')), false);
    eq(`${alg.name} verify cut`, await s.verify(p, pub, sig.slice(0, 10), msg), false);
    await rejects(`${alg.name} sign with public`, s.sign(p, pub, msg), 'InvalidAccessError');
    await rejects(`${alg.name} no usages`, s.generateKey(alg, true, []), 'SyntaxError');
    await rejects(`${alg.name} wrong usage`, s.generateKey(alg, true, ['encrypt']), 'SyntaxError');
  }
  const pssKey = (await s.generateKey({ name: 'RSA-PSS', hash: 'SHA-256', ...rsaSize }, false, ['sign'])).privateKey;
  eq('rsa algorithm', [pssKey.algorithm.modulusLength, [...pssKey.algorithm.publicExponent], pssKey.algorithm.hash.name], [1024, [1, 0, 1], 'SHA-256']);
  await rejects('pss salt too long', s.sign({ name: 'RSA-PSS', saltLength: 500 }, pssKey, msg), 'OperationError');
  await rejects('rsa exponent', s.generateKey({ name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([2]) }, true, ['sign']), 'OperationError');
  const oaep = { name: 'RSA-OAEP', hash: 'SHA-256', ...rsaSize };
  const pair = await s.generateKey(oaep, true, ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']);
  const label = { name: 'RSA-OAEP', label: utf8('label') };
  const ct = await s.encrypt(label, await roundTrip(pair.publicKey, oaep), msg);
  eq('oaep', hex(await s.decrypt(label, await roundTrip(pair.privateKey, oaep), ct)), hex(msg));
  await rejects('oaep other label', s.decrypt('RSA-OAEP', pair.privateKey, ct), 'OperationError');
  await rejects('oaep too long', s.encrypt('RSA-OAEP', pair.publicKey, new Uint8Array(128)), 'OperationError');
  for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
    const alg = { name: 'ECDH', namedCurve };
    const a = await s.generateKey(alg, true, ['deriveBits', 'deriveKey']), b = await s.generateKey(alg, false, ['deriveBits']);
    const ab = await s.deriveBits({ name: 'ECDH', public: await roundTrip(b.publicKey, alg, true) }, a.privateKey, null);
    eq(`ecdh ${namedCurve}`, hex(ab), hex(await s.deriveBits({ name: 'ECDH', public: a.publicKey }, b.privateKey, null)));
    eq(`ecdh ${namedCurve} size`, ab.byteLength, { 'P-256': 32, 'P-384': 48, 'P-521': 66 }[namedCurve]);
    const key = await s.deriveKey({ name: 'ECDH', public: b.publicKey }, a.privateKey, { name: 'AES-GCM', length: 256 }, true, ['encrypt']);
    eq(`ecdh key ${namedCurve}`, hex(await s.exportKey('raw', key)), hex(ab).slice(0, 64));
    await rejects('ecdh too much', s.deriveBits({ name: 'ECDH', public: b.publicKey }, a.privateKey, 1024), 'OperationError');
  }
  const p256 = await s.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
  const p384 = await s.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, true, ['deriveBits']);
  await rejects('ecdh other curve', s.deriveBits({ name: 'ECDH', public: p384.publicKey }, p256.privateKey, 256), 'InvalidAccessError');
  await rejects('ecdh private peer', s.deriveBits({ name: 'ECDH', public: p256.privateKey }, p256.privateKey, 256), 'InvalidAccessError');
  const twelve = await s.deriveBits({ name: 'ECDH', public: p256.publicKey }, p256.privateKey, 12);
  eq('bits are cut', [twelve.byteLength, new Uint8Array(twelve)[1] & 15], [2, 0]);
  for (const [name, params, max] of [['AES-GCM', { iv: un('00'.repeat(12)), tagLength: 96 }], ['AES-CBC', { iv: un('01'.repeat(16)) }], ['AES-CTR', { counter: un('ff'.repeat(16)), length: 8 }, 4096]]) {
    for (const length of [128, 192, 256]) {
      const key = await s.generateKey({ name, length }, true, ['encrypt', 'decrypt']);
      const again = await roundTrip(key, { name });
      for (const size of [0, 1, 16, 17, 1000]) {
        const plain = crypto.getRandomValues(new Uint8Array(size));
        const out = await s.encrypt({ name, ...params }, key, plain);
        eq(`${name} ${length} ${size}`, hex(await s.decrypt({ name, ...params }, again, out)), hex(plain));
      }
      if (max) await rejects(`${name} counter used up`, s.encrypt({ name, ...params }, key, new Uint8Array(max + 1)), 'OperationError');
    }
  }
  // The counter wraps within its own bits.
  const one = await raw('00'.repeat(16), 'AES-CTR', ['encrypt']);
  const at = async (counter, length, size) => hex(await s.encrypt({ name: 'AES-CTR', counter: un(counter), length }, one, new Uint8Array(size)));
  eq('ctr wraps', await at('aa'.repeat(15) + 'ff', 8, 32), await at('aa'.repeat(15) + 'ff', 8, 16) + await at('aa'.repeat(15) + '00', 8, 16));
  eq('ctr wraps at 4', await at('aa'.repeat(15) + '5e', 4, 64), await at('aa'.repeat(15) + '5e', 8, 32) + await at('aa'.repeat(15) + '50', 8, 32));
  eq('ctr carries', await at('00'.repeat(8) + 'ff'.repeat(8), 128, 32), await at('00'.repeat(8) + 'ff'.repeat(8), 64, 16) + await at('00'.repeat(7) + '01' + '00'.repeat(8), 64, 16));

  // Wrapping
  const wrapKey = await s.generateKey({ name: 'AES-GCM', length: 128 }, false, ['wrapKey', 'unwrapKey']);
  const gcmIv = { name: 'AES-GCM', iv: un('00'.repeat(12)) };
  const ecKeys = await s.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  for (const format of ['pkcs8', 'jwk']) {
    const wrapped = await s.wrapKey(format, ecKeys.privateKey, wrapKey, gcmIv);
    const key = await s.unwrapKey(format, wrapped, wrapKey, gcmIv, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const sig = await s.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, msg);
    eq(`wrapped ${format}`, await s.verify({ name: 'ECDSA', hash: 'SHA-256' }, ecKeys.publicKey, sig, msg), true);
    await rejects('wrapped, not extractable', s.exportKey('jwk', key), 'InvalidAccessError');
  }
  const byRsa = await s.wrapKey('raw', data, pair.publicKey, 'RSA-OAEP');
  eq('rsa wraps', hex(await s.exportKey('raw', await s.unwrapKey('raw', byRsa, pair.privateKey, 'RSA-OAEP', 'AES-CBC', true, ['encrypt']))), '00112233445566778899aabbccddeeff');
  await rejects('wrap what is not extractable', s.wrapKey('raw', wrapKey, pair.publicKey, 'RSA-OAEP'), 'InvalidAccessError');

  // Keys and errors
  const hm = { name: 'HMAC', hash: 'SHA-256' };
  const generated = await s.generateKey(hm, true, ['verify', 'sign', 'sign']);
  eq('hmac key', [generated.type, generated.extractable, generated.algorithm, generated.usages, Object.prototype.toString.call(generated), generated instanceof CryptoKey],
    ['secret', true, { name: 'HMAC', hash: { name: 'SHA-256' }, length: 512 }, ['sign', 'verify'], '[object CryptoKey]', true]);
  const jwk = await s.exportKey('jwk', generated);
  eq('hmac jwk', [jwk.kty, jwk.alg, jwk.ext, jwk.key_ops, jwk.k.length], ['oct', 'HS256', true, ['sign', 'verify'], 86]);
  eq('hmac again', (await s.importKey('jwk', jwk, hm, false, ['sign'])).algorithm.length, 512);
  await rejects('jwk alg', s.importKey('jwk', { ...jwk, alg: 'HS384' }, hm, true, ['sign']), 'DataError');
  await rejects('jwk ops', s.importKey('jwk', { ...jwk, key_ops: ['verify'] }, hm, true, ['sign']), 'DataError');
  await rejects('jwk ext', s.importKey('jwk', { ...jwk, ext: false }, hm, true, ['sign']), 'DataError');
  await rejects('jwk use', s.importKey('jwk', { ...jwk, use: 'enc' }, hm, true, ['sign']), 'DataError');
  await rejects('jwk kty', s.importKey('jwk', { ...jwk, kty: 'EC' }, hm, true, ['sign']), 'DataError');
  await rejects('jwk k', s.importKey('jwk', { ...jwk, k: '*' }, hm, true, ['sign']), 'DataError');
  await rejects('jwk of no object', s.importKey('jwk', utf8('x'), hm, true, ['sign']), 'DataError');
  await rejects('empty hmac', s.importKey('raw', new Uint8Array(), hm, true, ['sign']), 'DataError');
  await rejects('no usages', s.importKey('raw', msg, hm, true, []), 'SyntaxError');
  await rejects('usage of another', s.importKey('raw', msg, hm, true, ['encrypt']), 'SyntaxError');
  await rejects('no such usage', s.importKey('raw', msg, hm, true, ['dance']), 'TypeError');
  await rejects('no such format', s.importKey('pem', msg, hm, true, ['sign']), 'TypeError');
  await rejects('no hash', s.importKey('raw', msg, { name: 'HMAC' }, true, ['sign']), 'TypeError');
  await rejects('no such hash', s.importKey('raw', msg, { name: 'HMAC', hash: 'SHA-3' }, true, ['sign']), 'NotSupportedError');
  await rejects('no such algorithm', s.importKey('raw', msg, 'DES', true, ['sign']), 'NotSupportedError');
  await rejects('no such operation', s.encrypt('HMAC', generated, msg), 'NotSupportedError');
  await rejects('key of another', s.sign('Ed25519', generated, msg), 'InvalidAccessError');
  await rejects('not made for it', s.sign('HMAC', await s.importKey('raw', msg, hm, true, ['verify']), msg), 'InvalidAccessError');
  await rejects('no key', s.sign('HMAC', {}, msg), 'TypeError');
  await rejects('data is a string', s.sign('HMAC', generated, 'text'), 'TypeError');
  await rejects('aes length', s.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt']), 'OperationError');
  await rejects('aes bytes', s.importKey('raw', msg, 'AES-GCM', true, ['encrypt']), 'DataError');
  await rejects('gcm no iv', s.decrypt({ name: 'AES-GCM' }, back, msg), 'TypeError');
  await rejects('gcm tag', s.decrypt({ name: 'AES-GCM', iv: un('00'.repeat(12)), tagLength: 33 }, back, msg), 'OperationError');
  await rejects('gcm shorter than its tag', s.decrypt({ name: 'AES-GCM', iv: un('00'.repeat(12)) }, back, un('0011')), 'OperationError');
  await rejects('cbc iv', s.encrypt({ name: 'AES-CBC', iv: un('00') }, cbc, msg), 'OperationError');
  await rejects('cbc padding', s.decrypt({ name: 'AES-CBC', iv: un('00'.repeat(16)) }, cbc, un('00'.repeat(16))), 'OperationError');
  await rejects('curve', s.generateKey({ name: 'ECDSA', namedCurve: 'secp256k1' }, true, ['sign']), 'NotSupportedError');
  await rejects('spki of garbage', s.importKey('spki', msg, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']), 'DataError');
  await rejects('pkcs8 of garbage', s.importKey('pkcs8', new Uint8Array(), { name: 'RSA-PSS', hash: 'SHA-256' }, true, ['sign']), 'DataError');
  const spki = new Uint8Array(await s.exportKey('spki', ecKeys.publicKey));
  await rejects('spki of another curve', s.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-384' }, true, ['verify']), 'DataError');
  await rejects('spki and more', s.importKey('spki', un(hex(spki) + '00'), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']), 'DataError');
  await rejects('pkcs8 of a public key', s.exportKey('pkcs8', ecKeys.publicKey), 'InvalidAccessError');
  await rejects('hkdf extractable', s.importKey('raw', msg, 'HKDF', true, ['deriveBits']), 'SyntaxError');
  await rejects('hkdf length', s.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: msg, info: msg }, hk, 12), 'OperationError');
  await rejects('hkdf too long', s.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: msg, info: msg }, hk, 8 * 256 * 32), 'OperationError');
  await rejects('pbkdf2 iterations', pbkdf2('SHA-256', 0, 256), 'OperationError');
  if (typeof process === 'undefined') {
    await rejects('pbkdf2 too slow', pbkdf2('SHA-256', 100001, 256), 'NotSupportedError');
    await rejects('digest', s.digest('SHA-2', msg), 'NotSupportedError');
    eq('md5', hex(await s.digest('MD5', utf8('abc'))), '900150983cd24fb0d6963f7d28e17f72');
    eq('equal', [s.timingSafeEqual(un('01'), un('01')), s.timingSafeEqual(un('01'), un('02'))], [true, false]);
    try { s.timingSafeEqual(un('01'), un('0102')); failures.push('equal: lengths'); } catch (e) { eq('equal lengths', e.name, 'TypeError'); }
    try { new CryptoKey(); failures.push('a key out of nothing'); } catch (e) { eq('constructor', e.name, 'TypeError'); }
    eq('nothing of a key is seen', Object.keys(generated), []);
  }
  return failures;
}
