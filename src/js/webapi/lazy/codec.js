// C's codec a piece at a time, as compression streams and node:zlib drive it.

const PIECE = 64 * 1024; // JS_CHUNK

// What comes out. errorOf makes an error of -1 ill-formed, -2 cut off, -3 bytes behind the end, -4 memory.
export function* drain(codec, last, errorOf) {
  for (;;) {
    const out = native.codecPull(codec, last);
    if (out === undefined || out === null) return;
    if (typeof out === 'number') throw errorOf(out);
    yield out;
  }
}

export function* feed(codec, bytes, errorOf) {
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (!native.codecPush(codec, bytes.subarray(at, at + PIECE))) throw errorOf(-4);
    yield* drain(codec, false, errorOf);
  }
}
