// Values as bytes: what structured clone keeps of them, for storage. Version 1:
//
//   bytes  = 0xd5 0x01 value            numbers are little-endian, counts are LEB128
//   value  = tag, then what the table of each says
//   pairs  = (value of a key, value)* END     keys of objects are strings
//
// Objects are numbered from 0 in the order in which they begin; REF names one that came before.
// Stored bytes are not trusted: every length is held against what is left, every tag is known, and
// nothing is left over.

import { cannotClone, putOwn } from './copy.js';
import { AbortController, DOMException, Event, EventTarget } from './events.js';
import { Blob, FormData } from './form.js';
import { Headers } from './headers.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { URL, URLSearchParams } from './url.js';

const MAGIC = 0xd5, VERSION = 1;
const UNDEFINED = 0, NULL = 1, FALSE = 2, TRUE = 3, INT = 4, DOUBLE = 5, BIGINT = 6, LATIN1 = 7, UTF16 = 8,
  REF = 9, END = 10, HOLE = 11, OBJECT = 12, DENSE = 13, SPARSE = 14, DATE = 15, REGEXP = 16, MAP = 17,
  SET = 18, BUFFER = 19, VIEW = 20, ERROR = 21, BOXED = 22, EXCEPTION = 23;
const DEPTH_MAX = 2000; // of values inside each other
const FIRST = 256; // bytes of a new writer
const KEPT = 65536; // bytes of one that is kept for the next call

const VIEWS = [DataView, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array,
  Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, globalThis.Float16Array ?? null];
const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
const MESSAGE = 1, STACK = 2, CAUSE = 4;

// Of the language and of ours: no copy of these would be one. Made when it is first asked for, as
// these modules include each other.
let refused = null;
const STREAM = /^(Readable|Writable|Transform)(Byte)?Stream/;

function isRefused(value) {
  refused ??= new Set([Promise, WeakMap, WeakSet, WeakRef, Symbol, Headers, Request, Response, Blob, FormData, URL,
    URLSearchParams, EventTarget, Event, AbortController].map((c) => c.prototype));
  for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
    if (refused.has(p)) return true;
  }
  return STREAM.test(`${value[Symbol.toStringTag] ?? value.constructor?.name ?? ''}`);
}

