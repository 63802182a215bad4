// What the module exports, as ctx.exports and service bindings reach it. An entrypoint is made anew
// for each call and works as part of its caller's task.

import { WorkerEntrypoint } from './bases.js';
import { ExecutionContext } from './context.js';
import { copyValue } from './copy.js';
import { env } from './env.js';
import { DurableObjectNamespace, objectReceiver } from './namespace.js';
import { fetchVia, serviceStub } from './rpc.js';
import { current, enter, isThenable, owner } from './task.js';

export const exported = { __proto__: null }; // ctx.exports, filled once the module was evaluated

export function isEntrypointClass(value) {
  return typeof value === 'function' && value.prototype instanceof WorkerEntrypoint;
}

class EntryReceiver {
  constructor(name, entry, props) {
    this.name = name;
    this.entry = entry; // a class, or an object with handlers
    this.props = props;
  }
  deliver(run, ok, bad) {
    const task = owner();
    const again = (fn) => (value) => {
      if (task !== null && !task.over) enter(task);
      fn(value);
    };
    try {
      const ctx = new ExecutionContext(task, this.props === undefined ? {} : copyValue(this.props, keep));
      const object = typeof this.entry === 'function' ? new this.entry(ctx, env) : this.entry;
      const result = run(object, ctx);
      if (isThenable(result)) Promise.resolve(result).then(again(ok), again(bad));
      else ok(result);
    } catch (e) {
      bad(e);
    }
  }
  target() {
    return { entry: this.name, props: this.props };
  }
  fetchOf(object, request, ctx) {
    if (typeof object.fetch !== 'function') throw new TypeError(`The entrypoint "${this.name}" has no fetch() handler.`);
    return typeof this.entry === 'function' ? object.fetch(request) : object.fetch(request, env, ctx);
  }
}

const keep = (value) => value;
const entries = new Map(); // name -> class or object

function entryStub(name, entry, props, callable) {
  return serviceStub(new EntryReceiver(name, entry, props), callable);
}

function isEntry(value) {
  return isEntrypointClass(value) ||
    (value !== null && typeof value === 'object' && typeof value.fetch === 'function');
}

// ctx.exports: namespaces of object classes, and entrypoints, which take props when called.
export function exportAll(module, objectClasses) {
  for (const name of objectClasses) exported[name] = new DurableObjectNamespace(name, `ctx.exports.${name}`);
  for (const name of Object.keys(module)) {
    const value = module[name];
    if (name in exported || !isEntry(value)) continue;
    entries.set(name, value);
    exported[name] = entryStub(name, value, undefined, (options = undefined) =>
      entryStub(name, value, options?.props === undefined ? undefined : copyValue(options.props, keep), null));
  }
}

// Calls fetch() of what targetOf named.
export function fetchTarget(text, request) {
  const target = JSON.parse(text);
  if (target.entry === undefined) return fetchVia(objectReceiver(target.class, target.id, target.name), request);
  const entry = entries.get(target.entry);
  if (entry === undefined) throw new Error(`The entrypoint "${target.entry}" is no longer exported.`);
  return fetchVia(new EntryReceiver(target.entry, entry, target.props), request);
}

// What throws on any use, saying why. Looking at it (printing, awaiting) is no use.
export function refusing(why) {
  const refuse = () => {
    throw new Error(why);
  };
  const quiet = new Set(['then', 'toJSON', 'constructor']);
  return new Proxy(function () {}, {
    get: (target, name) => (typeof name === 'symbol' || quiet.has(name) ? undefined : refuse()),
    set: refuse, apply: refuse, construct: refuse,
  });
}

// A service binding: to this app's own exports.
export function serviceBinding({ binding, service, entrypoint }, appName) {
  if (service !== appName && service !== 'self') {
    return refusing(`env.${binding} is a service binding to "${service}": ` +
      `only services of this app ("${appName}" or "self") can be bound.`);
  }
  const name = entrypoint ?? 'default';
  const entry = entries.get(name);
  if (entry === undefined) return refusing(`env.${binding} is bound to the entrypoint "${name}", which is not exported.`);
  return entryStub(name, entry, undefined, null);
}
