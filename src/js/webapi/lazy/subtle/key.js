// CryptoKey, and the JWK checks that all algorithms share.

import { base64url, dataError, own } from './common.js';

const INTERNAL = Symbol();
let handle;

export class CryptoKey {
  #handle; // C's
  #type;
  #extractable;
  #algorithm;
  #usages;
  constructor(key, type, extractable, algorithm, usages, cHandle) {
    if (key !== INTERNAL) throw new TypeError('Illegal constructor');
    this.#type = type;
    this.#extractable = extractable;
    this.#algorithm = algorithm;
    this.#usages = usages;
    this.#handle = cHandle;
  }
  static {
    handle = (key) => key.#handle;
  }
  get type() {
    return this.#type;
  }
  get extractable() {
    return this.#extractable;
  }
  get algorithm() {
    return this.#algorithm;
  }
  get usages() {
    return this.#usages;
  }
  get [Symbol.toStringTag]() {
    return 'CryptoKey';
  }
}
for (const name of ['type', 'extractable', 'algorithm', 'usages']) {
  Object.defineProperty(CryptoKey.prototype, name, { enumerable: true });
}

export function makeKey(type, extractable, algorithm, usages, cHandle) {
  if (algorithm.hash !== undefined) algorithm.hash = Object.freeze(algorithm.hash);
  return new CryptoKey(INTERNAL, type, !!extractable, Object.freeze(algorithm), Object.freeze(usages), cHandle);
}

export function handleOf(key) {
  if (!(key instanceof CryptoKey)) throw new TypeError('The key is not a CryptoKey.');
  return handle(key);
}

// use is "sig" or "enc"; alg the names that fit, null: any.
export function checkJwk(jwk, { kty, use, alg, extractable, usages }) {
  if (jwk === null || typeof jwk !== 'object') throw new TypeError('The JWK is not an object.');
  if (jwk.kty !== kty) throw dataError(`The JWK's "kty" is not "${kty}".`);
  if (usages.length !== 0 && jwk.use !== undefined && jwk.use !== use) {
    throw dataError(`The JWK's "use" is not "${use}".`);
  }
  const ops = own(jwk, 'key_ops');
  if (ops !== undefined) {
    if (!Array.isArray(ops) || new Set(ops).size !== ops.length || !usages.every((u) => ops.includes(u))) {
      throw dataError('The JWK\'s "key_ops" does not allow these usages.');
    }
  }
  if (jwk.ext === false && extractable) throw dataError('The JWK is not extractable ("ext").');
  if (alg !== null && jwk.alg !== undefined && !alg.includes(jwk.alg)) {
    throw dataError(`The JWK's "alg" is not "${alg[0]}".`);
  }
}

// The JWK of a key's parts (Uint8Arrays).
export function writeJwk(key, kty, names, parts, more = {}) {
  const jwk = { key_ops: [...key.usages], ext: key.extractable, kty, ...more };
  names.forEach((name, i) => {
    if (parts[i] !== undefined) jwk[name] = base64url(parts[i]);
  });
  return jwk;
}
