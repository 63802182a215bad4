// WebCrypto (W3C Web Cryptography Level 2) on first use: SubtleCrypto and CryptoKey.

import { setup } from './subtle/common.js';
import { CryptoKey } from './subtle/key.js';
import { SubtleCrypto, subtle } from './subtle/methods.js';

// refuse() throws where no random values may be made.
export function create(DOMException, refuse) {
  setup(DOMException, refuse);
  return { CryptoKey, SubtleCrypto, subtle };
}
