// CompressionStream and DecompressionStream (Compression Streams, WHATWG). zlib does the work a step
// at a time, so a small chunk that inflates to much is inflated as it is read.

import { bufferSource, pairClass } from './pair.js';

const FORMATS = ['gzip', 'deflate', 'deflate-raw'];
const PIECE = 64 * 1024; // JS_CHUNK
const WHY = {
  [-1]: 'The compressed data is not valid.',
  [-2]: 'The compressed data ends before its end.',
  [-3]: 'Bytes stand behind the end of the compressed data.',
  [-4]: 'There is no memory for more compression.',
};

function* drain(codec, last) {
  for (;;) {
    const out = native.codecPull(codec, last);
    if (out === undefined || out === null) return;
    if (typeof out === 'number') throw new TypeError(WHY[out]);
    yield out;
  }
}

function steps(name, compress, format) {
  const number = FORMATS.indexOf(`${format}`);
  if (number < 0) throw new TypeError(`${name}: "${format}" is no format: gzip, deflate or deflate-raw.`);
  let codec = null; // made when the first byte comes or the end
  const open = () => {
    codec ??= native.codecOpen(number, compress);
    if (codec === null) throw new TypeError(`${name}: too many are at work at once.`);
    return codec;
  };
  return {
    *chunk(chunk) {
      const bytes = bufferSource(chunk, name);
      for (let at = 0; at < bytes.length; at += PIECE) {
        if (!native.codecPush(open(), bytes.subarray(at, at + PIECE))) throw new TypeError(WHY[-4]);
        yield* drain(codec, false);
      }
    },
    *end() {
      yield* drain(open(), true);
    },
    stop() {
      if (codec !== null) native.codecClose(codec);
    },
  };
}

export function compression({ streams }) {
  const make = (name, compress) => pairClass(name, streams, (format) => steps(name, compress, format));
  return {
    CompressionStream: make('CompressionStream', true),
    DecompressionStream: make('DecompressionStream', false),
  };
}
