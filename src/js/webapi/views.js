// The bytes behind what is called a buffer source: shared with it, not copied.

const NONE = new Uint8Array(0);

// undefined: it is none. One that is detached has no bytes.
export function viewOf(source) {
  if (source instanceof ArrayBuffer) return source.detached ? NONE : new Uint8Array(source);
  if (!ArrayBuffer.isView(source)) return undefined;
  return source.buffer.detached ? NONE : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}
