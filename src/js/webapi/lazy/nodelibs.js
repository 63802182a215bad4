// Node's modules that are JavaScript alone, from npm; each is evaluated when it is asked for. A
// buffer's usual encodings are the engine's and C's.

let ready = null;

function prepared() {
  if (ready !== null) return ready;
  const buffer = require('@jspm/core/nodelibs/buffer').default;
  quicken(buffer.Buffer);
  return ready = buffer;
}

const NAMES = new Map(Object.entries({
  utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url', latin1: 'latin1', binary: 'latin1',
}));
const encodingOf = (encoding) => (encoding === undefined ? 'utf8' : NAMES.get(`${encoding}`.toLowerCase()));

function quicken(Buffer) {
  const { from, isEncoding, byteLength } = Buffer;
  const { toString, write } = Buffer.prototype;
  const plain = (buffer, start, end) => new Uint8Array(buffer.buffer, buffer.byteOffset + start, Math.max(0, end - start));
  const text = {
    utf8: (bytes) => native.utf8Decode(bytes, false, false),
    hex: (bytes) => bytes.toHex(),
    base64: (bytes) => bytes.toBase64(),
    base64url: (bytes) => bytes.toBase64({ alphabet: 'base64url', omitPadding: true }),
    latin1: (bytes) => native.latin1Decode(bytes),
  };
  const standard = (encoding) => (encodingOf(encoding) === 'base64url' ? 'base64' : encoding);
  const own = (object, name, value) => Object.defineProperty(object, name, { configurable: true, writable: true, value });
  own(Buffer, 'from', function (value, encoding, length) {
    if (typeof value !== 'string') return from.call(this, value, encoding, length);
    if (encodingOf(encoding) !== 'utf8') return from.call(this, value, standard(encoding));
    return Object.setPrototypeOf(native.utf8Encode(value), Buffer.prototype);
  });
  own(Buffer, 'isEncoding', (encoding) => encodingOf(encoding) === 'base64url' || isEncoding(encoding));
  own(Buffer, 'byteLength', (value, encoding) => byteLength(value, standard(encoding)));
  own(Buffer.prototype, 'write', function (value, ...rest) {
    return write.call(this, value, ...rest.map((r) => (typeof r === 'string' ? standard(r) : r)));
  });
  own(Buffer.prototype, 'toString', function (encoding, start = 0, end = this.length) {
    const make = text[encodingOf(encoding)];
    if (make === undefined) return toString.call(this, encoding, start, end);
    const to = Math.min(this.length, Math.trunc(end) || 0);
    return make(plain(this, Math.min(Math.max(0, Math.trunc(start) || 0), to), to));
  });
  own(Buffer.prototype, 'toLocaleString', Buffer.prototype.toString);
}

const loaders = {
  assert: () => require('@jspm/core/nodelibs/assert').default,
  buffer: () => prepared(),
  events: () => require('@jspm/core/nodelibs/events').default,
  path: () => require('@jspm/core/nodelibs/path').default,
  punycode: () => require('@jspm/core/nodelibs/punycode').default,
  querystring: () => require('@jspm/core/nodelibs/querystring').default,
  stream: () => require('@jspm/core/nodelibs/stream').default,
  string_decoder: () => require('@jspm/core/nodelibs/string_decoder').default,
  url: () => require('@jspm/core/nodelibs/url').default,
  util: () => require('@jspm/core/nodelibs/util').default,
};

export function load(name) {
  prepared();
  return loaders[name]();
}
