// The user's module: evaluation, its exported classes, the table of handlers.

import { DurableObject } from './bases.js';
import { modules } from './builtins.js';
import { Container, assigned } from './container.js';
import { Sandbox } from './sandbox.js';
import { exportAll, isEntrypointClass } from './entrypoints.js';
import { bindModule, boundClasses } from './env.js';

import { errorText } from './inspect.js';
import { setLoading } from './task.js';
import { nodeModule, setBundle } from './node.js';
import { setWorker } from './worker.js';

export const STATIC = 0, NAMED = 1, DENIED = 2;
export const handlers = []; // {fn, kind, self}
const classes = new Map(); // name -> class

let exported = {};

let awaits = null; // what a module with top-level await waits for; its error, when it is over

function requireModule(name) {
  if (name.startsWith('builtin:')) name = name.slice(8); // config/esbuild_argv.c
  if (name === 'exports') return (value) => {
    exported = value;
  };
  const plain = name.endsWith('/') ? name.slice(0, -1) : name;
  if (plain.startsWith('node:')) {
    const found = nodeModule(plain.slice(5));
    if (found !== undefined) return found;
  }
  if (/^@cloudflare\/(containers|sandbox)\//.test(plain)) return nodeModule(plain);
  const found = modules.get(plain);
  if (found === undefined) throw new Error(`Cannot find module '${name}': ${remedy(plain)}`);
  return { __esModule: true, default: found, ...found };
}

function remedy(name) {
  if (name.startsWith('node:')) return 'Node has no module of that name that a Worker may import';
  if (!name.startsWith('cloudflare:')) return 'a package is bundled when it is installed beside the Worker';
  return `of these there are ${[...modules.keys()].filter((n) => n.startsWith('cloudflare:')).join(', ')}`;
}

// "file:line:column: Name: message" when the place is known. The stack's first frame has it.
export function placedError(e) {
  const text = errorText(e);
  const frame = /\n {4}at (?:[^\n]*\()?([^\n()]+:\d+:\d+)\)?/.exec(text);
  return frame === null ? text : `${frame[1]}: ${text.split('\n', 1)[0]}`;
}

// null, or the text of what it threw. moduleLoaded follows, in a turn of its own.
export function evaluateModule(fn) {
  // Lowered: its `await`s are written as promises (config/esbuild_argv.c).
  setBundle({ require: requireModule, isLowered: () => String(fn).includes('__async(') });
  const module = { exports: {} };
  setLoading(true);
  try {
    const result = fn.call(undefined, module, module.exports, requireModule);
    if (result instanceof Promise) {
      awaits = 'Top-level await in a module is restricted to promises that are settled at once: what needs time ' +
        'or the network belongs into a handler.';
      result.then(() => { awaits = null; }, (e) => { awaits = placedError(e); });
    } else {
      exported = module.exports ?? {};
    }
    return null;
  } catch (e) {
    return placedError(e);
  }
}

export function moduleLoaded() {
  setLoading(false);
  return awaits;
}

// Classes of the built-in modules: exporting one again means nothing. Sandbox and Container are
// classes that an app may have as they are: `export { Sandbox } from "@cloudflare/sandbox"`.
const ours = new Set();
for (const found of modules.values()) for (const value of Object.values(found)) ours.add(value);
ours.delete(Container);
ours.delete(Sandbox);

// null: not a class that the host knows. A class that a binding names is an object's whatever it
// extends.
function kindOf(name, value, bound) {
  if (typeof value !== 'function' || typeof value.prototype !== 'object' || ours.has(value)) return null;
  if (value === Container || value.prototype instanceof Container) return 'sandbox';
  if (value.prototype instanceof DurableObject || bound.has(name)) return 'object';
  return isEntrypointClass(value) && name !== 'default' ? 'entrypoint' : null;
}

// The class and what it extends, the root first.
function chain(cls) {
  const list = [];
  for (let c = cls; typeof c === 'function' && c !== Function.prototype; c = Object.getPrototypeOf(c)) list.unshift(c);
  return list;
}

// A static of one class alone: its own property (a `static` field), else what was assigned.
function ownStatic(cls, name, alias) {
  for (const n of alias === undefined ? [name] : [name, alias]) {
    const d = Object.getOwnPropertyDescriptor(cls, n);
    if (d !== undefined && 'value' in d && d.value !== undefined) return d.value;
  }
  return assigned.get(cls)?.[name];
}

function inherited(cls, name, alias) {
  let value;
  for (const c of chain(cls)) value = ownStatic(c, name, alias) ?? value;
  return value;
}

function addHandler(fn, kind, self, where) {
  if (typeof fn !== 'function') throw new TypeError(`${where} is not a function`);
  handlers.push({ fn, kind, self });
  return handlers.length - 1;
}

function ownPairs(value, where) {
  if (value === undefined || value === null) return [];
  if (typeof value !== 'object') throw new TypeError(`${where} is not an object`);
  return Object.keys(value).map((k) => [k, value[k]]);
}

function describeClass(name, cls) {
  const record = {};
  for (const c of chain(cls)) {
    for (const [k, fn] of ownPairs(ownStatic(c, 'outboundHandlers', 'outboundProxies'), `${name}.outboundHandlers`)) {
      Object.defineProperty(record, k, { value: fn, enumerable: true, configurable: true, writable: true });
    }
  }
  const named = Object.keys(record).map(
    (k) => [k, addHandler(record[k], NAMED, record, `${name}.outboundHandlers.${k}`)]);
  const hosts = ownPairs(inherited(cls, 'outboundByHost'), `${name}.outboundByHost`).map(
    ([k, fn]) => [k, addHandler(fn, STATIC, undefined, `${name}.outboundByHost["${k}"]`)]);
  const outbound = inherited(cls, 'outbound', 'outboundProxy');
  const denied = inherited(cls, 'denied');
  return {
    name, kind: 'sandbox', handlers: named, hosts,
    outbound: outbound === undefined || outbound === null ? null
      : addHandler(outbound, STATIC, undefined, `${name}.outbound`),
    denied: denied === undefined || denied === null ? null
      : addHandler(denied, DENIED, cls, `${name}.denied`),
  };
}

// JSON for classes.c.
export function listClasses() {
  try {
    const list = [];
    const bound = boundClasses();
    for (const name of Object.keys(exported)) {
      const kind = kindOf(name, exported[name], bound);
      if (kind === null) continue;
      if (kind !== 'entrypoint') classes.set(name, exported[name]);
      list.push(kind === 'sandbox' ? describeClass(name, exported[name]) : { name, kind, handlers: [], hosts: [] });
    }
    const sandboxes = list.filter((c) => c.kind === 'sandbox').map((c) => c.name);
    exportAll(exported, classes.keys());
    bindModule([...classes.keys()], sandboxes);
    return JSON.stringify({ classes: list, worker: setWorker(exported.default) });
  } catch (e) {
    return JSON.stringify({ error: placedError(e) });
  }
}

export function classNamed(name) {
  return classes.get(name);
}
