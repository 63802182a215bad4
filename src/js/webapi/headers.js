// Headers: lazily loaded from the host, with a log of changes. A native base is text that only C
// has; `set` on it appends to the log and builds no map. Formats: js/host.h.

import { logWarn } from './log.js';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0-\x08\n-\x1f\x7f]/;
const WIDE = /[^\0-\xff]/;
const EDGE_SPACE = /^[\t\n\r ]+|[\t\n\r ]+$/g;
const NAMES_MAX = 1000;
const LOG_MAX = 32768;

const lowerNames = new Map();

export function lowerName(name) {
  name = `${name}`;
  let lower = lowerNames.get(name);
  if (lower === undefined) {
    if (!TOKEN.test(name)) throw new TypeError(`Invalid header name: ${JSON.stringify(name)}`);
    lower = name.toLowerCase();
    if (lowerNames.size >= NAMES_MAX) lowerNames.clear();
    lowerNames.set(name, lower);
  }
  return lower;
}

// names whose null was told
const told = new Set();

function tellNull(name) {
  if (told.has(name) || told.size >= NAMES_MAX) return;
  told.add(name);
  logWarn(`headers: the value of ${name} is null and goes out as "null"`);
}

function cleanValue(name, value) {
  if (value === null) tellNull(`${name}`);
  value = `${value}`;
  const c = value.charCodeAt(0), d = value.charCodeAt(value.length - 1);
  if (c <= 32 || d <= 32) value = value.replace(EDGE_SPACE, '');
  if (BAD_VALUE.test(value)) {
    throw new TypeError(`Invalid value of header ${name}: it holds a control character`);
  }
  if (!anyWide && WIDE.test(value)) anyWide = true;
  return value;
}

// A value with characters that Latin-1 has not leaves as UTF-8.
let anyWide = false;

function asBytes(log) {
  if (!anyWide || !WIDE.test(log)) return log;
  return log.split('\n').map((line) => (WIDE.test(line) ? native.latin1Decode(native.utf8Encode(line)) : line)).join('\n');
}

export const MUTABLE = 0, IMMUTABLE = 1;

export class Headers {
  #base = null; // {headerText()} or null
  #log = '';
  #map = null; // lower name -> {name, values}; null while only C has the base
  #guard = MUTABLE;

  constructor(init = undefined) {
    if (init === undefined) {
      this.#map = new Map();
    } else if (init === INTERNAL) {
      // the caller fills it
    } else if (init !== null && typeof init === 'object' && #map in init) {
      this.#base = init.#base;
      this.#log = init.#log;
      this.#map = init.#base === null ? copyMap(init.#map) : null;
    } else {
      this.#map = new Map();
      fill(this, init);
    }
  }

  static native(base, guard) {
    const h = new Headers(INTERNAL);
    h.#base = base;
    h.#guard = guard;
    return h;
  }
  static copy(from) {
    const h = new Headers(INTERNAL);
    h.#base = from.#base;
    h.#log = from.#log;
    h.#map = from.#base === null ? copyMap(from.#map) : null;
    return h;
  }
  static is(value) {
    return value !== null && typeof value === 'object' && #map in value;
  }
  static freeze(h) {
    h.#guard = IMMUTABLE;
  }
  // What C gets: the log if `base` is the native base, else the whole list, for which `replace` is
  // the caller's to set (isBase tells).
  static isBase(h, base) {
    return h.#base !== null && h.#base === base && h.#log.length <= LOG_MAX;
  }
  static log(h, base) {
    return asBytes(Headers.isBase(h, base) ? h.#log : serialise(h.#load()));
  }
  static mayDiffer(h, base, name) {
    return h.#base !== base || name.test(h.#log);
  }
  static baseOf(h) {
    return h.#base;
  }

  #load() {
    if (this.#map === null) {
      const map = new Map();
      const lines = this.#base.headerText().split('\n');
      for (let i = 0; i + 1 < lines.length; i += 2) append(map, lines[i], lines[i + 1]);
      const log = this.#log.split('\n');
      for (let i = 0; i + 1 < log.length; i += 2) {
        const name = log[i].slice(1);
        if (log[i][0] === '+') append(map, name, log[i + 1]);
        else if (log[i][0] === '=') replace(map, name, log[i + 1]);
        else map.delete(lowerName(name));
      }
      this.#map = map;
    }
    return this.#map;
  }
  #writable() {
    if (this.#guard === IMMUTABLE) throw new TypeError("Can't modify immutable headers.");
  }

