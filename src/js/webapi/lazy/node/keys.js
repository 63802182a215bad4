// KeyObject of node:crypto: secret keys alone, as packages that sign tokens make them of their secret.

export function secretKeys(Buffer, webcrypto) {
  const INTERNAL = Symbol();
  const coded = (message, code) => Object.assign(new TypeError(message), { code });
  let bytesOf;
  class KeyObject {
    #bytes;
    constructor(key, bytes) {
      if (key !== INTERNAL) throw coded('new KeyObject(): createSecretKey() makes one', 'ERR_INVALID_ARG_VALUE');
      this.#bytes = bytes;
    }
    static {
      bytesOf = (key) => key.#bytes;
    }
    get type() {
      return 'secret';
    }
    get symmetricKeySize() {
      return this.#bytes.length;
    }
    export(options = undefined) {
      const format = options?.format ?? 'buffer';
      if (format === 'buffer') return Buffer.from(this.#bytes);
      if (format === 'jwk') return { kty: 'oct', k: Buffer.from(this.#bytes).toString('base64url') };
      throw coded(`KeyObject.export(): a secret key has no format "${format}": buffer or jwk`, 'ERR_INVALID_ARG_VALUE');
    }
    equals(other) {
      if (!(other instanceof KeyObject)) {
        throw coded('The "otherKeyObject" argument must be an instance of KeyObject.', 'ERR_INVALID_ARG_TYPE');
      }
      const a = this.#bytes, b = other.#bytes;
      return a.length === b.length && webcrypto.subtle.timingSafeEqual(a, b);
    }
    get [Symbol.toStringTag]() {
      return 'KeyObject';
    }
  }
  return {
    KeyObject,
    make: (bytes) => new KeyObject(INTERNAL, bytes), // which are its own from then on
    bytes: (value) => (value instanceof KeyObject ? bytesOf(value) : undefined), // lent
  };
}
