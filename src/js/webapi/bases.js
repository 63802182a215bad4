// The classes that user code extends, and the record that goes with an object while it is made.

let constructing = null;
// Set on the prototype of Container: objects with lists and hosts that policy needs.
export const HAS_LISTS = Symbol('has lists');
// Set on the prototype of Sandbox: what runs in it is ready for calls once it is there.
export const SERVES_AT_ONCE = Symbol('serves at once');

export const recordOf = new WeakMap(); // object -> its Instance (objects.js)

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
    if (constructing !== null && constructing.object === null) adopt(constructing, this);
  }
}

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkflowEntrypoint extends WorkerEntrypoint {}

// Travels over RPC as a stub.
export class RpcTarget {}

// Ours alone: travels over RPC as it is, with its own properties.
export class LocalTarget {}

function adopt(record, object) {
  record.object = object;
  recordOf.set(object, record);
}

export function isConstructing(record) {
  return record === constructing;
}

// Sets record.object; a constructor that throws leaves it null.
export function construct(record, cls, ctx, env) {
  const outer = constructing;
  constructing = record;
  try {
    adopt(record, new cls(ctx, env));
  } catch (e) {
    record.object = null;
    throw e;
  } finally {
    constructing = outer;
  }
}
