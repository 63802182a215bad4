// crypto: random values here; subtle, its keys and its globals are evaluated on first use.

import { DOMException } from './events.js';
import { refuseLoading } from './task.js';
import { viewOf } from './views.js';

const RANDOM_MAX = 65536;

let subtleModule = null;
export function subtleParts() {
  subtleModule ??= native.lazy(1).create(DOMException, refuseLoading);
  return subtleModule;
}

export function isCryptoKey(value) {
  return subtleModule !== null && value instanceof subtleModule.CryptoKey;
}

function fillRandom(bytes) {
  refuseLoading();
  if (bytes.length !== 0 && !native.random(bytes)) {
    throw new DOMException('No random bytes could be had.', 'OperationError');
  }
}

export class Crypto {
  get subtle() {
    return subtleParts().subtle;
  }
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || array instanceof Float32Array ||
        array instanceof Float64Array) {
      throw new DOMException('getRandomValues takes an integer typed array.', 'TypeMismatchError');
    }
    if (array.byteLength > RANDOM_MAX) {
      throw new DOMException(`getRandomValues gives at most ${RANDOM_MAX} bytes.`, 'QuotaExceededError');
    }
    fillRandom(viewOf(array));
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

export const crypto = new Crypto();
