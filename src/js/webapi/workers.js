// The workers API: Container and Sandbox with their statics and setters, and what the built-in
// modules export.

import { callBegin, callTake, env, noLocalForm } from './env.js';
import { owner, noTask } from './task.js';

// class -> what was assigned through the accessors. A `static` field defines a property of its own
// instead; classes.js reads both.
export const assigned = new WeakMap();

function record(cls) {
  let r = assigned.get(cls);
  if (r === undefined) assigned.set(cls, (r = {}));
  return r;
}

function found(cls, name) {
  for (let c = cls; typeof c === 'function' && c !== Function.prototype; c = Object.getPrototypeOf(c)) {
    const value = assigned.get(c)?.[name];
    if (value !== undefined) return value;
  }
  return undefined;
}

// The instance that is being constructed: the base class takes its number.
let constructing = null;
const recordOf = new WeakMap(); // object -> {number, id, className, object}

const SETTERS = [
  'setOutboundHandler', 'removeOutboundHandler', 'setOutboundByHost', 'setOutboundByHosts',
  'removeOutboundByHost', 'setAllowedHosts', 'setDeniedHosts', 'allowHost', 'denyHost',
  'removeAllowedHost', 'removeDeniedHost',
];

function policySet(object, method, args) {
  const instance = recordOf.get(object);
  if (instance === undefined) throw new Error(`${method}: not an instance that Sallyport made`);
  if (instance === constructing) throw new Error(`${method}: not possible in the constructor`);
  const task = owner();
  if (task === null) throw noTask(method);
  while (args.length !== 0 && args[args.length - 1] === undefined) args.pop();
  const json = JSON.stringify(args);
  return callBegin(task, (call) => native.policySet(call, instance.number, method, json, facts(object)));
}

export function policyDone(call, error) {
  const p = callTake(call);
  if (p === null) return;
  if (error === null) p.resolve(undefined);
  else p.reject(new Error(error));
}

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class Container extends DurableObject {
  defaultPort = undefined;
  requiredPorts = undefined;
  sleepAfter = '10m';
  envVars = {};
  entrypoint = undefined;
  enableInternet = true;
  interceptHttps = true;
  allowedHosts = undefined;
  deniedHosts = undefined;
  allowedTcp = undefined;

  constructor(ctx, env) {
    super(ctx, env);
    if (constructing !== null && !recordOf.has(this) && constructing.object === null) {
      constructing.object = this;
      recordOf.set(this, constructing);
    }
  }
  static get outbound() {
    return found(this, 'outbound');
  }
  static set outbound(handler) {
    record(this).outbound = handler;
  }
  static get outboundByHost() {
    return found(this, 'outboundByHost');
  }
  static set outboundByHost(hosts) {
    record(this).outboundByHost = hosts;
  }
  static get outboundHandlers() {
    return found(this, 'outboundHandlers');
  }
  static set outboundHandlers(handlers) {
    const r = record(this);
    r.outboundHandlers = { ...r.outboundHandlers, ...handlers };
  }
  static get outboundProxy() {
    return this.outbound;
  }
  static set outboundProxy(handler) {
    this.outbound = handler;
  }
  static get outboundProxies() {
    return this.outboundHandlers;
  }
  static set outboundProxies(handlers) {
    this.outboundHandlers = handlers;
  }
}
for (const method of SETTERS) {
  Object.defineProperty(Container.prototype, method, {
    configurable: true, writable: true,
    value: { async [method](...args) {
      return policySet(this, method, args);
    } }[method],
  });
}

export class Sandbox extends Container {}

class ContainerProxy {}
class RpcTarget {}
class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}
class WorkflowEntrypoint extends WorkerEntrypoint {}

function isList(value) {
  return Array.isArray(value) && value.every((v) => typeof v === 'string');
}

function listFact(object, name) {
  const value = object[name];
  if (value === undefined || value === null) return null;
  if (!isList(value)) throw new TypeError(`${name} is not an array of strings`);
  return value;
}

function boolFact(object, name) {
  const value = object[name];
  if (typeof value !== 'boolean') throw new TypeError(`${name} is not a boolean`);
  return value;
}

// What policy needs of an instance, as JSON.
function facts(object) {
  return JSON.stringify({
    allowedHosts: listFact(object, 'allowedHosts'),
    deniedHosts: listFact(object, 'deniedHosts'),
    enableInternet: boolFact(object, 'enableInternet'),
    interceptHttps: boolFact(object, 'interceptHttps'),
    allowedTcp: listFact(object, 'allowedTcp'),
  });
}

const instances = [null];

export function instanceOf(number) {
  return instances[number];
}

// Instance 0 exists while the engine is warmed up.
export function instanceWarm(on) {
  instances[0] = on ? { number: 0, id: '', className: '', object: null } : null;
}

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

function context(id) {
  return {
    id: new InstanceId(id),
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

export function instanceCreate(number, id, cls, className) {
  const instance = { number, id, className, object: null };
  constructing = instance;
  try {
    const object = new cls(context(id), env);
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

// A public method: own or inherited below Container, by name.
export function publicMethod(object, name) {
  if (name === 'constructor' || name.startsWith('_') || name.startsWith('#')) return null;
  for (let o = object; o !== null && o !== Container.prototype && o !== Sandbox.prototype;
    o = Object.getPrototypeOf(o)) {
    const d = Object.getOwnPropertyDescriptor(o, name);
    if (d !== undefined) return typeof d.value === 'function' ? d.value : null;
  }
  return null;
}

function refuse(name) {
  return { [name]() {
    throw noLocalForm(`${name}()`);
  } }[name];
}

const containers = {
  Container, ContainerProxy,
  outboundParams: (handler, params) => ({ handler, params }),
  getContainer: refuse('getContainer'),
  getRandom: refuse('getRandom'),
  loadBalance: refuse('loadBalance'),
  switchPort: refuse('switchPort'),
};
const sandbox = {
  ...containers, Sandbox,
  getSandbox: refuse('getSandbox'),
  proxyToSandbox: refuse('proxyToSandbox'),
};

export const modules = new Map([
  ['@cloudflare/containers', containers],
  ['@cloudflare/sandbox', sandbox],
  ['cloudflare:workers', { DurableObject, WorkerEntrypoint, WorkflowEntrypoint, RpcTarget, env }],
  ['sallyport', sandbox],
]);
