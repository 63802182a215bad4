// Keys that come in pairs: RSA, the NIST curves, Ed25519 and X25519.

import {
  CURVES, DECRYPT, DERIVE, ED25519, ENCRYPT, PKCS8, RAW, RSA, SIGN, SPKI, VERIFY, X25519, allowUsages,
  bytesOf, dataError, fromBase64url, hashName, integer, invalidAccess, notSupported, operationError,
  own, run, syntaxError,
} from './common.js';
import { checkJwk, handleOf, makeKey, writeJwk } from './key.js';

const RSA_PKCS1 = 1, RSA_PSS = 2, ECDSA = 3, EDDSA = 4, OAEP = 5, ECDH = 10; // crypto/crypto.h

const RSA_PARTS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];
const EC_PARTS = ['x', 'y', 'd'];
const OKP_PARTS = ['x', 'd'];

function need(result, what) {
  if (result === null) throw operationError(`${what} failed.`);
  return result;
}

function needType(key, type) {
  if (key.type !== type) throw invalidAccess(`The key is not a ${type} key.`);
  return handleOf(key);
}

// {privateKey, publicKey} on one handle of C's.
function pairOf(cHandle, extractable, algorithm, usages, { publicUsages, privateUsages, name }) {
  allowUsages(usages, [...publicUsages, ...privateUsages], name);
  const key = need(cHandle(), 'generateKey');
  const some = (allowed) => usages.filter((u) => allowed.includes(u));
  if (some(privateUsages).length === 0) throw syntaxError('The private key would have no usages.');
  return {
    publicKey: makeKey('public', true, { ...algorithm }, some(publicUsages), key),
    privateKey: makeKey('private', extractable, { ...algorithm }, some(privateUsages), key),
  };
}

function partsOf(jwk, names) {
  const parts = names.map((n) => (jwk[n] === undefined ? undefined : fromBase64url(jwk[n], n)));
  while (parts.length < 8) parts.push(undefined);
  return parts;
}

// {type, handle} of an import in any format. rules: {type: of C's, kty, use, alg, parts, secret: name
// of the part that makes it private, raw: a public key may come as such, fits(jwk)}
function importAny(format, data, extractable, usages, family, rules) {
  const { publicUsages, privateUsages, name } = family;
  const isPrivate = format === 'pkcs8' || (format === 'jwk' && data?.[rules.secret] !== undefined);
  if (format === 'raw' && !rules.raw) throw notSupported(`${name}: keys do not come as "raw".`);
  allowUsages(usages, isPrivate ? privateUsages : publicUsages, name);
  let handle;
  if (format === 'jwk') {
    checkJwk(data, { kty: rules.kty, use: rules.use, alg: rules.alg, extractable: isPrivate && extractable, usages });
    rules.fits(data);
    handle = native.keyFromParts(rules.type, ...partsOf(data, rules.parts));
  } else {
    const number = { raw: RAW, pkcs8: PKCS8, spki: SPKI }[format];
    handle = native.keyImport(rules.type, number, bytesOf(data, 'The key'));
  }
  if (handle === null) throw dataError(`${name}: this is no such key.`);
  return { type: isPrivate ? 'private' : 'public', handle };
}

function exportAny(format, key, rules) {
  const handle = handleOf(key);
  if (format === 'jwk') {
    const parts = need(native.keyParts(handle, key.type === 'private'), 'exportKey');
    return writeJwk(key, rules.kty, rules.parts, parts, rules.more);
  }
  if (format === 'raw' && !rules.raw) throw notSupported('Such keys cannot be exported as "raw".');
  needType(key, format === 'pkcs8' ? 'private' : 'public');
  return need(native.keyExport(handle, { raw: RAW, pkcs8: PKCS8, spki: SPKI }[format]), 'exportKey').buffer;
}

function exponentOf(bytes) {
  let e = 0;
  for (const b of bytes) e = e > 0xffff ? 0 : e * 256 + b;
  return e;
}

function rsa(name, algOf, publicUsages, privateUsages, operations) {
  const family = { name, publicUsages, privateUsages };
  const facts = (handle, hash) => {
    const [n, e] = native.keyParts(handle, false);
    const modulusLength = n.length * 8 - Math.clz32(n[0]) + 24;
    return { name, modulusLength, publicExponent: e, hash: { name: hash } };
  };
  return {
    name,
    generateKey(algorithm, extractable, usages) {
      const bits = integer(algorithm.modulusLength, 'modulusLength');
      if (!(algorithm.publicExponent instanceof Uint8Array)) {
        throw new TypeError('The algorithm lacks its "publicExponent".');
      }
      const hash = hashName(algorithm.hash);
      const e = exponentOf(algorithm.publicExponent);
      return pairOf(() => native.keyGenerate(RSA, bits, e), extractable,
        { name, modulusLength: bits, publicExponent: algorithm.publicExponent.slice(), hash: { name: hash } },
        usages, family);
    },
    importKey(format, data, algorithm, extractable, usages) {
      const hash = hashName(algorithm.hash);
      const { type, handle } = importAny(format, data, extractable, usages, family, {
        type: RSA, kty: 'RSA', use: name === 'RSA-OAEP' ? 'enc' : 'sig', alg: [algOf(hash)],
        parts: RSA_PARTS, secret: 'd', raw: false,
        fits(jwk) {
          if (jwk.oth !== undefined) throw notSupported('RSA keys of more than two primes are not supported.');
        },
      });
      return makeKey(type, type === 'public' || extractable, facts(handle, hash), usages, handle);
    },
    exportKey: (format, key) => exportAny(format, key,
      { kty: 'RSA', parts: RSA_PARTS, raw: false, more: { alg: algOf(key.algorithm.hash.name) } }),
    ...operations,
  };
}

