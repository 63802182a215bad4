// ctx.storage: keys and values and SQL of one object. What the promises are of is done before they
// are given; only alarms, which the host keeps, take time.

import { deleteAlarm, getAlarm, keepAlarm, setAlarm } from './alarms.js';
import { noLocalForm } from './env.js';
import { blockConcurrency } from './objects.js';
import { SqlStorage } from './sql.js';
import { Store, notOfType, rangeOf } from './store.js';

let storeOf; // of a storage or a transaction

const PUT_ONE_OR_MANY = 'put() may only be called with a single key-value pair and optional options as ' +
  'put(key, value, options) or with multiple key-value pairs and optional options as put(entries, options)';

const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
// An array is no list of entries: it is a key, as its text.
const isEntries = (value) => isObject(value) && !Array.isArray(value);

// The methods that a storage and a transaction have in common.
class Operations {
  #store;
  #where; // the name of the class, for errors
  #use;
  static {
    storeOf = (object) => object.#store;
  }
  // use(name of the method) throws when it may not be called.
  constructor(store, where, use) {
    this.#store = store;
    this.#where = where;
    this.#use = use;
  }
  #begin(method, args, type) {
    this.#use(method);
    if (args.length === 0) throw notOfType(method, this.#where, 1, type);
  }
  async get(key, options = undefined) {
    this.#begin('get', arguments, 'string or Array');
    return Array.isArray(key) ? this.#store.getMany(key) : this.#store.get(key);
  }
  async put(key, value, options = undefined) {
    this.#begin('put', arguments, 'string or object');
    if (!isEntries(key)) this.#store.put(key, value);
    else if (value !== undefined && !isObject(value)) throw new TypeError(PUT_ONE_OR_MANY);
    else this.#store.putMany(key);
  }
  async delete(key, options = undefined) {
    this.#begin('delete', arguments, 'string or Array');
    return Array.isArray(key) ? this.#store.delete(key) : this.#store.delete([key]) === 1;
  }
  async list(options = undefined) {
    this.#use('list');
    const flat = this.#store.list(rangeOf(options, this.#where));
    const found = new Map();
    for (let i = 0; i < flat.length; i += 2) found.set(flat[i], flat[i + 1]);
    return found;
  }
  async getAlarm(options = undefined) {
    this.#use('getAlarm');
    return getAlarm(this.#store);
  }
  async setAlarm(time, options = undefined) {
    this.#use('setAlarm');
    await setAlarm(this.#store, time, this.#where);
  }
  async deleteAlarm(options = undefined) {
    this.#use('deleteAlarm');
    await deleteAlarm(this.#store);
  }
}

function checkClosure(closure, method) {
  if (typeof closure !== 'function') throw notOfType(method, 'DurableObjectStorage', 1, 'function');
}

class DurableObjectTransaction extends Operations {
  #transaction;
  constructor(store, transaction) {
    super(store, 'DurableObjectTransaction', (name) => this.#use(name));
    this.#transaction = transaction;
  }
  #use(name) {
    if (this.#transaction.over) {
      throw new Error(`Cannot call ${name}() on transaction that has already committed: did you move \`txn\` outside ` +
        'of the closure?');
    }
    if (this.#transaction.undone) throw new Error(`Cannot ${name}() on rolled back transaction`);
  }
  async deleteAll() {
    throw new Error('Cannot call deleteAll() within a transaction');
  }
  rollback() {
    if (this.#transaction.undone) return;
    this.#use('rollback');
    storeOf(this).undo(this.#transaction);
  }
}

class SyncKvStorage {
  #store;
  constructor(store) {
    this.#store = store;
  }
  get(key) {
    return this.#store.get(key);
  }
  put(key, value) {
    if (arguments.length < 2) throw notOfType('put', 'SyncKvStorage', 2, 'Value');
    this.#store.put(key, value);
  }
  delete(key) {
    return this.#store.delete([key]) === 1;
  }
  list(options = undefined) {
    return this.#store.pages(rangeOf(options, 'SyncKvStorage'));
  }
}

class DurableObjectStorage extends Operations {
  constructor(store) {
    super(store, 'DurableObjectStorage', () => {});
    Object.defineProperties(this, {
      kv: { value: new SyncKvStorage(store), enumerable: true },
      sql: { value: new SqlStorage(store), enumerable: true },
    });
  }
  async deleteAll(options = undefined) {
    storeOf(this).deleteAll();
    await this.deleteAlarm();
  }
  async sync() {
    await Promise.all(storeOf(this).instance.alarms);
  }
  // No event reaches the object meanwhile. One inside another is a part of it.
  async transaction(closure) {
    checkClosure(closure, 'transaction');
    const store = storeOf(this);
    store.check();
    let failed = false;
    const result = await blockConcurrency(store.instance, async () => {
      let transaction = null;
      try {
        transaction = store.begin();
        const value = await closure(new DurableObjectTransaction(store, transaction));
        await store.innermost(transaction);
        await keepAlarm(store, store.end(transaction, true));
        return value;
      } catch (e) {
        failed = true; // thrown here it would reset the object
        if (transaction === null) return e;
        await store.innermost(transaction);
        if (!transaction.over) store.end(transaction, false);
        return e;
      }
    });
    if (failed) throw result;
    return result;
  }
  transactionSync(closure) {
    checkClosure(closure, 'transactionSync');
    const store = storeOf(this);
    const transaction = store.begin();
    let value;
    try {
      value = closure();
    } catch (e) {
      if (!transaction.over) store.end(transaction, false);
      throw e;
    }
    keepAlarm(store, store.end(transaction, true)); // the event's answer waits for it
    return value;
  }
}
for (const name of ['getCurrentBookmark', 'getBookmarkForTime', 'onNextSessionRestoreBookmark', 'waitForBookmark',
  'ensureReplicas', 'disableReplicas']) {
  Object.defineProperty(DurableObjectStorage.prototype, name, {
    configurable: true, writable: true,
    value: { [name]() {
      throw noLocalForm(`ctx.storage.${name}()`);
    } }[name],
  });
}

const stores = new WeakMap(); // instance -> Store of its present life

export function storageOf(instance) {
  stores.get(instance)?.abandon();
  const store = new Store(instance);
  stores.set(instance, store);
  return new DurableObjectStorage(store);
}
