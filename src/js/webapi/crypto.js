// crypto: random values, digests, HMAC. Other algorithms throw by name.

import { DOMException } from './events.js';
import { toBytes } from './body.js';

const RANDOM_MAX = 65536;
const HASHES = { 'SHA-1': 0, 'SHA-256': 1, 'SHA-384': 2, 'SHA-512': 3, MD5: 4 };
const BLOCK_BITS = { 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024, MD5: 512 };

function hashOf(algorithm) {
  const name = `${algorithm?.name ?? algorithm}`.toUpperCase();
  if (!(name in HASHES)) {
    throw new DOMException(`Unrecognized or unimplemented digest algorithm "${name}".`, 'NotSupportedError');
  }
  return name;
}

function algorithmName(algorithm) {
  return `${algorithm?.name ?? algorithm}`.toUpperCase();
}

function unsupported(what, algorithm) {
  return new DOMException(
    `crypto.subtle.${what}: the algorithm "${algorithmName(algorithm)}" is not supported here.`,
    'NotSupportedError');
}

const INTERNAL = Symbol();

export class CryptoKey {
  #bytes;
  #facts;
  constructor(key, bytes, facts) {
    if (key !== INTERNAL) throw new TypeError('Illegal constructor');
    this.#bytes = bytes;
    this.#facts = facts;
  }
  static bytes(key) {
    if (!(key instanceof CryptoKey)) throw new TypeError('the key is not a CryptoKey');
    return key.#bytes;
  }
  get type() {
    return 'secret';
  }
  get extractable() {
    return this.#facts.extractable;
  }
  get algorithm() {
    return this.#facts.algorithm;
  }
  get usages() {
    return this.#facts.usages.slice();
  }
  get [Symbol.toStringTag]() {
    return 'CryptoKey';
  }
}

function hmacKey(bytes, hash, extractable, usages) {
  for (const u of usages) {
    if (u !== 'sign' && u !== 'verify') {
      throw new DOMException(`HMAC keys cannot be used for "${u}".`, 'SyntaxError');
    }
  }
  if (bytes.length === 0) throw new DOMException('HMAC key of no bytes.', 'DataError');
  return new CryptoKey(INTERNAL, bytes, {
    extractable: !!extractable,
    usages: [...usages],
    algorithm: { name: 'HMAC', hash: { name: hash }, length: bytes.length * 8 },
  });
}

function useKey(key, usage, algorithm, what) {
  if (algorithmName(algorithm) !== 'HMAC') throw unsupported(what, algorithm);
  const bytes = CryptoKey.bytes(key);
  if (!key.usages.includes(usage)) {
    throw new DOMException(`The key is not made for "${usage}".`, 'InvalidAccessError');
  }
  return bytes;
}

function mac(key, bytes, data) {
  const out = native.hmac(HASHES[key.algorithm.hash.name], bytes, toBytes(data));
  if (out === null) throw new DOMException('HMAC failed.', 'OperationError');
  return out;
}

class SubtleCrypto {
  async digest(algorithm, data) {
    const out = native.digest(HASHES[hashOf(algorithm)], toBytes(data));
    if (out === null) throw new DOMException('The digest failed.', 'OperationError');
    return out.buffer;
  }
  async importKey(format, keyData, algorithm, extractable, usages) {
    if (algorithmName(algorithm) !== 'HMAC') throw unsupported('importKey', algorithm);
    const hash = hashOf(algorithm.hash);
    if (format === 'raw') return hmacKey(toBytes(keyData).slice(), hash, extractable, usages);
    if (format === 'jwk') {
      if (keyData?.kty !== 'oct' || typeof keyData.k !== 'string') {
        throw new DOMException('The JWK is not of kty "oct" with a "k".', 'DataError');
      }
      const bytes = Uint8Array.fromBase64(keyData.k, { alphabet: 'base64url' });
      return hmacKey(bytes, hash, extractable, usages);
    }
    throw new DOMException(`Key format "${format}" is not supported here.`, 'NotSupportedError');
  }
  async generateKey(algorithm, extractable, usages) {
    if (algorithmName(algorithm) !== 'HMAC') throw unsupported('generateKey', algorithm);
    const hash = hashOf(algorithm.hash);
    const bytes = new Uint8Array((algorithm.length ?? BLOCK_BITS[hash]) / 8);
    fillRandom(bytes);
    return hmacKey(bytes, hash, extractable, usages);
  }
  async exportKey(format, key) {
    const bytes = CryptoKey.bytes(key);
    if (!key.extractable) throw new DOMException('The key is not extractable.', 'InvalidAccessError');
    if (format === 'raw') return bytes.slice().buffer;
    if (format === 'jwk') {
      return {
        kty: 'oct', k: bytes.toBase64({ alphabet: 'base64url', omitPadding: true }),
        alg: `HS${key.algorithm.hash.name.slice(4)}`, key_ops: key.usages, ext: true,
      };
    }
    throw new DOMException(`Key format "${format}" is not supported here.`, 'NotSupportedError');
  }
  async sign(algorithm, key, data) {
    return mac(key, useKey(key, 'sign', algorithm, 'sign'), data).buffer;
  }
  async verify(algorithm, key, signature, data) {
    const right = mac(key, useKey(key, 'verify', algorithm, 'verify'), data);
    return this.timingSafeEqual(right, signature, true);
  }
  timingSafeEqual(a, b, lengthsMayDiffer = false) {
    const x = toBytes(a), y = toBytes(b);
    if (x.length !== y.length) {
      if (lengthsMayDiffer === true) return false;
      throw new TypeError('Input buffers must have the same byte length');
    }
    let difference = 0;
    for (let i = 0; i < x.length; i++) difference |= x[i] ^ y[i];
    return difference === 0;
  }
}
for (const name of ['encrypt', 'decrypt', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey']) {
  Object.defineProperty(SubtleCrypto.prototype, name, {
    configurable: true, writable: true,
    value: async function (algorithm) {
      throw unsupported(name, algorithm);
    },
  });
}

function fillRandom(bytes) {
  if (bytes.length !== 0 && !native.random(bytes)) {
    throw new DOMException('No random bytes could be had.', 'OperationError');
  }
}

class Crypto {
  subtle = new SubtleCrypto();
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || array instanceof Float32Array ||
        array instanceof Float64Array) {
      throw new DOMException('getRandomValues takes an integer typed array.', 'TypeMismatchError');
    }
    if (array.byteLength > RANDOM_MAX) {
      throw new DOMException(`getRandomValues gives at most ${RANDOM_MAX} bytes.`, 'QuotaExceededError');
    }
    fillRandom(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  }
  randomUUID() {
    const b = new Uint8Array(16);
    fillRandom(b);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    const h = b.toHex();
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
  }
}

export { Crypto, SubtleCrypto };
export const crypto = new Crypto();