const SIGNING = [['verify'], ['sign']];

// params(algorithm, key) -> {hash, number}
function signing(number, params) {
  return {
    sign(algorithm, key, data) {
      const { hash, ...more } = params(algorithm, key);
      return need(run(SIGN, number, hash, needType(key, 'private'), { ...more, data }), 'sign');
    },
    verify(algorithm, key, iv, data) {
      const { hash, ...more } = params(algorithm, key);
      return need(run(VERIFY, number, hash, needType(key, 'public'), { ...more, data, iv }), 'verify');
    },
  };
}

const size = (hash) => hash.slice(4);
const rsaHash = (key) => key.algorithm.hash.name;

export const rsassa = rsa('RSASSA-PKCS1-v1_5', (hash) => `RS${size(hash)}`, ...SIGNING,
  signing(RSA_PKCS1, (_, key) => ({ hash: rsaHash(key) })));

export const rsaPss = rsa('RSA-PSS', (hash) => `PS${size(hash)}`, ...SIGNING,
  signing(RSA_PSS, (algorithm, key) => ({ hash: rsaHash(key), number: integer(algorithm.saltLength, 'saltLength') })));

function oaep(what, type) {
  return (algorithm, key, data) => {
    const label = algorithm.label === undefined ? undefined : bytesOf(algorithm.label, 'label');
    return need(run(what, OAEP, rsaHash(key), needType(key, type), { data, extra: label }),
      what === ENCRYPT ? 'encrypt' : 'decrypt');
  };
}
export const rsaOaep = rsa('RSA-OAEP', (hash) => (hash === 'SHA-1' ? 'RSA-OAEP' : `RSA-OAEP-${size(hash)}`),
  ['encrypt', 'wrapKey'], ['decrypt', 'unwrapKey'],
  { encrypt: oaep(ENCRYPT, 'public'), decrypt: oaep(DECRYPT, 'private') });

function curveOf(algorithm) {
  if (algorithm.namedCurve === undefined) throw new TypeError('The algorithm lacks its "namedCurve".');
  const curve = `${algorithm.namedCurve}`;
  if (own(CURVES, curve) === undefined) throw notSupported(`The curve "${curve}" is not supported.`);
  return curve;
}

const ES = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };

function ec(name, publicUsages, privateUsages, operations) {
  const family = { name, publicUsages, privateUsages };
  return {
    name,
    generateKey(algorithm, extractable, usages) {
      const curve = curveOf(algorithm);
      return pairOf(() => native.keyGenerate(CURVES[curve], 0, 0), extractable, { name, namedCurve: curve },
        usages, family);
    },
    importKey(format, data, algorithm, extractable, usages) {
      const curve = curveOf(algorithm);
      const { type, handle } = importAny(format, data, extractable, usages, family, {
        type: CURVES[curve], kty: 'EC', use: name === 'ECDSA' ? 'sig' : 'enc',
        alg: name === 'ECDSA' ? [ES[curve]] : null, parts: EC_PARTS, secret: 'd', raw: true,
        fits(jwk) {
          if (jwk.crv !== curve) throw dataError(`The JWK's "crv" is not "${curve}".`);
        },
      });
      return makeKey(type, type === 'public' || extractable, { name, namedCurve: curve }, usages, handle);
    },
    exportKey: (format, key) => exportAny(format, key,
      { kty: 'EC', parts: EC_PARTS, raw: true, more: { crv: key.algorithm.namedCurve } }),
    ...operations,
  };
}

export const ecdsa = ec('ECDSA', ...SIGNING, signing(ECDSA, (algorithm) => ({ hash: hashName(algorithm.hash) })));

function deriveBits(algorithm, key, bits) {
  const peer = algorithm.public;
  const ours = needType(key, 'private');
  const theirs = handleOf(peer);
  if (peer.type !== 'public' || peer.algorithm.name !== key.algorithm.name ||
      peer.algorithm.namedCurve !== key.algorithm.namedCurve) {
    throw invalidAccess('"public" is not a public key of the same kind.');
  }
  const secret = need(run(DERIVE, ECDH, null, ours, { peer: theirs }), 'deriveBits');
  if (bits === null) return secret;
  if (bits > secret.length * 8) throw operationError('deriveBits: "length" is more than the secret has.');
  const out = secret.slice(0, Math.ceil(bits / 8));
  if (bits % 8 !== 0) out[out.length - 1] &= 0xff << (8 - (bits % 8));
  return out;
}

export const ecdh = ec('ECDH', [], ['deriveKey', 'deriveBits'], { deriveBits });

function okp(name, type, use, alg, publicUsages, privateUsages, operations) {
  const family = { name, publicUsages, privateUsages };
  return {
    name,
    generateKey: (algorithm, extractable, usages) =>
      pairOf(() => native.keyGenerate(type, 0, 0), extractable, { name }, usages, family),
    importKey(format, data, algorithm, extractable, usages) {
      const found = importAny(format, data, extractable, usages, family, {
        type, kty: 'OKP', use, alg, parts: OKP_PARTS, secret: 'd', raw: true,
        fits(jwk) {
          if (jwk.crv !== name) throw dataError(`The JWK's "crv" is not "${name}".`);
        },
      });
      return makeKey(found.type, found.type === 'public' || extractable, { name }, usages, found.handle);
    },
    exportKey: (format, key) => exportAny(format, key,
      { kty: 'OKP', parts: OKP_PARTS, raw: true, more: { crv: name } }),
    ...operations,
  };
}

export const ed25519 = okp('Ed25519', ED25519, 'sig', ['Ed25519', 'EdDSA'], ...SIGNING,
  signing(EDDSA, () => ({ hash: null })));
export const x25519 = okp('X25519', X25519, 'enc', null, [], ['deriveKey', 'deriveBits'], { deriveBits });
