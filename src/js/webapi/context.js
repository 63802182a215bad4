// ctx: what an object, an entrypoint or a handler of the Worker gets besides env.

import { blockConcurrency, reset } from './objects.js';
import { containerOf } from './rawcontainer.js';
import { exported } from './entrypoints.js';
import { noLocalForm } from './env.js';
import { ObjectId } from './namespace.js';
import { storageOf } from './storage.js';
import { waitOn } from './task.js';

// Of the Worker's own events and of entrypoints.
export class ExecutionContext {
  #task;
  #props;
  #waits; // null: waitUntil only prolongs the task; else its promises are kept here
  constructor(task, props, waits = null) {
    this.#task = task;
    this.#props = props;
    this.#waits = waits;
  }
  waitUntil(promise) {
    if (this.#waits !== null) this.#waits.push(promise);
    else if (this.#task !== null) waitOn(this.#task, promise);
  }
  passThroughOnException() {}
  get props() {
    return this.#props ??= {};
  }
  get exports() {
    return exported;
  }
}

// Of an object. One that was reset has another, and the old one is of no use.
export class ObjectContext {
  #instance;
  #generation;
  #storage = null;
  #container = null;
  constructor(instance) {
    this.#instance = instance;
    this.#generation = instance.generation;
    this.id = new ObjectId(instance.className, instance.id, instance.name);
    this.props = {};
  }
  #live() {
    const instance = this.#instance;
    if (instance.gone || instance.generation !== this.#generation) {
      throw new Error('The object was reset: this context is of its former life.');
    }
    return instance;
  }
  get storage() {
    return this.#storage ??= storageOf(this.#live());
  }
  get container() {
    return this.#container ??= containerOf(this.#live());
  }
  get exports() {
    return exported;
  }
  waitUntil(promise) {
    const { task } = this.#instance;
    if (task !== null) waitOn(task, promise);
  }
  blockConcurrencyWhile(callback) {
    if (typeof callback !== 'function') {
      throw new TypeError('blockConcurrencyWhile: the callback is not a function');
    }
    return blockConcurrency(this.#live(), callback);
  }
  abort(reason = 'Application called abort() to reset Durable Object.') {
    const error = reason instanceof Error ? reason : new Error(`${reason}`);
    reset(this.#live(), error);
    throw error;
  }
  // No WebSocket ends in a Worker here: what prepares for one may stay, what needs one says so.
  getWebSockets() {
    return [];
  }
  setWebSocketAutoResponse() {}
  getWebSocketAutoResponse() {
    return null;
  }
  acceptWebSocket() {
    throw noLocalForm('ctx.acceptWebSocket()');
  }
}
