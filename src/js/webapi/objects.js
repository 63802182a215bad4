// Objects: instances of exported classes, each a record that the host knows by a number.

import { objectContext } from './context.js';
import { env } from './env.js';

// The instance that is being constructed: the base class takes it.
let constructing = null;
export const recordOf = new WeakMap(); // object -> {number, id, name, className, object, task}
const instances = [null];

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
    if (constructing !== null && !recordOf.has(this) && constructing.object === null) {
      constructing.object = this;
      recordOf.set(this, constructing);
    }
  }
}

export function isConstructing(instance) {
  return instance === constructing;
}

export function instanceOf(number) {
  return instances[number];
}

// Instance 0 exists while the engine is warmed up.
export function instanceWarm(on) {
  instances[0] = on ? { number: 0, id: '', className: '', object: null } : null;
}

export function instanceCreate(number, id, cls, className, facts) {
  const instance = { number, id, className, object: null };
  constructing = instance;
  try {
    const object = new cls(objectContext(instance), env);
    if (instance.object === null) {
      instance.object = object;
      recordOf.set(object, instance);
    }
    const text = facts(instance.object);
    instances[number] = instance;
    return text;
  } finally {
    constructing = null;
  }
}

export function instanceDestroy(number) {
  instances[number] = undefined;
}

// A public method: own or inherited below DurableObject, by name.
export function publicMethod(object, name) {
  if (name === 'constructor' || name.startsWith('_') || name.startsWith('#')) return null;
  for (let o = object; o !== null && o !== DurableObject.prototype && o !== Object.prototype;
    o = Object.getPrototypeOf(o)) {
    const d = Object.getOwnPropertyDescriptor(o, name);
    if (d !== undefined) return typeof d.value === 'function' ? d.value : null;
  }
  return null;
}