  append(name, value) {
    if (arguments.length < 2) throw tooFew('append', 2);
    lowerName(name);
    value = cleanValue(name, value);
    this.#writable();
    if (this.#base !== null) this.#log += `+${name}\n${value}\n`;
    if (this.#map !== null) append(this.#map, `${name}`, value);
  }
  set(name, value) {
    if (arguments.length < 2) throw tooFew('set', 2);
    lowerName(name);
    value = cleanValue(name, value);
    this.#writable();
    if (this.#base !== null) this.#log += `=${name}\n${value}\n`;
    if (this.#map !== null) replace(this.#map, `${name}`, value);
  }
  delete(name) {
    if (arguments.length < 1) throw tooFew('delete', 1);
    const lower = lowerName(name);
    this.#writable();
    if (this.#base !== null) this.#log += `-${name}\n\n`;
    if (this.#map !== null) this.#map.delete(lower);
  }
  get(name) {
    if (arguments.length < 1) throw tooFew('get', 1);
    const found = this.#load().get(lowerName(name));
    if (found === undefined) return null;
    return found.values.length === 1 ? found.values[0] : found.values.join(', ');
  }
  has(name) {
    if (arguments.length < 1) throw tooFew('has', 1);
    return this.#load().has(lowerName(name));
  }
  getSetCookie() {
    const found = this.#load().get('set-cookie');
    return found === undefined ? [] : found.values.slice();
  }
  getAll(name) {
    if (lowerName(name) !== 'set-cookie') {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return this.getSetCookie();
  }
  #sorted() {
    const list = [];
    for (const [lower, { values }] of this.#load()) {
      if (lower === 'set-cookie') for (const v of values) list.push([lower, v]);
      else list.push([lower, values.join(', ')]);
    }
    return list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  }
  *entries() {
    yield* this.#sorted();
  }
  *keys() {
    for (const e of this.#sorted()) yield e[0];
  }
  *values() {
    for (const e of this.#sorted()) yield e[1];
  }
  forEach(fn, self = undefined) {
    for (const [name, value] of this.#sorted()) fn.call(self, value, name, this);
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return 'Headers';
  }
}

const INTERNAL = Symbol();

function tooFew(method, count) {
  return new TypeError(`Headers.${method}() wants ${count} argument${count === 1 ? '' : 's'}.`);
}

function copyMap(map) {
  const copy = new Map();
  for (const [lower, e] of map) copy.set(lower, { name: e.name, values: e.values.slice() });
  return copy;
}

function append(map, name, value) {
  const lower = lowerName(name);
  const found = map.get(lower);
  if (found === undefined) map.set(lower, { name, values: [value] });
  else found.values.push(value);
}

function replace(map, name, value) {
  map.set(lowerName(name), { name, values: [value] });
}

function serialise(map) {
  let out = '';
  for (const { name, values } of map.values()) {
    for (const value of values) out += `+${name}\n${value}\n`;
  }
  return out;
}

function fill(headers, init) {
  if (init === null || (typeof init !== 'object' && typeof init !== 'function')) {
    throw new TypeError('Headers: the argument is neither an object nor a sequence of pairs');
  }
  if (typeof init[Symbol.iterator] === 'function') {
    for (const pair of init) {
      const [name, value, ...rest] = pair;
      if (rest.length !== 0 || value === undefined) {
        throw new TypeError('Headers: each entry is a pair of name and value');
      }
      headers.append(name, value);
    }
  } else {
    for (const name of Reflect.ownKeys(init)) {
      const d = Object.getOwnPropertyDescriptor(init, name);
      if (d !== undefined && d.enumerable) headers.append(name, init[name]);
    }
  }
}
