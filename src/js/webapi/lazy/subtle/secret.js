// Keys that are bytes: HMAC, AES, HKDF, PBKDF2. Each algorithm is an object of the operations that
// it has; what is missing is not supported.

import {
  DECRYPT, DERIVE, ENCRYPT, RAW, SECRET, SIGN, VERIFY, allowUsages, blockBits, bytesOf, dataError,
  fromBase64url, hashName, integer, notSupported, operationError, run, syntaxError,
} from './common.js';
import { checkJwk, handleOf, makeKey, writeJwk } from './key.js';

const HMAC = 0, GCM = 6, CBC = 7, CTR = 8, KW = 9, HKDF = 11, PBKDF2 = 12; // crypto/crypto.h
const HMAC_BITS_MAX = 32768;
const ITERATIONS_MAX = 100000;

function importSecret(bytes) {
  const key = native.keyImport(SECRET, RAW, bytes);
  if (key === null) throw operationError('The key could not be stored.');
  return key;
}

const rawOf = (key) => native.keyExport(handleOf(key), RAW);

function checked(result, what) {
  if (result === null) throw operationError(`${what} failed.`);
  return result;
}

// Bytes of a raw or JWK import.
function secretBytes(format, data, jwkRules) {
  if (format === 'raw') return bytesOf(data, 'The key');
  if (format !== 'jwk') throw notSupported(`Such keys cannot be imported as "${format}".`);
  checkJwk(data, { kty: 'oct', ...jwkRules });
  return fromBase64url(data.k, 'k');
}

function exportSecret(format, key, alg) {
  if (format === 'raw') return rawOf(key).buffer;
  if (format !== 'jwk') throw notSupported(`Such keys cannot be exported as "${format}".`);
  return writeJwk(key, 'oct', ['k'], [rawOf(key)], { alg });
}

const hmacAlg = (hash) => `HS${hash.slice(4)}`;

function hmacLength(algorithm, hash) {
  return algorithm.length === undefined ? blockBits(hash) : integer(algorithm.length, 'length');
}

export const hmac = {
  name: 'HMAC',
  generateKey(algorithm, extractable, usages) {
    const hash = hashName(algorithm.hash);
    const bits = hmacLength(algorithm, hash);
    allowUsages(usages, ['sign', 'verify'], 'HMAC');
    if (bits === 0 || bits > HMAC_BITS_MAX) throw operationError('HMAC: a key cannot have that length.');
    const key = native.keyGenerate(SECRET, Math.ceil(bits / 8) * 8, 0);
    return makeKey('secret', extractable, { name: 'HMAC', hash: { name: hash }, length: bits }, usages,
      checked(key, 'generateKey'));
  },
  importKey(format, data, algorithm, extractable, usages) {
    const hash = hashName(algorithm.hash);
    allowUsages(usages, ['sign', 'verify'], 'HMAC');
    const bytes = secretBytes(format, data, { use: 'sig', alg: [hmacAlg(hash)], extractable, usages });
    const bits = bytes.length * 8;
    if (bits === 0) throw dataError('HMAC: a key of no bytes.');
    const length = algorithm.length === undefined ? bits : integer(algorithm.length, 'length');
    if (length > bits || length <= bits - 8) throw dataError('HMAC: "length" is not that of the key.');
    return makeKey('secret', extractable, { name: 'HMAC', hash: { name: hash }, length }, usages,
      importSecret(bytes));
  },
  exportKey: (format, key) => exportSecret(format, key, hmacAlg(key.algorithm.hash.name)),
  keyLength(algorithm) {
    const bits = hmacLength(algorithm, hashName(algorithm.hash));
    if (bits === 0) throw new TypeError('HMAC: "length" is 0.');
    return bits;
  },
  sign: (_, key, data) => checked(run(SIGN, HMAC, key.algorithm.hash.name, handleOf(key), { data }), 'HMAC'),
  verify: (_, key, iv, data) =>
    checked(run(VERIFY, HMAC, key.algorithm.hash.name, handleOf(key), { data, iv }), 'HMAC'),
};

function aesBits(algorithm) {
  const bits = integer(algorithm.length, 'length', 65535);
  if (bits !== 128 && bits !== 192 && bits !== 256) throw operationError('AES: "length" is not 128, 192 or 256.');
  return bits;
}

