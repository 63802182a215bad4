// node:zlib: gzip, deflate and raw deflate, whole or as streams, over the codec of compression
// streams. Brotli has no form here.

import { viewOf } from '../../views.js';
import { drain, feed } from '../codec.js';

const GZIP = 0, DEFLATE = 1, RAW = 2; // enum codec_format
const OUTPUT_MAX = 64 * 1024 * 1024; // of what is made in one piece
const WHY = { [-1]: ['incorrect data check', 'Z_DATA_ERROR'], [-2]: ['unexpected end of file', 'Z_BUF_ERROR'], [-3]: ['incorrect header check', 'Z_DATA_ERROR'], [-4]: ['out of memory', 'Z_MEM_ERROR'] };

const errorOf = (code) => Object.assign(new Error(WHY[code][0]), { code: WHY[code][1], errno: code });

export function compress({ Buffer: bufferClass, library }) {
  const Buffer = bufferClass();
  const { Transform } = library('stream');
  const bytesOf = (data) => {
    if (typeof data === 'string') return native.utf8Encode(data);
    const bytes = viewOf(data);
    if (bytes !== undefined) return bytes;
    throw new TypeError('The "buffer" argument must be of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer.');
  };
  // Node's unzip tells by the first bytes.
  const formatOf = (format, bytes) => (format !== null ? format : bytes[0] === 0x1f && bytes[1] === 0x8b ? GZIP : DEFLATE);
  function open(format, pack) {
    const codec = native.codecOpen(format, pack);
    if (codec === null) throw errorOf(-4);
    return codec;
  }
  const sync = (format, pack) => (data, options = {}) => {
    const bytes = bytesOf(data);
    const codec = open(formatOf(format, bytes), pack);
    const max = Math.min(options?.maxOutputLength ?? OUTPUT_MAX, OUTPUT_MAX);
    const chunks = [];
    let size = 0;
    try {
      for (const step of [() => feed(codec, bytes, errorOf), () => drain(codec, true, errorOf)]) {
        for (const out of step()) {
          size += out.length;
          if (size > max) throw Object.assign(new RangeError(`Cannot create a Buffer larger than ${max} bytes`), { code: 'ERR_BUFFER_TOO_LARGE' });
          chunks.push(out);
        }
      }
    } finally {
      native.codecClose(codec);
    }
    return Buffer.concat(chunks, size);
  };
  const asynchronous = (run) => (data, options, callback = options) => {
    Promise.resolve().then(() => run(data, options === callback ? {} : options)).then(
      (v) => queueMicrotask(() => callback(null, v)), (e) => queueMicrotask(() => callback(e)));
  };
  class Codec extends Transform {
    #codec = null;
    #format;
    #pack;
    constructor(format, pack, options) {
      super(options);
      this.#format = format;
      this.#pack = pack;
    }
    #send(make, callback) {
      try {
        for (const out of make()) this.push(Buffer.from(out.buffer, out.byteOffset, out.byteLength));
        callback();
      } catch (e) {
        callback(e);
      }
    }
    _transform(chunk, encoding, callback) {
      const bytes = bytesOf(chunk);
      this.#send(() => feed(this.#codec ??= open(formatOf(this.#format, bytes), this.#pack), bytes, errorOf), callback);
    }
    _flush(callback) {
      this.#send(() => drain(this.#codec ??= open(this.#format ?? GZIP, this.#pack), true, errorOf), callback);
    }
    _destroy(error, callback) {
      if (this.#codec !== null) native.codecClose(this.#codec);
      callback(error);
    }
  }
  const out = { constants: { Z_NO_FLUSH: 0, Z_FINISH: 4, Z_DEFAULT_COMPRESSION: -1, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9 } };
  const forms = { gzip: [GZIP, true], gunzip: [GZIP, false], deflate: [DEFLATE, true], inflate: [DEFLATE, false], deflateRaw: [RAW, true], inflateRaw: [RAW, false], unzip: [null, false] };
  for (const [name, [format, pack]] of Object.entries(forms)) {
    const cls = name[0].toUpperCase() + name.slice(1);
    out[`${name}Sync`] = sync(format, pack);
    out[name] = asynchronous(out[`${name}Sync`]);
    out[cls] = { [cls]: class extends Codec {
      constructor(options = undefined) {
        super(format, pack, options);
      }
    } }[cls];
    out[`create${cls}`] = (options) => new out[cls](options);
  }
  for (const name of ['brotliCompress', 'brotliCompressSync', 'brotliDecompress', 'brotliDecompressSync', 'createBrotliCompress', 'createBrotliDecompress',
    'zstdCompress', 'zstdCompressSync', 'zstdDecompress', 'zstdDecompressSync']) {
    out[name] = () => {
      throw new Error(`node:zlib: ${name} has no form in a Worker here: gzip and deflate have.`);
    };
  }
  return out;
}
