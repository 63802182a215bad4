// Container and Sandbox: statics, setters, and the facts that policy needs of an instance.

import { callBegin, callTake } from './env.js';
import { DurableObject, isConstructing, recordOf } from './objects.js';
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

const SETTERS = [
  'setOutboundHandler', 'removeOutboundHandler', 'setOutboundByHost', 'setOutboundByHosts',
  'removeOutboundByHost', 'setAllowedHosts', 'setDeniedHosts', 'allowHost', 'denyHost',
  'removeAllowedHost', 'removeDeniedHost',
];

function policySet(object, method, args) {
  const instance = recordOf.get(object);
  if (instance === undefined) throw new Error(`${method}: not an instance that Sallyport made`);
  if (isConstructing(instance)) throw new Error(`${method}: not possible in the constructor`);
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
export function facts(object) {
  if (!(object instanceof Container)) return '{}';
  return JSON.stringify({
    allowedHosts: listFact(object, 'allowedHosts'),
    deniedHosts: listFact(object, 'deniedHosts'),
    enableInternet: boolFact(object, 'enableInternet'),
    interceptHttps: boolFact(object, 'interceptHttps'),
    allowedTcp: listFact(object, 'allowedTcp'),
  });
}
