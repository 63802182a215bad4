// crypto.subtle: what its methods have in common.

import {
  bytesOf, dataError, formatOf, hashName, hashNumber, integer, invalidAccess, nameOf, notSupported,
  operationError, refuseRandom, syntaxError, usagesOf,
} from './common.js';
import { handleOf } from './key.js';
import { aesCbc, aesCtr, aesGcm, aesKw, hkdf, hmac, pbkdf2 } from './secret.js';
import { ecdh, ecdsa, ed25519, rsaOaep, rsaPss, rsassa, x25519 } from './pair.js';

const byName = new Map([
  hmac, aesGcm, aesCbc, aesCtr, aesKw, hkdf, pbkdf2, rsassa, rsaPss, rsaOaep, ecdsa, ecdh, ed25519, x25519,
].map((a) => [a.name.toUpperCase(), a]));

// The algorithm's object and its parameters as an object.
function normalize(operation, algorithm) {
  const name = nameOf(algorithm);
  const found = byName.get(name.toUpperCase());
  if (found === undefined || found[operation] === undefined) {
    throw notSupported(`crypto.subtle.${operation}: the algorithm "${name}" is not supported here.`);
  }
  return { found, params: typeof algorithm === 'string' ? {} : algorithm };
}

function allow(found, key, usage) {
  handleOf(key);
  if (key.algorithm.name !== found.name) {
    throw invalidAccess(`The key is one of ${key.algorithm.name}, not of ${found.name}.`);
  }
  if (!key.usages.includes(usage)) throw invalidAccess(`The key is not made for "${usage}".`);
}

const buffer = (bytes) => bytes.buffer;
const copy = (source, what) => bytesOf(source, what).slice();

function needUsages(key) {
  if (key.type !== 'public' && key.usages.length === 0) {
    throw syntaxError(`A ${key.type} key without usages is of no use.`);
  }
  return key;
}

function importInto(format, data, { found, params }, extractable, usages) {
  return needUsages(found.importKey(format, data, params, !!extractable, usages));
}

// wrapKey and unwrapKey: an algorithm of their own, else encryption.
function wrapping(operation, fallback, algorithm) {
  const name = nameOf(algorithm);
  const own = byName.get(name.toUpperCase())?.[operation] !== undefined;
  const { found, params } = normalize(own ? operation : fallback, algorithm);
  return { found, params, fn: own ? found[operation] : found[fallback] };
}

function timingSafeEqual(a, b) {
  const x = bytesOf(a, 'The first value'), y = bytesOf(b, 'The second value');
  if (x.length !== y.length) throw new TypeError('Input buffers must have the same byte length');
  let difference = 0;
  for (let i = 0; i < x.length; i++) difference |= x[i] ^ y[i];
  return difference === 0;
}

export class SubtleCrypto {
  async digest(algorithm, data) {
    const out = native.digest(hashNumber(hashName(algorithm, true)), bytesOf(data, 'The data'));
    if (out === null) throw operationError('The digest failed.');
    return out.buffer;
  }
  async generateKey(algorithm, extractable, keyUsages) {
    refuseRandom();
    const { found, params } = normalize('generateKey', algorithm);
    const result = found.generateKey(params, !!extractable, usagesOf(keyUsages));
    return result.privateKey === undefined ? needUsages(result) : result;
  }
  async importKey(format, keyData, algorithm, extractable, keyUsages) {
    const kind = formatOf(format);
    const into = normalize('importKey', algorithm);
    const usages = usagesOf(keyUsages);
    return importInto(kind, kind === 'jwk' ? keyData : copy(keyData, 'The key'), into, extractable, usages);
  }
  async exportKey(format, key) {
    const kind = formatOf(format);
    handleOf(key);
    const found = byName.get(key.algorithm.name.toUpperCase());
    if (found.exportKey === undefined) throw notSupported(`${found.name}: keys cannot be exported.`);
    if (!key.extractable) throw invalidAccess('The key is not extractable.');
    return found.exportKey(kind, key);
  }
  async sign(algorithm, key, data) {
    const { found, params } = normalize('sign', algorithm);
    const bytes = bytesOf(data, 'The data');
    allow(found, key, 'sign');
    return buffer(found.sign(params, key, bytes));
  }
  async verify(algorithm, key, signature, data) {
    const { found, params } = normalize('verify', algorithm);
    const sig = bytesOf(signature, 'The signature'), bytes = bytesOf(data, 'The data');
    allow(found, key, 'verify');
    return found.verify(params, key, sig, bytes);
  }
  async encrypt(algorithm, key, data) {
    const { found, params } = normalize('encrypt', algorithm);
    const bytes = bytesOf(data, 'The data');
    allow(found, key, 'encrypt');
    return buffer(found.encrypt(params, key, bytes));
  }
  async decrypt(algorithm, key, data) {
    const { found, params } = normalize('decrypt', algorithm);
    const bytes = bytesOf(data, 'The data');
    allow(found, key, 'decrypt');
    return buffer(found.decrypt(params, key, bytes));
  }
  async deriveBits(algorithm, baseKey, length = null) {
    const { found, params } = normalize('deriveBits', algorithm);
    const bits = length === null || length === undefined ? null : integer(length, 'length');
    allow(found, baseKey, 'deriveBits');
    return buffer(found.deriveBits(params, baseKey, bits));
  }
  async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    const { found, params } = normalize('deriveBits', algorithm);
    const into = normalize('importKey', derivedKeyType);
    const usages = usagesOf(keyUsages);
    if (into.found.keyLength === undefined) throw notSupported(`A key of ${into.found.name} cannot be derived.`);
    const bits = into.found.keyLength(into.params);
    allow(found, baseKey, 'deriveKey');
    const secret = found.deriveBits(params, baseKey, bits);
    return importInto('raw', secret, into, extractable, usages);
  }
  async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    const kind = formatOf(format);
    const { found, params, fn } = wrapping('wrapKey', 'encrypt', wrapAlgorithm);
    allow(found, wrappingKey, 'wrapKey');
    const exported = await this.exportKey(kind, key);
    const bytes = kind === 'jwk' ? native.utf8Encode(JSON.stringify(exported)) : new Uint8Array(exported);
    return buffer(fn(params, wrappingKey, bytes));
  }
  async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    const kind = formatOf(format);
    const { found, params, fn } = wrapping('unwrapKey', 'decrypt', unwrapAlgorithm);
    const into = normalize('importKey', unwrappedKeyAlgorithm);
    const usages = usagesOf(keyUsages);
    const wrapped = bytesOf(wrappedKey, 'The wrapped key');
    allow(found, unwrappingKey, 'unwrapKey');
    const bytes = fn(params, unwrappingKey, wrapped);
    return importInto(kind, kind === 'jwk' ? parseJwk(bytes) : bytes, into, extractable, usages);
  }
  timingSafeEqual(a, b) {
    return timingSafeEqual(a, b);
  }
}

function parseJwk(bytes) {
  try {
    return JSON.parse(native.utf8Decode(bytes, true, false));
  } catch {
    throw dataError('What was unwrapped is no JWK.');
  }
}

Object.defineProperty(SubtleCrypto.prototype, Symbol.toStringTag, { configurable: true, value: 'SubtleCrypto' });
export const subtle = new SubtleCrypto();