class Writer {
  constructor() {
    this.grow(FIRST);
    this.reset();
  }
  grow(size) {
    const bytes = new Uint8Array(size);
    if (this.bytes !== undefined) bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
  reset() {
    this.n = 0;
    this.depth = 0;
    this.seen = null; // object -> number
  }
  room(count) {
    if (this.n + count > this.bytes.length) this.grow(Math.max(this.bytes.length * 2, this.n + count));
  }
  byte(b) {
    this.room(1);
    this.bytes[this.n++] = b;
  }
  count(c) {
    this.room(8);
    for (; c > 127; c = Math.floor(c / 128)) this.bytes[this.n++] = (c % 128) | 128;
    this.bytes[this.n++] = c;
  }
  double(d) {
    this.room(8);
    this.view.setFloat64(this.n, d, true);
    this.n += 8;
  }
  raw(bytes) {
    this.count(bytes.length);
    this.room(bytes.length);
    this.bytes.set(bytes, this.n);
    this.n += bytes.length;
  }
  string(s) {
    const length = s.length;
    const start = this.n;
    this.byte(LATIN1);
    this.count(length);
    this.room(length);
    let n = this.n;
    for (let i = 0; i < length; i++) {
      const c = s.charCodeAt(i);
      if (c > 255) return this.wide(s, start);
      this.bytes[n++] = c;
    }
    this.n = n;
  }
  wide(s, start) {
    this.n = start;
    this.byte(UTF16);
    this.count(s.length);
    this.room(s.length * 2);
    for (let i = 0; i < s.length; i++, this.n += 2) this.view.setUint16(this.n, s.charCodeAt(i), true);
  }
  number(d) {
    if ((d | 0) === d && !Object.is(d, -0)) {
      this.byte(INT);
      this.count(((d << 1) ^ (d >> 31)) >>> 0);
    } else {
      this.byte(DOUBLE);
      this.double(d);
    }
  }
  bigint(b) {
    let hex = (b < 0n ? -b : b).toString(16);
    if (hex.length % 2 !== 0) hex = `0${hex}`;
    this.byte(BIGINT);
    this.byte(b < 0n ? 1 : 0);
    this.raw(Uint8Array.from(hex.match(/../g), (two) => parseInt(two, 16)));
  }
  value(v) {
    switch (typeof v) {
      case 'undefined': return this.byte(UNDEFINED);
      case 'boolean': return this.byte(v ? TRUE : FALSE);
      case 'number': return this.number(v);
      case 'bigint': return this.bigint(v);
      case 'string': return this.string(v);
      case 'object': return v === null ? this.byte(NULL) : this.object(v);
      default: throw cannotClone(v);
    }
  }
  object(v) {
    this.seen ??= new Map();
    const number = this.seen.get(v);
    if (number !== undefined) {
      this.byte(REF);
      this.count(number);
      return;
    }
    if (++this.depth > DEPTH_MAX) {
      throw new DOMException(`Values are more than ${DEPTH_MAX} deep inside each other.`, 'DataCloneError');
    }
    if (!ArrayBuffer.isView(v)) this.seen.set(v, this.seen.size);
    const proto = Object.getPrototypeOf(v);
    if (proto === Object.prototype || proto === null) this.plain(v);
    else if (Array.isArray(v)) this.array(v);
    else this.other(v);
    this.depth--;
  }
  pairs(v, keys) {
    for (const key of keys) {
      const value = v[key];
      this.string(key);
      this.value(value);
    }
    this.byte(END);
  }
  plain(v) {
    this.byte(OBJECT);
    this.pairs(v, Object.keys(v));
  }
  array(v) {
    const keys = Object.keys(v);
    const { length } = v;
    let dense = 0; // keys of elements come first, in order
    while (dense < keys.length && dense < length && keys[dense] === `${dense}`) dense++;
    if (dense !== length) {
      this.byte(SPARSE);
      this.count(length);
      this.pairs(v, keys);
      return;
    }
    this.byte(DENSE);
    this.count(length);
    for (let i = 0; i < length; i++) {
      if (i in v) this.value(v[i]);
      else this.byte(HOLE); // a getter took it away
    }
    this.pairs(v, keys.slice(dense));
  }
  other(v) {
    if (v instanceof Date) {
      this.byte(DATE);
      this.double(Date.prototype.getTime.call(v));
    } else if (v instanceof Map) this.entries(MAP, [...Map.prototype.entries.call(v)].flat(1));
    else if (v instanceof Set) this.entries(SET, [...Set.prototype.values.call(v)]);
    else if (v instanceof RegExp) {
      this.byte(REGEXP);
      this.string(v.source);
      this.string(v.flags);
    } else if (v instanceof ArrayBuffer) {
      if (v.detached) throw cannotClone(v);
      this.byte(BUFFER);
      this.raw(new Uint8Array(v));
    } else if (ArrayBuffer.isView(v)) this.typed(v);
    else if (v instanceof Error) this.error(v);
    else if (v instanceof Boolean || v instanceof Number || v instanceof String || v instanceof BigInt) {
      this.byte(BOXED);
      this.value(v.valueOf());
    } else if (isRefused(v)) throw cannotClone(v);
    else this.plain(v);
  }
  entries(tag, values) {
    this.byte(tag);
    this.count(values.length);
    for (const v of values) this.value(v);
  }
  // Its buffer comes first, then the view itself has a number.
  typed(v) {
    const type = VIEWS.findIndex((c) => c !== null && v instanceof c);
    if (type < 0 || !(v.buffer instanceof ArrayBuffer)) throw cannotClone(v);
    this.byte(VIEW);
    this.byte(type);
    this.value(v.buffer);
    this.count(v.byteOffset);
    this.count(type === 0 ? v.byteLength : v.length);
    this.seen.set(v, this.seen.size);
  }
  error(v) {
    if (v instanceof DOMException) {
      this.byte(EXCEPTION);
      this.string(v.name);
      this.string(v.message);
      return;
    }
    const name = `${v.name}`;
    const type = ERRORS.findIndex((c) => c.name === name);
    const { message, cause } = Object.getOwnPropertyDescriptors(v);
    const has = (d) => d !== undefined && 'value' in d;
    const text = typeof v.stack === 'string' ? v.stack : undefined;
    this.byte(ERROR);
    this.byte(type < 0 ? 0 : type);
    this.byte((has(message) ? MESSAGE : 0) | (text === undefined ? 0 : STACK) | (has(cause) ? CAUSE : 0));
    if (has(message)) this.string(`${message.value}`);
    if (text !== undefined) this.string(text);
    if (has(cause)) this.value(cause.value);
  }
}

let spare = null; // a getter of the user's may call encode while one is at work

export function encode(value) {
  const w = spare ?? new Writer();
  spare = null;
  w.reset();
  w.byte(MAGIC);
  w.byte(VERSION);
  w.value(value);
  w.seen = null;
  if (w.bytes.length <= KEPT) {
    spare = w;
    return w.bytes.slice(0, w.n);
  }
  return w.bytes.subarray(0, w.n);
}

function damaged() {
  return new Error('The stored value cannot be read: it is damaged.');
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.n = 0;
    this.depth = 0;
    this.seen = [];
  }
  take(count) {
    const at = this.n;
    if (count > this.bytes.length - at) throw damaged();
    this.n = at + count;
    return at;
  }
  byte() {
    return this.bytes[this.take(1)];
  }
  count() {
    let c = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = this.byte();
      c += (b & 127) * scale;
      if (c > Number.MAX_SAFE_INTEGER) throw damaged();
      if (b < 128) return c;
    }
  }
  // A count of things that take `size` bytes at least.
  fitting(size) {
    const c = this.count();
    if (c * size > this.bytes.length - this.n) throw damaged();
    return c;
  }
  double() {
    return this.view.getFloat64(this.take(8), true);
  }
  raw() {
    const length = this.fitting(1);
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }
  latin1() {
    const bytes = this.raw();
    return bytes.length < 128 ? String.fromCharCode.apply(null, bytes) : native.latin1Decode(bytes);
  }
  utf16() {
    const length = this.fitting(2);
    let out = '';
    for (let left = length; left > 0; left -= 1024) {
      const units = new Array(Math.min(left, 1024));
      for (let i = 0; i < units.length; i++) units[i] = this.view.getUint16(this.take(2), true);
      out += String.fromCharCode.apply(null, units);
    }
    return out;
  }
  string() {
    const tag = this.byte();
    if (tag === LATIN1) return this.latin1();
    if (tag === UTF16) return this.utf16();
    throw damaged();
  }
  bigint() {
    const sign = this.byte();
    let hex = '0';
    for (const b of this.raw()) hex += b.toString(16).padStart(2, '0');
    const magnitude = BigInt(`0x${hex}`);
    return sign === 1 ? -magnitude : magnitude;
  }
  int() {
    const c = this.count();
    if (c > 0xffffffff) throw damaged();
    return (c >>> 1) ^ -(c & 1);
  }
  keep(object) {
    this.seen.push(object);
    return object;
  }
  value() {
    const tag = this.byte();
    switch (tag) {
      case UNDEFINED: return undefined;
      case NULL: return null;
      case FALSE: return false;
      case TRUE: return true;
      case INT: return this.int();
      case DOUBLE: return this.double();
      case BIGINT: return this.bigint();
      case LATIN1: return this.latin1();
      case UTF16: return this.utf16();
      case REF: {
        const number = this.count();
        if (number >= this.seen.length || this.seen[number] === undefined) throw damaged();
        return this.seen[number];
      }
      default: return this.object(tag);
    }
  }
  object(tag) {
    if (++this.depth > DEPTH_MAX) throw damaged();
    const value = this.one(tag);
    this.depth--;
    return value;
  }
  one(tag) {
    switch (tag) {
      case OBJECT: return this.pairs(this.keep({}));
      case DENSE: return this.dense();
      case SPARSE: {
        const length = this.count();
        if (length > 0xffffffff) throw damaged();
        return this.pairs(this.keep(new Array(length)));
      }
      case DATE: return this.keep(new Date(this.double()));
      case REGEXP: return this.regexp();
      case MAP: return this.map();
      case SET: {
        const set = this.keep(new Set());
        for (let c = this.fitting(1); c > 0; c--) set.add(this.value());
        return set;
      }
      case BUFFER: return this.buffer();
      case VIEW: return this.typed();
      case ERROR: return this.error();
      case EXCEPTION: {
        const name = this.string();
        return this.keep(new DOMException(this.string(), name));
      }
      case BOXED: return this.boxed();
      default: throw damaged();
    }
  }
  pairs(object) {
    for (;;) {
      const tag = this.byte();
      if (tag === END) return object;
      if (tag !== LATIN1 && tag !== UTF16) throw damaged();
      const key = tag === LATIN1 ? this.latin1() : this.utf16();
      if (key === 'length' && Array.isArray(object)) throw damaged();
      putOwn(object, key, this.value());
    }
  }
  dense() {
    const length = this.fitting(1);
    const array = this.keep(new Array(length));
    for (let i = 0; i < length; i++) {
      if (this.bytes[this.n] === HOLE) this.n++;
      else putOwn(array, i, this.value());
    }
    return this.pairs(array);
  }
  map() {
    const map = this.keep(new Map());
    const count = this.fitting(1);
    if (count % 2 !== 0) throw damaged();
    for (let i = 0; i < count; i += 2) {
      const key = this.value();
      map.set(key, this.value());
    }
    return map;
  }
  regexp() {
    const source = this.string();
    try {
      return this.keep(new RegExp(source, this.string()));
    } catch {
      throw damaged();
    }
  }
  buffer() {
    return this.keep(this.raw().slice().buffer);
  }
  typed() {
    const cls = VIEWS[this.byte()];
    const buffer = this.value();
    const offset = this.count();
    const length = this.count();
    if (!cls || !(buffer instanceof ArrayBuffer)) throw damaged();
    const size = cls === DataView ? 1 : cls.BYTES_PER_ELEMENT;
    if (offset % size !== 0 || offset + length * size > buffer.byteLength) throw damaged();
    return this.keep(new cls(buffer, offset, length));
  }
  error() {
    const cls = ERRORS[this.byte()];
    if (cls === undefined) throw damaged();
    const flags = this.byte();
    const error = this.keep(new cls());
    const set = (name, value) => Object.defineProperty(error, name, { value, configurable: true, writable: true });
    if (flags & MESSAGE) set('message', this.string());
    if (flags & STACK) set('stack', this.string());
    if (flags & CAUSE) set('cause', this.value());
    return error;
  }
  // Its number comes before what is inside is read.
  boxed() {
    const place = this.seen.push(undefined) - 1;
    const value = this.value();
    if (value === null || value === undefined || typeof value === 'object') throw damaged();
    return this.seen[place] = Object(value);
  }
}

export function decode(bytes) {
  const r = new Reader(bytes);
  if (r.byte() !== MAGIC) throw damaged();
  if (r.byte() !== VERSION) throw new Error('The stored value was written by a newer sallyport: update this one.');
  const value = r.value();
  if (r.n !== bytes.length) throw damaged();
  return value;
}
