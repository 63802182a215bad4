// Namespaces of objects: ids, and stubs that find their object when it is called.

import { callOpen, callTake } from './env.js';
import { instanceOf, postEvent } from './objects.js';
import { objectStub } from './rpc.js';
import { owner } from './task.js';

const HEX_ID = /^[0-9a-f]{64}$/i;

export class ObjectId {
  #className;
  #id;
  constructor(className, id, name) {
    this.#className = className;
    this.#id = id;
    if (name !== undefined) Object.defineProperty(this, 'name', { value: name, enumerable: true });
  }
  static is(value) {
    return value !== null && typeof value === 'object' && #id in value;
  }
  static classOf(id) {
    return id.#className;
  }
  toString() {
    return this.#id;
  }
  equals(other) {
    return ObjectId.is(other) && other.#id === this.#id && other.#className === this.#className;
  }
}

const keyOf = (className, id) => `${className}\n${id}`;
const here = new Map(); // key -> Instance
const loading = new Map(); // key -> events that wait for the host
const failed = new Map(); // key -> what its constructor threw

export function objectHere(instance) {
  here.set(keyOf(instance.className, instance.id), instance);
}

export function objectGone(instance) {
  const key = keyOf(instance.className, instance.id);
  if (here.get(key) === instance) here.delete(key);
}

// The host is told a sentence; who called gets the error itself.
export function objectFailed(className, id, error) {
  const key = keyOf(className, id);
  if (loading.has(key)) failed.set(key, error);
}

// How a call reaches the object of a class and id.
class ObjectReceiver {
  constructor(className, id, name) {
    this.className = className;
    this.id = id;
    this.name = name;
    this.key = keyOf(className, id);
  }
  deliver(run, ok, bad) {
    const waiting = loading.get(this.key);
    if (waiting !== undefined) {
      waiting.push({ run, ok, bad });
      return;
    }
    const instance = here.get(this.key);
    if (instance !== undefined) postEvent(instance, run, ok, bad);
    else this.#load({ run, ok, bad });
  }
  #load(first) {
    const waiting = [first];
    loading.set(this.key, waiting);
    const call = callOpen(owner(), (instance) => {
      this.#loaded();
      for (const e of waiting) postEvent(instance, e.run, e.ok, e.bad);
    }, (error) => {
      const cause = failed.get(this.key) ?? error;
      this.#loaded();
      for (const e of waiting) e.bad(cause);
    });
    if (!native.object(call, this.className, this.id, this.name ?? null)) {
      callTake(call).reject(new Error('The arguments do not fit into memory.'));
    }
  }
  target() {
    return { class: this.className, id: this.id, name: this.name };
  }
  fetchOf(object, request) {
    if (typeof object.fetch !== 'function') throw new TypeError(`The class "${this.className}" has no fetch() handler.`);
    return object.fetch(request);
  }
  #loaded() {
    loading.delete(this.key);
    failed.delete(this.key);
  }
}

export function objectReceiver(className, id, name) {
  return new ObjectReceiver(className, id, name);
}

export function objectDone(call, number, why) {
  const p = callTake(call);
  if (p === null) return;
  const instance = number === 0 ? undefined : instanceOf(number);
  if (instance) p.resolve(instance);
  else p.reject(new Error(why === '' ? 'The object could not be made.' : why));
}

export class DurableObjectNamespace {
  #className;
  #label;
  #why; // null, or why it cannot be used
  constructor(className, label, why = null) {
    this.#className = className;
    this.#label = label;
    this.#why = why;
  }
  static is(value) {
    return value !== null && typeof value === 'object' && #className in value;
  }
  static className(namespace) {
    return namespace.#className;
  }
  #make(name) {
    if (this.#why !== null) throw new Error(this.#why);
    const id = native.objectId(this.#className, name);
    if (id === null) throw new Error(`${this.#label}: there is no class "${this.#className}"`);
    return id;
  }
  idFromName(name) {
    name = `${name}`;
    return new ObjectId(this.#className, this.#make(name), name);
  }
  newUniqueId(options = undefined) {
    return new ObjectId(this.#className, this.#make(null), undefined);
  }
  idFromString(text) {
    if (this.#why !== null) throw new Error(this.#why);
    text = `${text}`;
    if (HEX_ID.test(text)) text = text.toLowerCase();
    if (!native.objectIdIs(this.#className, text)) {
      throw new TypeError(HEX_ID.test(text)
        ? 'Durable Object ID is not valid for this namespace.'
        : 'Invalid Durable Object ID: must be 64 hex digits.');
    }
    return new ObjectId(this.#className, text, undefined);
  }
  get(id, options = undefined) {
    if (!ObjectId.is(id)) throw new TypeError(`${this.#label}.get(): the argument is not a DurableObjectId.`);
    if (ObjectId.classOf(id) !== this.#className) {
      throw new TypeError(`${this.#label}.get(): the id is of the class "${ObjectId.classOf(id)}", not "${this.#className}".`);
    }
    return objectStub(new ObjectReceiver(this.#className, id.toString(), id.name), id);
  }
  getByName(name, options = undefined) {
    return this.get(this.idFromName(name), options);
  }
  jurisdiction(jurisdiction) {
    return this;
  }
}

