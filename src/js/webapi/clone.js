// structuredClone on first use: the package does not know bytes, so those are walked here.

import { DOMException } from './events.js';

let codec = null;

export function structuredClone(value, options = undefined) {
  if (options?.transfer?.length) {
    throw new DOMException('structuredClone: transfer is not supported here.', 'DataCloneError');
  }
  if (value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')) {
    return value;
  }
  if (value instanceof ArrayBuffer) return value.slice(0);
  codec ??= native.lazy(1);
  try {
    return codec.deserialize(codec.serialize(value));
  } catch (e) {
    throw new DOMException(`structuredClone: ${e.message}`, 'DataCloneError');
  }
}
