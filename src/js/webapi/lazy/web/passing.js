// IdentityTransformStream and FixedLengthStream, workerd's own: bytes come out as they went in.

import { bufferSource, pairClass } from './pair.js';

const copy = (chunk, what) => bufferSource(chunk, what).slice();

function lengthOf(value) {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 0 || n > Number.MAX_SAFE_INTEGER) {
    throw new TypeError('FixedLengthStream requires a non-negative safe integer expected length.');
  }
  return n;
}

export function passing({ streams, setStreamLength }) {
  const IdentityTransformStream = pairClass('IdentityTransformStream', streams, (options, length) => {
    let left = length;
    return {
      *chunk(chunk) {
        const bytes = copy(chunk, length === undefined ? 'IdentityTransformStream' : 'FixedLengthStream');
        if (left !== undefined && bytes.length > left) {
          throw new TypeError('Attempt to write too many bytes through a FixedLengthStream.');
        }
        if (left !== undefined) left -= bytes.length;
        yield bytes;
      },
      *end() {
        if (left !== undefined && left !== 0) {
          throw new TypeError('FixedLengthStream did not see all expected bytes before close().');
        }
      },
    };
  });
  // As a body its length is known before its bytes are.
  class FixedLengthStream extends IdentityTransformStream {
    constructor(expectedLength, options = undefined) {
      const length = lengthOf(expectedLength);
      super(options, length);
      setStreamLength(this.readable, length);
    }
    get [Symbol.toStringTag]() {
      return 'FixedLengthStream';
    }
  }
  return { IdentityTransformStream, FixedLengthStream };
}
