// crypto.DigestStream, workerd's own: a WritableStream whose digest is that of what was written.

import { bufferSource } from './pair.js';

const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'MD5']; // as enum crypto_hash

export function digestStream({ streams, DOMException }) {
  let cls = null;
  const make = () => {
    const { WritableStream } = streams();
    return class DigestStream extends WritableStream {
      #digest;
      #written = 0;
      constructor(algorithm) {
        const name = `${typeof algorithm === 'object' ? algorithm?.name : algorithm}`.toUpperCase();
        const hasher = HASHES.includes(name) ? native.hashOpen(HASHES.indexOf(name)) : null;
        if (hasher === null) {
          throw new DOMException(`Unrecognized or unimplemented digest algorithm "${name}".`, 'NotSupportedError');
        }
        const { promise, resolve, reject } = Promise.withResolvers();
        promise.catch(() => {}); // whoever wants the digest hears of it there
        let count;
        super({
          write(chunk) {
            try {
              const bytes = bufferSource(chunk, 'DigestStream');
              if (!native.hashUpdate(hasher, bytes)) throw new DOMException('The digest failed.', 'OperationError');
              count(bytes.length);
            } catch (e) {
              reject(e);
              throw e;
            }
          },
          close() {
            resolve(native.hashDigest(hasher).buffer);
          },
          abort(reason) {
            reject(reason);
          },
        });
        count = (n) => {
          this.#written += n;
        };
        this.#digest = promise;
      }
      get digest() {
        return this.#digest;
      }
      get bytesWritten() {
        return BigInt(this.#written);
      }
    };
  };
  return { digestStream: () => (cls ??= make()) };
}
