// ctx: what an object, an entrypoint or a handler of the Worker gets besides env.

import { noLocalForm } from './env.js';

class InstanceId {
  #id;
  constructor(id) {
    this.#id = id;
    this.name = id;
  }
  toString() {
    return this.#id;
  }
  equals(other) {
    return `${other}` === this.#id;
  }
}

export function objectContext(instance) {
  return {
    id: new InstanceId(instance.id),
    props: {},
    waitUntil() {},
    passThroughOnException() {},
    blockConcurrencyWhile: async (fn) => fn(),
    get storage() {
      throw noLocalForm('ctx.storage');
    },
    get container() {
      throw noLocalForm('ctx.container');
    },
  };
}
