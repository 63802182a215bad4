// What the files of subtle share: errors, bytes, names, and the numbers that C knows.

import { viewOf } from '../../views.js';

let DOMException;
export let refuseRandom;
export function setup(cls, refuse) {
  DOMException = cls;
  refuseRandom = refuse;
}

const error = (name) => (message) => new DOMException(message, name);
export const dataError = error('DataError');
export const invalidAccess = error('InvalidAccessError');
export const notSupported = error('NotSupportedError');
export const operationError = error('OperationError');
export const syntaxError = error('SyntaxError');

// As the enums of crypto/crypto.h and crypto/hash.h.
export const SIGN = 0, VERIFY = 1, ENCRYPT = 2, DECRYPT = 3, DERIVE = 4;
export const RAW = 0, PKCS8 = 1, SPKI = 2;
export const SECRET = 0, RSA = 1, ED25519 = 5, X25519 = 6;
export const CURVES = { 'P-256': 2, 'P-384': 3, 'P-521': 4 };
const HASHES = { 'SHA-1': 0, 'SHA-256': 1, 'SHA-384': 2, 'SHA-512': 3, MD5: 4 };
const BLOCK_BITS = { 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };

export const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

export function bytesOf(source, what) {
  const bytes = viewOf(source);
  if (bytes === undefined) throw new TypeError(`${what} is not a BufferSource.`);
  return bytes;
}

export function nameOf(algorithm) {
  if (typeof algorithm === 'string') return algorithm;
  if (algorithm === null || typeof algorithm !== 'object' || algorithm.name === undefined) {
    throw new TypeError('The algorithm is neither a string nor an object with a name.');
  }
  return `${algorithm.name}`;
}

// Canonical name of a hash; MD5 is for digest alone.
export function hashName(algorithm, md5 = false) {
  if (algorithm === undefined) throw new TypeError('The algorithm lacks its "hash".');
  const name = nameOf(algorithm).toUpperCase();
  if (own(HASHES, name) === undefined || (name === 'MD5' && !md5)) {
    throw notSupported(`Unrecognized or unimplemented digest algorithm "${name}".`);
  }
  return name;
}
export const hashNumber = (name) => HASHES[name];
export const blockBits = (name) => BLOCK_BITS[name];

export function integer(value, what, max = 0xffffffff) {
  const n = Number(value);
  if (value === undefined || !Number.isFinite(n) || Math.trunc(n) < 0 || Math.trunc(n) > max) {
    throw new TypeError(`${what} is not an integer in range.`);
  }
  return Math.trunc(n);
}

const FORMATS = ['raw', 'pkcs8', 'spki', 'jwk'];
export function formatOf(format) {
  format = `${format}`;
  if (!FORMATS.includes(format)) throw new TypeError(`"${format}" is no key format: raw, pkcs8, spki or jwk.`);
  return format;
}

const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
// In canonical order, once each.
export function usagesOf(list) {
  if (list === null || typeof list !== 'object' || typeof list[Symbol.iterator] !== 'function') {
    throw new TypeError('The key usages are not a sequence.');
  }
  const given = new Set();
  for (const usage of list) {
    if (!USAGES.includes(`${usage}`)) throw new TypeError(`"${usage}" is no key usage.`);
    given.add(`${usage}`);
  }
  return USAGES.filter((u) => given.has(u));
}

export function allowUsages(usages, allowed, name) {
  for (const u of usages) {
    if (!allowed.includes(u)) throw syntaxError(`A key of ${name} cannot be used for "${u}".`);
  }
}

export function base64url(bytes) {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

export function fromBase64url(text, what) {
  if (typeof text !== 'string') throw dataError(`The JWK has no "${what}".`);
  try {
    if (/[\s=]/.test(text)) throw null;
    return Uint8Array.fromBase64(text, { alphabet: 'base64url' });
  } catch {
    throw dataError(`"${what}" of the JWK is not base64url.`);
  }
}

// One operation of C's.
export function run(what, algorithm, hash, key, { peer = null, data, iv, extra, number = 0, length = 0 }) {
  return native.cryptoRun(what, algorithm, hash === null ? 0 : HASHES[hash], key, peer, data, iv, extra, number, length);
}
