// structuredClone: the walk of copy.js, with buffers that move.

import { cannotClone, copyValue } from './copy.js';
import { DOMException } from './events.js';
import { Blob } from './form.js';

// Blobs and files never change: a copy may be the same.
const pass = (value) => (value instanceof Blob ? value : undefined);

function checkTransfer(list) {
  for (const buffer of list) {
    if (!(buffer instanceof ArrayBuffer)) throw cannotClone(buffer);
    if (buffer.detached) throw new DOMException('An ArrayBuffer is detached and could not be cloned.', 'DataCloneError');
  }
  if (new Set(list).size !== list.length) {
    throw new DOMException('An ArrayBuffer stands in "transfer" twice.', 'DataCloneError');
  }
}

export function structuredClone(value, options = undefined) {
  const list = [...(options?.transfer ?? [])];
  if (list.length === 0) return copyValue(value, pass);
  checkTransfer(list);
  // The bytes move once the whole copy is there: one that fails leaves everything as it was.
  const moved = new Map(list.map((buffer) => [buffer, new ArrayBuffer(buffer.byteLength)]));
  const copy = copyValue(value, pass, moved);
  for (const [from, to] of moved) {
    new Uint8Array(to).set(new Uint8Array(from));
    from.transfer(0);
  }
  return copy;
}
