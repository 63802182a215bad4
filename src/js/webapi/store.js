// What an object has stored. All underneath is at once and durable when the call returns
// (store/object.h).

import { decode, encode } from './serialize.js';

const KEYS_MAX = 128;
const INT_MAX = 0x7fffffff;
const PAGE = 256; // pairs that one step of kv.list() fetches

function keyOf(key) {
  if (typeof key === 'symbol') throw new TypeError('A key cannot be a symbol.');
  return typeof key === 'string' ? key : `${key}`;
}

function keysOf(keys) {
  if (keys.length > KEYS_MAX) throw new RangeError(`Maximum number of keys is ${KEYS_MAX}.`);
  return keys.map(keyOf);
}

// By the bytes of their UTF-8, which is the order of code points.
function byBytes(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x !== y) {
      const high = (u) => (u >= 0xd800 && u < 0xe000 ? u + 0x2000 : u >= 0xe000 ? u - 0x800 : u);
      return high(x) - high(y);
    }
  }
  return a.length - b.length;
}

export function notOfType(method, where, parameter, type) {
  return new TypeError(`Failed to execute '${method}' on '${where}': parameter ${parameter} is not of type '${type}'.`);
}

function bound(value) {
  return value === undefined ? null : keyOf(value);
}

// As a 32-bit integer; what is none is 0.
function limitOf(limit) {
  const n = Math.trunc(Number(limit));
  if (Number.isFinite(n) && Math.abs(n) > INT_MAX) {
    throw new TypeError('Value out of range. Must be between -2147483648 and 2147483647 (inclusive).');
  }
  if (!(n > 0) || n === Infinity) throw new TypeError('List limit must be positive.');
  return n;
}

export function rangeOf(options, where) {
  const o = options ?? {};
  if (typeof o !== 'object' && typeof o !== 'function') throw notOfType('list', where, 1, 'ListOptions');
  const range = {
    start: bound(o.start), startAfter: bound(o.startAfter), end: bound(o.end), prefix: bound(o.prefix),
    reverse: Boolean(o.reverse), limit: o.limit === undefined ? 0 : limitOf(o.limit),
  };
  if (range.start !== null && range.startAfter !== null) {
    throw new TypeError('list() cannot be called with both start and startAfter values.');
  }
  return range;
}

// For the three faces of it: storage, storage.kv and a transaction.
export class Store {
  constructor(instance) {
    this.instance = instance;
    this.open = []; // transactions, the innermost last
    this.dead = false;
  }
  check() {
    if (this.dead) throw new Error('The object was reset: this storage is of its former life.');
    return this.instance.alive();
  }
  get(key) {
    const bytes = native.storageGet(this.check(), keyOf(key));
    return bytes === undefined ? undefined : decode(bytes);
  }
  getMany(keys) {
    const found = new Map();
    for (const key of [...new Set(keysOf(keys))].sort(byBytes)) {
      const bytes = native.storageGet(this.check(), key);
      if (bytes !== undefined) found.set(key, decode(bytes));
    }
    return found;
  }
  put(key, value) {
    if (value === undefined) throw new TypeError('put() called with undefined value.');
    const name = keyOf(key);
    const bytes = encode(value);
    native.storageWrite(this.check(), name, bytes);
  }
  putMany(entries) {
    const pairs = [];
    for (const key of Object.keys(entries)) {
      const value = entries[key];
      if (value !== undefined) pairs.push(key, encode(value));
    }
    if (pairs.length > KEYS_MAX * 2) throw new RangeError(`Maximum number of pairs is ${KEYS_MAX}.`);
    native.storageWrite(this.check(), ...pairs);
  }
  // How many there were.
  delete(keys) {
    return native.storageWrite(this.check(), ...keysOf(keys).flatMap((key) => [key, null]));
  }
  list(range) {
    const flat = native.storageList(this.check(), range.start, range.startAfter, range.end, range.prefix,
      range.reverse, range.limit);
    for (let i = 1; i < flat.length; i += 2) flat[i] = decode(flat[i]);
    return flat;
  }
  * pages(range) {
    let left = range.limit === 0 ? Infinity : range.limit;
    while (left > 0) {
      const flat = this.list({ ...range, limit: Math.min(left, PAGE) });
      for (let i = 0; i < flat.length; i += 2) yield [flat[i], flat[i + 1]];
      if (flat.length < PAGE * 2) return;
      left -= PAGE;
      const last = flat[flat.length - 2];
      range = range.reverse ? { ...range, end: last } : { ...range, start: null, startAfter: last };
    }
  }
  deleteAll() {
    native.storageDeleteAll(this.check());
  }
  begin() {
    native.storageBegin(this.check());
    const transaction = { over: false, undone: false, alarm: undefined, done: null, resolve: null };
    transaction.done = new Promise((resolve) => {
      transaction.resolve = resolve;
    });
    this.open.push(transaction);
    return transaction;
  }
  // Where what is written now goes; undefined: it holds at once.
  #current() {
    return this.open.findLast((t) => !t.undone);
  }
  // The alarm as the open transactions have left it; undefined: as it was.
  alarm() {
    this.check();
    return this.open.findLast((t) => !t.undone && t.alarm !== undefined)?.alarm;
  }
  // false: no transaction is open.
  stageAlarm(time) {
    this.check();
    const transaction = this.#current();
    if (transaction !== undefined) transaction.alarm = time;
    return transaction !== undefined;
  }
  // Ends the innermost. Gives the alarm that holds with it; undefined: none, or not yet.
  end(transaction, commit) {
    this.open.pop();
    transaction.over = true;
    transaction.resolve();
    if (this.dead || transaction.undone) return undefined;
    if (!commit) {
      native.storageRollback(this.instance.number);
      return undefined;
    }
    native.storageCommit(this.instance.number);
    return transaction.alarm === undefined || this.stageAlarm(transaction.alarm) ? undefined : transaction.alarm;
  }
  undo(transaction) {
    if (this.open.at(-1) !== transaction) throw new Error('Cannot rollback() while a transaction inside it is open.');
    native.storageRollback(this.check());
    transaction.undone = true;
  }
  // Those inside it have ended.
  async innermost(transaction) {
    while (!transaction.over && this.open.at(-1) !== transaction) await this.open.at(-1).done;
  }
  // The object was reset: what was open is undone.
  abandon() {
    for (let t = this.open.pop(); t !== undefined; t = this.open.pop()) {
      t.over = true;
      t.resolve();
      if (!t.undone) native.storageRollback(this.instance.number);
    }
    this.dead = true;
  }
}
