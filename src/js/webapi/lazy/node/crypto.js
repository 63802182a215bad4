// node:crypto over the primitives of WebCrypto: digests, HMAC, random values, derivation, AES, secret keys.

import { viewOf } from '../../views.js';
import { secretKeys } from './keys.js';

const HASHES = { __proto__: null, sha1: 0, sha256: 1, sha384: 2, sha512: 3, md5: 4 }; // as enum crypto_hash
const BLOCK = { __proto__: null, sha1: 64, sha256: 64, sha384: 128, sha512: 128, md5: 64 };
const ENCRYPT = 2, DECRYPT = 3, DERIVE = 4, GCM = 6, CBC = 7, CTR = 8, HKDF = 11, PBKDF2 = 12; // crypto.h
const CIPHERS = { gcm: GCM, cbc: CBC, ctr: CTR };
const ITERATIONS_MAX = 100000, DERIVED_MAX = 16 * 1024 * 1024, DATA_MAX = 64 * 1024 * 1024, RANDOM_MAX = 2 ** 31 - 1;

function coded(message, code) {
  return Object.assign(new Error(message), { code });
}

function hashOf(name) {
  const plain = `${name}`.toLowerCase().replace(/^(rsa-)?sha-/, 'sha').replace(/^rsa-/, '');
  if (HASHES[plain] === undefined) throw coded(`Digest method not supported: ${name}`, 'ERR_CRYPTO_INVALID_DIGEST');
  return plain;
}

