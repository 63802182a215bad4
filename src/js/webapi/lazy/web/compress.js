// CompressionStream and DecompressionStream (Compression Streams, WHATWG). zlib does the work a step
// at a time, so a small chunk that inflates to much is inflated as it is read.

import { drain, feed } from '../codec.js';
import { bufferSource, pairClass } from './pair.js';

const FORMATS = ['gzip', 'deflate', 'deflate-raw'];
const WHY = {
  [-1]: 'The compressed data is not valid.',
  [-2]: 'The compressed data ends before its end.',
  [-3]: 'Bytes stand behind the end of the compressed data.',
  [-4]: 'There is no memory for more compression.',
};

const errorOf = (code) => new TypeError(WHY[code]);

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
      if (bytes.length !== 0) yield* feed(open(), bytes, errorOf);
    },
    *end() {
      yield* drain(open(), true, errorOf);
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
