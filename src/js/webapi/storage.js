// ctx.storage: keys and values and SQL of one object. What the promises are of is done before they
// are given; only alarms, which the host keeps, take time.

import { callBegin, callTake, noLocalForm } from './env.js';
import { blockConcurrency } from './objects.js';
import { SqlStorage } from './sql.js';
import { Store, rangeOf } from './store.js';
import { noTask, owner } from './task.js';

const ALARM_GET = -1, ALARM_DELETE = -2;
const TIME_MAX = 8.64e15; // ms: what a Date can be

let storeOf; // of a storage or a transaction

// The methods that a storage and a transaction have in common.
class Operations {
  #store;
  #use;
  static {
    storeOf = (object) => object.#store;
  }
  // use(name of the method) throws when it may not be called.
  constructor(store, use) {
    this.#store = store;
    this.#use = use;
  }
  async get(key, options = undefined) {
    this.#use('get');
    return Array.isArray(key) ? this.#store.getMany(key) : this.#store.get(key);
  }
  async put(key, value, options = undefined) {
    this.#use('put');
    if (typeof key === 'object' && key !== null) this.#store.putMany(key);
    else this.#store.put(key, value);
  }
  async delete(key, options = undefined) {
    this.#use('delete');
    return Array.isArray(key) ? this.#store.delete(key) : this.#store.delete([key]) === 1;
  }
  async list(options = undefined) {
    this.#use('list');
    const flat = this.#store.list(rangeOf(options));
    const found = new Map();
    for (let i = 0; i < flat.length; i += 2) found.set(flat[i], flat[i + 1]);
    return found;
  }
  async getAlarm(options = undefined) {
    this.#use('getAlarm');
    const time = await this.#alarm('getAlarm', ALARM_GET);
    return time < 0 ? null : time;
  }
  async setAlarm(time, options = undefined) {
    this.#use('setAlarm');
    const ms = time instanceof Date ? time.getTime() : Number(time);
    if (!(ms <= TIME_MAX)) throw new TypeError('setAlarm() cannot be called with an invalid time.');
    if (ms <= 0) throw new TypeError('setAlarm() cannot be called with an alarm time <= 0');
    if (typeof this.#store.instance.object?.alarm !== 'function' &&
      typeof this.#store.instance.cls.prototype.alarm !== 'function') {
      throw new TypeError('Your Durable Object class must have an alarm() handler in order to call setAlarm()');
    }
    await this.#alarm('setAlarm', Math.floor(ms));
  }
  async deleteAlarm(options = undefined) {
    this.#use('deleteAlarm');
    await this.#alarm('deleteAlarm', ALARM_DELETE);
  }
  #alarm(what, time) {
    const { instance } = this.#store;
    const { alarms } = instance;
    const number = this.#store.check();
    const task = owner() ?? instance.task;
    if (task === null) throw noTask(`${what}()`);
    const promise = callBegin(task, (call) => native.alarm(call, number, time));
    if (time !== ALARM_GET) {
      alarms.add(promise);
      const settled = () => alarms.delete(promise);
      promise.then(settled, settled);
    }
    return promise;
  }
}

export function alarmDone(call, ok, time, why) {
  const p = callTake(call);
  if (p === null) return;
  if (ok) p.resolve(time);
  else p.reject(new Error(why));
}

class DurableObjectTransaction extends Operations {
  #transaction;
  constructor(store, transaction) {
    super(store, (name) => this.#use(name));
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
    throw new Error('Cannot call deleteAll() within a transaction.');
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
    this.#store.put(key, value);
  }
  delete(key) {
    return this.#store.delete([key]) === 1;
  }
  list(options = undefined) {
    return this.#store.pages(rangeOf(options));
  }
}

class DurableObjectStorage extends Operations {
  constructor(store) {
    super(store, () => {});
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
    if (typeof closure !== 'function') throw new TypeError('transaction: the closure is not a function');
    const store = storeOf(this);
    store.check();
    let failed = false;
    const result = await blockConcurrency(store.instance, async () => {
      let transaction = null;
      try {
        transaction = store.begin();
        const value = await closure(new DurableObjectTransaction(store, transaction));
        await store.innermost(transaction);
        store.end(transaction, true);
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
    if (typeof closure !== 'function') throw new TypeError('transactionSync: the closure is not a function');
    const store = storeOf(this);
    const transaction = store.begin();
    let value;
    try {
      value = closure();
    } catch (e) {
      if (!transaction.over) store.end(transaction, false);
      throw e;
    }
    store.end(transaction, true);
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