export function crypto({ Buffer: bufferClass, webcrypto, library }) {
  const Buffer = bufferClass();
  const { Transform } = library('stream');

  function bytesOf(data, encoding, what = 'data') {
    if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? undefined : encoding);
    const bytes = viewOf(data);
    if (bytes !== undefined) return bytes;
    throw Object.assign(new TypeError(`The "${what}" argument must be of type string or an instance of Buffer, TypedArray, or DataView.`), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  const keys = secretKeys(Buffer, webcrypto);
  const keyBytes = (key) => keys.bytes(key) ?? bytesOf(key, 'utf8', 'key');
  // The end of a step of a stream, whose errors are the stream's.
  const step = (fn, callback) => {
    try {
      fn();
    } catch (e) {
      callback(e);
      return;
    }
    callback();
  };
  const output = (bytes, encoding) => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return encoding === undefined || encoding === null || encoding === 'buffer' ? buffer : buffer.toString(encoding);
  };

  let hasherOf;
  class Digest extends Transform {
    #hasher;
    #inner;
    #done = false;
    constructor(hasher, finish) {
      super();
      this.#hasher = hasher;
      this.#inner = finish;
    }
    update(data, encoding = undefined) {
      if (this.#done) throw coded('Digest already called', 'ERR_CRYPTO_HASH_FINALIZED');
      if (!native.hashUpdate(this.#hasher, bytesOf(data, encoding))) throw new Error('The digest failed.');
      return this;
    }
    digest(encoding = undefined) {
      if (this.#done) throw coded('Digest already called', 'ERR_CRYPTO_HASH_FINALIZED');
      this.#done = true;
      return output(this.#inner(native.hashDigest(this.#hasher)), encoding);
    }
    _transform(chunk, encoding, callback) {
      step(() => this.update(chunk, encoding), callback);
    }
    _flush(callback) {
      step(() => this.push(this.digest()), callback);
    }
    static {
      hasherOf = (digest) => {
        if (digest.#done) throw coded('Digest already called', 'ERR_CRYPTO_HASH_FINALIZED');
        return digest.#hasher;
      };
    }
  }
  class Hash extends Digest {
    constructor(name, from = undefined) {
      super(from instanceof Hash ? native.hashCopy(hasherOf(from)) : native.hashOpen(HASHES[hashOf(name)]), (bytes) => bytes);
    }
    copy() {
      return new Hash('', this);
    }
  }
  // RFC 2104, over the digest that comes piece by piece.
  class Hmac extends Digest {
    constructor(name, key) {
      const hash = hashOf(name), size = BLOCK[hash];
      let secret = keyBytes(key);
      if (secret.length > size) secret = native.digest(HASHES[hash], secret);
      const pad = (byte) => {
        const block = new Uint8Array(size).fill(byte);
        for (let i = 0; i < secret.length; i++) block[i] ^= secret[i];
        const hasher = native.hashOpen(HASHES[hash]);
        native.hashUpdate(hasher, block);
        block.fill(0);
        return hasher;
      };
      const outer = pad(0x5c);
      super(pad(0x36), (bytes) => {
        native.hashUpdate(outer, bytes);
        return native.hashDigest(outer);
      });
    }
  }

  function whole(value, what, max, min = 0) {
    if (!Number.isInteger(value) || value < min || value > max) {
      throw Object.assign(new RangeError(`The value of "${what}" is out of range.`), { code: 'ERR_OUT_OF_RANGE' });
    }
    return value;
  }
  function fill(bytes) {
    for (let at = 0; at < bytes.length; at += 65536) webcrypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  }
  // What has a callback form: it comes in a turn of its own.
  const later = (fn, callback) => {
    if (typeof callback !== 'function') return fn();
    Promise.resolve().then(fn).then((v) => queueMicrotask(() => callback(null, v)), (e) => queueMicrotask(() => callback(e)));
    return undefined;
  };
  function randomBytes(size, callback = undefined) {
    whole(size, 'size', RANDOM_MAX);
    return later(() => fill(Buffer.alloc(size)), callback);
  }
  function randomFillSync(buffer, offset = 0, size = undefined) {
    const bytes = bytesOf(buffer, undefined, 'buf');
    fill(bytes.subarray(offset, size === undefined ? undefined : offset + size));
    return buffer;
  }
  function randomInt(min, max, callback) {
    if (max === undefined || typeof max === 'function') return randomInt(0, min, max);
    const range = max - min;
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || range <= 0 || range > 2 ** 48 - 1) {
      throw Object.assign(new RangeError('The value of "max" is out of range.'), { code: 'ERR_OUT_OF_RANGE' });
    }
    return later(() => {
      const limit = 2 ** 48 - 2 ** 48 % range; // above it the low numbers would come too often
      for (;;) {
        const b = fill(new Uint8Array(6));
        const n = b.reduce((sum, x) => sum * 256 + x, 0);
        if (n < limit) return min + n % range;
      }
    }, callback);
  }
  function timingSafeEqual(a, b) {
    const x = bytesOf(a), y = bytesOf(b);
    if (x.length !== y.length) {
      throw Object.assign(new RangeError('Input buffers must have the same byte length'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
    }
    return webcrypto.subtle.timingSafeEqual(x, y);
  }

  const secretKey = (bytes) => native.keyImport(0, 0, bytes);
  function derive(algorithm, hash, secret, salt, extra, number, length) {
    if (length === 0) return Buffer.alloc(0);
    const out = native.cryptoRun(DERIVE, algorithm, HASHES[hash], secretKey(secret), null, undefined, salt, extra, number, length);
    if (out === null) throw new Error('The derivation failed.');
    return output(out);
  }
  function pbkdf2Sync(password, salt, iterations, length, digest) {
    whole(iterations, 'iterations', ITERATIONS_MAX, 1);
    whole(length, 'keylen', DERIVED_MAX);
    return derive(PBKDF2, hashOf(digest), bytesOf(password), bytesOf(salt), undefined, iterations, length);
  }
  function hkdfSync(digest, secret, salt, info, length) {
    const hash = hashOf(digest);
    whole(length, 'keylen', 255 * native.digest(HASHES[hash], '').length);
    const out = derive(HKDF, hash, keyBytes(secret), bytesOf(salt), bytesOf(info), 0, length);
    return out.buffer.slice(out.byteOffset, out.byteOffset + out.byteLength);
  }

  // All of it is done at final(): what update() and final() give together is what Node's give.
  class Cipher extends Transform {
    #mode;
    #what;
    #algorithm;
    #key;
    #iv;
    #aad = [];
    #tag = null;
    #tagLength;
    #chunks = [];
    #size = 0;
    #done = false;
    constructor(what, name, key, iv, options) {
      super();
      const m = /^aes-?(128|192|256)-(gcm|cbc|ctr)$/i.exec(`${name}`);
      if (m === null) throw coded(`Unknown cipher: ${name} (here: aes-128/192/256-gcm, -cbc, -ctr)`, 'ERR_CRYPTO_UNKNOWN_CIPHER');
      this.#mode = m[2].toLowerCase();
      this.#what = what;
      this.#algorithm = CIPHERS[this.#mode];
      const bytes = keyBytes(key);
      if (bytes.length * 8 !== Number(m[1])) throw Object.assign(new RangeError('Invalid key length'), { code: 'ERR_CRYPTO_INVALID_KEYLEN' });
      this.#key = secretKey(bytes);
      this.#iv = bytesOf(iv, 'utf8', 'iv').slice();
      if (this.#mode !== 'gcm' && this.#iv.length !== 16) throw Object.assign(new TypeError('Invalid initialization vector'), { code: 'ERR_CRYPTO_INVALID_IV' });
      this.#tagLength = options?.authTagLength ?? 16;
    }
    update(data, from = undefined, to = undefined) {
      if (this.#done) throw coded('Unsupported state', 'ERR_CRYPTO_INVALID_STATE');
      const bytes = bytesOf(data, from).slice();
      this.#size += bytes.length;
      if (this.#size > DATA_MAX) throw new RangeError(`A cipher takes at most ${DATA_MAX} bytes here.`);
      this.#chunks.push(bytes);
      return output(new Uint8Array(0), to);
    }
    final(to = undefined) {
      if (this.#done) throw coded('Unsupported state', 'ERR_CRYPTO_INVALID_STATE');
      this.#done = true;
      const opening = this.#what === DECRYPT, gcm = this.#mode === 'gcm';
      if (gcm && opening) {
        if (this.#tag === null || this.#tag.length !== this.#tagLength) throw coded('Unsupported state or unable to authenticate data', 'ERR_CRYPTO_INVALID_STATE');
        this.#chunks.push(this.#tag);
      }
      const data = Buffer.concat(this.#chunks);
      const out = native.cryptoRun(this.#what, this.#algorithm, 0, this.#key, null, data, this.#iv,
        gcm ? Buffer.concat(this.#aad) : undefined, gcm ? this.#tagLength : this.#mode === 'ctr' ? 128 : 0, 0);
      if (out === null) throw new Error(gcm && opening ? 'Unsupported state or unable to authenticate data' : 'The cipher failed: wrong key, padding or sizes.');
      if (!gcm || opening) return output(out, to);
      this.#tag = out.slice(out.length - this.#tagLength);
      return output(out.subarray(0, out.length - this.#tagLength), to);
    }
    setAAD(data) {
      this.#aad.push(bytesOf(data).slice());
      return this;
    }
    setAuthTag(tag) {
      this.#tag = bytesOf(tag).slice();
      return this;
    }
    getAuthTag() {
      if (!this.#done || this.#tag === null) throw coded('Invalid state for operation getAuthTag', 'ERR_CRYPTO_INVALID_STATE');
      return output(this.#tag);
    }
    setAutoPadding(on = true) {
      if (!on && this.#mode === 'cbc') throw new Error('node:crypto: setAutoPadding(false) has no form here.');
      return this;
    }
    _transform(chunk, encoding, callback) {
      step(() => this.update(chunk, encoding), callback);
    }
    _flush(callback) {
      step(() => this.push(this.final()), callback);
    }
  }

  const absent = Object.fromEntries([
    'Certificate', 'DiffieHellman', 'ECDH', 'Sign', 'Verify', 'X509Certificate', 'argon2', 'argon2Sync', 'checkPrime',
    'createDiffieHellman', 'createECDH', 'createPrivateKey', 'createPublicKey', 'createSign', 'createVerify',
    'diffieHellman', 'generateKey', 'generateKeyPair', 'generateKeyPairSync', 'generateKeySync', 'generatePrime', 'privateDecrypt',
    'privateEncrypt', 'publicDecrypt', 'publicEncrypt', 'scrypt', 'scryptSync', 'sign', 'verify',
  ].map((name) => [name, { [name]: function () {
    throw new Error(`node:crypto: ${name} has no form in a Worker here; crypto.subtle has signatures, keys and agreement.`);
  } }[name]]));

  return {
    ...absent, Hash, Hmac, KeyObject: keys.KeyObject, Cipheriv: Cipher, Decipheriv: Cipher, constants: {}, webcrypto, subtle: webcrypto.subtle,
    createHash: (name) => new Hash(name), createHmac: (name, key) => new Hmac(name, key),
    createSecretKey: (key, encoding) => keys.make(bytesOf(key, encoding, 'key').slice()),
    createCipheriv: (name, key, iv, options) => new Cipher(ENCRYPT, name, key, iv, options),
    createDecipheriv: (name, key, iv, options) => new Cipher(DECRYPT, name, key, iv, options),
    getCiphers: () => [128, 192, 256].flatMap((n) => ['cbc', 'ctr', 'gcm'].map((m) => `aes-${n}-${m}`)),
    getHashes: () => Object.keys(HASHES), getRandomValues: (array) => webcrypto.getRandomValues(array),
    hash: (name, data, encoding = 'hex') => new Hash(name).update(data).digest(encoding),
    hkdfSync, pbkdf2Sync, randomBytes, randomFillSync, randomInt, timingSafeEqual, randomUUID: () => webcrypto.randomUUID(),
    hkdf: (digest, secret, salt, info, length, callback) => later(() => hkdfSync(digest, secret, salt, info, length), callback),
    pbkdf2: (password, salt, n, length, digest, callback) => later(() => pbkdf2Sync(password, salt, n, length, digest), callback),
    randomFill: (buffer, ...rest) => later(() => randomFillSync(buffer, ...rest.slice(0, -1)), rest.at(-1)), pseudoRandomBytes: randomBytes,
  };
}
