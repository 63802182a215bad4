// A copy by the rules of structured clone, in one walk: what RPC does with arguments and results.

import { DOMException } from './events.js';

// A method of error classes that their copies keep: [REBUILD](copy) gives the copy of one, or undefined.
export const REBUILD = Symbol('rebuild');

const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

export function cannotClone(value) {
  let what = 'a value';
  if (typeof value === 'symbol') what = String(value);
  else if (typeof value === 'function') what = value.name === '' ? 'a function' : `the function "${value.name}"`;
  else {
    try {
      what = `an object of type "${Object.getPrototypeOf(value)?.constructor?.name ?? 'Object'}"`;
    } catch {
      what = 'an object that cannot be read';
    }
  }
  return new DOMException(
    `Could not serialize ${what}. This type does not support serialization.`, 'DataCloneError');
}

// What a prototype has of that name (__proto__, a setter of the user's) does not see it.
export function putOwn(object, key, value) {
  if (key in object) {
    Object.defineProperty(object, key, { __proto__: null, value, configurable: true, enumerable: true, writable: true });
  } else object[key] = value;
}

// pass(object) is asked for functions and for objects that are not of the language itself: what
// stands in the copy, or undefined when it cannot be cloned. known: what already has its copy.
export function copyValue(value, pass, known = undefined) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    if (typeof value === 'symbol') throw cannotClone(value);
    return value;
  }
  return new Copier(pass, known).copy(value);
}

class Copier {
  constructor(pass, known) {
    this.pass = pass;
    this.seen = new Map(known);
  }
  copy(value) {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
      if (typeof value === 'symbol') throw cannotClone(value);
      return value;
    }
    const known = this.seen.get(value);
    if (known !== undefined) return known;
    if (typeof value === 'function') return this.other(value);
    const proto = Object.getPrototypeOf(value);
    if (proto === Object.prototype || proto === null) return this.object(value, this.keep(value, {}));
    if (Array.isArray(value)) return this.array(value);
    return this.builtin(value, proto) ?? this.other(value);
  }
  keep(value, copy) {
    this.seen.set(value, copy);
    return copy;
  }
  object(value, copy) {
    for (const key of Object.keys(value)) putOwn(copy, key, this.copy(value[key]));
    return copy;
  }
  array(value) {
    const copy = this.keep(value, new Array(value.length));
    return this.object(value, copy);
  }
  other(value) {
    const copy = this.pass(value);
    if (copy === undefined) throw cannotClone(value);
    return this.keep(value, copy);
  }
  builtin(value, proto) {
    if (value instanceof Error) return this.error(value);
    if (ArrayBuffer.isView(value)) return this.view(value);
    switch (proto) {
      case Map.prototype: {
        const copy = this.keep(value, new Map());
        for (const [k, v] of [...value]) copy.set(this.copy(k), this.copy(v));
        return copy;
      }
      case Set.prototype: {
        const copy = this.keep(value, new Set());
        for (const v of [...value]) copy.add(this.copy(v));
        return copy;
      }
      case Date.prototype:
        return this.keep(value, new Date(value.getTime()));
      case RegExp.prototype:
        return this.keep(value, new RegExp(value.source, value.flags));
      case ArrayBuffer.prototype:
        if (value.detached) throw cannotClone(value);
        return this.keep(value, value.slice(0));
      case Boolean.prototype: case Number.prototype: case String.prototype: case BigInt.prototype:
        return this.keep(value, Object(value.valueOf()));
      default:
        return undefined;
    }
  }
  view(value) {
    const buffer = this.copy(value.buffer);
    if (value instanceof DataView) {
      return this.keep(value, new DataView(buffer, value.byteOffset, value.byteLength));
    }
    const cls = globalThis[value[Symbol.toStringTag]];
    return this.keep(value, new cls(buffer, value.byteOffset, value.length));
  }
  // Name, message and what else it carries; not the stack, which is its maker's.
  error(value) {
    const name = `${value.name}`;
    const message = `${value.message}`;
    const rebuilt = value[REBUILD]?.((v) => this.copy(v));
    const copy = this.keep(value, rebuilt ?? (value instanceof DOMException
      ? new DOMException(message, name) : new (ERRORS[name] ?? Error)(message)));
    if (copy.name !== name) {
      Object.defineProperty(copy, 'name', { value: name, configurable: true, writable: true });
    }
    if (value.cause !== undefined) {
      Object.defineProperty(copy, 'cause', { value: this.copy(value.cause), configurable: true, writable: true });
    }
    for (const key of Object.keys(value)) {
      if (key in copy || OWN_OF_ERRORS.has(key)) continue;
      copy[key] = this.copy(value[key]);
    }
    return copy;
  }
}

const OWN_OF_ERRORS = new Set(['line', 'column', 'sourceURL', 'stack', '__proto__']);