function aes(name, suffix, allowed, operations) {
  return {
    name,
    generateKey(algorithm, extractable, usages) {
      const bits = aesBits(algorithm);
      allowUsages(usages, allowed, name);
      return makeKey('secret', extractable, { name, length: bits }, usages,
        checked(native.keyGenerate(SECRET, bits, 0), 'generateKey'));
    },
    importKey(format, data, algorithm, extractable, usages) {
      allowUsages(usages, allowed, name);
      const bytes = secretBytes(format, data, { use: 'enc', alg: null, extractable, usages });
      const bits = bytes.length * 8;
      if (bits !== 128 && bits !== 192 && bits !== 256) throw dataError('AES: a key has 128, 192 or 256 bits.');
      if (format === 'jwk' && data.alg !== undefined && data.alg !== `A${bits}${suffix}`) {
        throw dataError(`The JWK's "alg" is not "A${bits}${suffix}".`);
      }
      return makeKey('secret', extractable, { name, length: bits }, usages, importSecret(bytes));
    },
    exportKey: (format, key) => exportSecret(format, key, `A${key.algorithm.length}${suffix}`),
    keyLength: aesBits,
    ...operations,
  };
}

const CIPHER = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];

function bothWays(number, params) {
  const way = (what) => (algorithm, key, data) => {
    const p = params(algorithm);
    return checked(run(what, number, null, handleOf(key), { ...p, data }), what === ENCRYPT ? 'encrypt' : 'decrypt');
  };
  return { encrypt: way(ENCRYPT), decrypt: way(DECRYPT) };
}

function required(algorithm, name) {
  if (typeof algorithm !== 'object' || algorithm[name] === undefined) {
    throw new TypeError(`The algorithm lacks its "${name}".`);
  }
  return bytesOf(algorithm[name], name);
}

const TAG_BITS = [32, 64, 96, 104, 112, 120, 128];

export const aesGcm = aes('AES-GCM', 'GCM', CIPHER, bothWays(GCM, (algorithm) => {
  const iv = required(algorithm, 'iv');
  const bits = algorithm.tagLength === undefined ? 128 : integer(algorithm.tagLength, 'tagLength', 255);
  if (!TAG_BITS.includes(bits)) throw operationError(`AES-GCM: a tag cannot have ${bits} bits.`);
  if (iv.length === 0) throw operationError('AES-GCM: an IV of no bytes.');
  const aad = algorithm.additionalData;
  return { iv, extra: aad === undefined ? undefined : bytesOf(aad, 'additionalData'), number: bits / 8 };
}));

export const aesCbc = aes('AES-CBC', 'CBC', CIPHER, bothWays(CBC, (algorithm) => {
  const iv = required(algorithm, 'iv');
  if (iv.length !== 16) throw operationError('AES-CBC: the IV has 16 bytes.');
  return { iv };
}));

export const aesCtr = aes('AES-CTR', 'CTR', CIPHER, bothWays(CTR, (algorithm) => {
  const iv = required(algorithm, 'counter');
  const bits = integer(algorithm.length, 'length', 255);
  if (iv.length !== 16) throw operationError('AES-CTR: the counter has 16 bytes.');
  if (bits === 0 || bits > 128) throw operationError('AES-CTR: "length" is from 1 to 128.');
  return { iv, number: bits };
}));

const kw = bothWays(KW, () => ({}));
export const aesKw = aes('AES-KW', 'KW', ['wrapKey', 'unwrapKey'], { wrapKey: kw.encrypt, unwrapKey: kw.decrypt });

function derived(name, number, params) {
  return {
    name,
    importKey(format, data, algorithm, extractable, usages) {
      if (format !== 'raw') throw notSupported(`${name}: keys come as "raw".`);
      allowUsages(usages, ['deriveKey', 'deriveBits'], name);
      if (extractable) throw syntaxError(`${name}: a key cannot be extractable.`);
      return makeKey('secret', false, { name }, usages, importSecret(bytesOf(data, 'The key')));
    },
    keyLength: () => null,
    deriveBits(algorithm, key, bits) {
      const p = params(algorithm);
      if (bits === null || bits % 8 !== 0) throw operationError(`${name}: "length" is not a multiple of 8.`);
      const hash = hashName(algorithm.hash);
      return checked(run(DERIVE, number, hash, handleOf(key), { ...p, length: bits / 8 }), 'deriveBits');
    },
  };
}

export const hkdf = derived('HKDF', HKDF, (algorithm) => ({
  iv: required(algorithm, 'salt'), extra: required(algorithm, 'info'),
}));

export const pbkdf2 = derived('PBKDF2', PBKDF2, (algorithm) => {
  const iv = required(algorithm, 'salt');
  const number = integer(algorithm.iterations, 'iterations');
  if (number === 0) throw operationError('PBKDF2: "iterations" is 0.');
  if (number > ITERATIONS_MAX) {
    throw notSupported(`PBKDF2: more than ${ITERATIONS_MAX} iterations (${number}) are not supported.`);
  }
  return { iv, number };
});
