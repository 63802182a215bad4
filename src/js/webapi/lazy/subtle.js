// WebCrypto (W3C Web Cryptography Level 2) on first use: SubtleCrypto and CryptoKey.

import { setDOMException } from './subtle/common.js';
import { CryptoKey } from './subtle/key.js';
import { SubtleCrypto, subtle } from './subtle/methods.js';

export function create(DOMException) {
  setDOMException(DOMException);
  return { CryptoKey, SubtleCrypto, subtle };
}
