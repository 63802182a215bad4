// RPC: stubs, calls, and what travels. Everything is in one heap: arguments and results are copied
// (copy.js), functions and RpcTargets become stubs, and errors keep name and message.
//
// A *receiver* has deliver(run, ok, bad): it calls run(object, …) where the object lives, then ok or
// bad, each at most once.

import { DurableObject, LocalTarget, RpcTarget, WorkerEntrypoint } from './bases.js';
import { Blob } from './form.js';
import { copyValue } from './copy.js';
import { isCryptoKey } from './crypto.js';
import { AbortSignal } from './events.js';
import { Headers } from './headers.js';
import { rememberOrigin } from './inspect.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { OBJECT, addWork, current, enter, isThenable, nextSequence, owner, post } from './task.js';

const RESERVED = new Set([
  'alarm', 'connect', 'constructor', 'dup', 'email', 'fetch', 'queue', 'scheduled', 'tail',
  'tailStream', 'test', 'trace', 'webSocketClose', 'webSocketError', 'webSocketMessage',
]);
const ABSENT = new Set(['then', 'toJSON', 'constructor', '__proto__']); // a stub is no promise
const stubs = new WeakSet();
const receivers = new WeakMap(); // stub -> receiver

export function isStub(value) {
  return stubs.has(value);
}

// What a call gives. An error that nobody has asked for yet is not reported at once, since the caller
// may still await it, but when the caller's task ends.
export class RpcPromise extends Promise {
  static get [Symbol.species]() {
    return Promise;
  }
  claimed = false;
  then(ok, bad) {
    this.claimed = true;
    return super.then(ok, bad);
  }
  [Symbol.dispose]() {}
}

// An error nobody has claimed: work of the caller that reports it in the end.
class Unclaimed {
  constructor(promise, error) {
    this.promise = promise;
    this.error = error;
    this.seq = nextSequence();
    this.task = null;
  }
  get closed() {
    return this.promise.claimed;
  }
  cancel() {
    if (!this.promise.claimed) Promise.reject(this.error);
  }
}

// A call under way: work of the caller, dropped when the caller ends first.
class RpcCall {
  constructor() {
    const { promise, resolve, reject } = RpcPromise.withResolvers();
    this.promise = promise;
    this.resolve = resolve;
    this.reject = reject;
    this.seq = nextSequence();
    this.task = owner();
    this.closed = false;
    this.settled = false;
    this.value = undefined;
    this.failed = false;
    if (this.task !== null) addWork(this.task, this);
  }
  cancel() {
    this.closed = true;
  }
  // From the receiver's side: what the value carries is copied there.
  done(value) {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
      this.settle(value, false);
      return;
    }
    let out;
    try {
      out = copyValue(value, passer(current));
    } catch (e) {
      this.settle(e, true);
      return;
    }
    this.settle(out, false);
  }
  // The caller goes on in a turn of its own, unless this is one of its task.
  settle(value, failed) {
    if (this.settled) return;
    this.settled = true;
    this.value = value;
    this.failed = failed;
    if (current === this.task || this.task === null) this.go();
    else post(this);
  }
  go() {
    if (this.closed) return;
    this.closed = true;
    const { task, promise, value } = this;
    if (task !== null) enter(task);
    if (!this.failed) {
      this.resolve(value);
      return;
    }
    if (task !== null && !promise.claimed && task.kind !== OBJECT) {
      Promise.prototype.then.call(promise, undefined, () => {});
      addWork(task, new Unclaimed(promise, value));
    }
    this.reject(value);
  }
  fail(error) {
    this.settle(error, true);
  }
  give(value) {
    this.settle(value, false);
  }
}

function passer(home) {
  return (value) => pass(value, home);
}

function pass(value, home) {
  if (stubs.has(value)) return value;
  if (typeof value === 'function') return functionStub(value, home);
  if (value instanceof RpcTarget) return targetStub(value, home);
  if (Headers.is(value)) return new Headers(value);
  if (value instanceof LocalTarget || Request.is(value) || Response.is(value) || value instanceof AbortSignal ||
      value instanceof Blob || isCryptoKey(value) || isStream(value)) {
    return value;
  }
  return undefined;
}

function isStream(value) {
  const tag = value[Symbol.toStringTag];
  return (tag === 'ReadableStream' && value instanceof globalThis.ReadableStream) ||
    (tag === 'WritableStream' && value instanceof globalThis.WritableStream);
}

// The error as the caller sees it. What cannot be copied of it is left out.
function sendError(error, home) {
  let out;
  try {
    out = copyValue(error, passer(home));
  } catch {
    out = error instanceof Error ? named(new Error(`${error.message}`), `${error.name}`) : new Error(String(error));
  }
  if (out instanceof Error) {
    Object.defineProperty(out, 'remote', { value: true, configurable: true, writable: true });
    rememberOrigin(out, error);
  }
  return out;
}

function named(error, name) {
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  return error;
}

function missing(name) {
  return new TypeError(`The RPC receiver does not implement the method "${name}".`);
}

// What a name means on an object that is reached over RPC. Of instances only what their class says.
function member(holder, name, first) {
  if (first && RESERVED.has(name) && name !== 'constructor') {
    throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
  }
  if (typeof holder === 'function' || isStub(holder)) return isStub(holder) ? holder[name] : undefined;
  if (holder === null || typeof holder !== 'object' || name in Object.prototype) return undefined;
  const own = Object.hasOwn(holder, name);
  const isInstance = holder instanceof RpcTarget || holder instanceof DurableObject ||
    holder instanceof WorkerEntrypoint || (first && Object.getPrototypeOf(holder) !== Object.prototype);
  return own === isInstance ? undefined : holder[name];
}

function walk(object, path) {
  let holder = object;
  for (let i = 0; i + 1 < path.length; i++) {
    holder = member(holder, path[i], i === 0);
    if (holder === undefined) throw missing(path[i]);
  }
  return holder;
}

function callPath(object, path, args) {
  if (path.length === 0) return object(...args);
  const holder = walk(object, path);
  const name = path[path.length - 1];
  const fn = member(holder, name, path.length === 1);
  if (fn === undefined) throw missing(name);
  if (typeof fn !== 'function') throw new TypeError(`"${name}" is not a function.`);
  return Reflect.apply(fn, holder, args);
}

function readPath(object, path) {
  const holder = walk(object, path);
  const name = path[path.length - 1];
  const value = member(holder, name, path.length === 1);
  if (value === undefined) throw missing(name);
  return typeof value === 'function' && !isStub(value) ? value.bind(holder) : value;
}

// args null: reads the property.
function invoke(receiver, path, args) {
  const call = new RpcCall();
  try {
    const sent = args === null || args.length === 0 ? args : copyValue(args, passer(call.task));
    receiver.deliver(
      (object) => (args === null ? readPath(object, path) : callPath(object, path, sent)),
      (value) => call.done(value),
      (error) => call.fail(sendError(error, current)));
  } catch (e) {
    call.fail(e);
  }
  return call.promise;
}

// -- fetch() of a stub ----------------------------------------------------------------------------

function receivedRequest(input, init) {
  const request = init === undefined && Request.is(input) ? new Request(input) : new Request(input, init);
  Request.received(request);
  return request;
}

export function fetchVia(receiver, input, init) {
  const call = new RpcCall();
  try {
    const request = receivedRequest(input, init);
    const signal = Request.signal(request);
    if (signal !== null) {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => call.fail(signal.reason), { once: true });
    }
    receiver.deliver(
      (object, extra) => receiver.fetchOf(object, request, extra),
      (response) => {
        if (!Response.is(response)) {
          call.fail(new TypeError('The fetch() that was called returned no Response.'));
          return;
        }
        adoptFetch(call, response);
        call.give(response);
      },
      (error) => call.fail(sendError(error, current)));
  } catch (e) {
    call.fail(e);
  }
  return call.promise;
}

// What the response comes from ends with whoever got it.
function adoptFetch(call, response) {
  const upstream = Response.fetchOf(response);
  if (upstream !== null && !upstream.closed && call.task !== null && !call.closed) addWork(call.task, upstream);
}

// -- stubs ----------------------------------------------------------------------------------------

const propertyTraps = {
  get(target, name) {
    if (typeof name === 'symbol') return undefined;
    const { receiver, path } = target;
    if (name === 'then' || name === 'catch' || name === 'finally') {
      return (...args) => invoke(receiver, path, null)[name](...args);
    }
    return property(receiver, [...path, name]);
  },
  set: () => false,
  apply: (target, self, args) => invoke(target.receiver, target.path, args),
};

// stub.name: can be called, and awaited for its value.
function property(receiver, path) {
  const target = function () {};
  target.receiver = receiver;
  target.path = path;
  const proxy = new Proxy(target, propertyTraps);
  stubs.add(proxy);
  return proxy;
}

class Stub {
  constructor(receiver, own) {
    this.receiver = receiver;
    this.own = own; // name -> value: what the stub has itself
    this.properties = new Map();
  }
}

const stubTraps = {
  get(target, name) {
    if (typeof name === 'symbol') return name === Symbol.dispose ? () => {} : undefined;
    const own = target.own[name];
    if (own !== undefined) return own;
    if (ABSENT.has(name)) return undefined;
    let found = target.properties.get(name);
    if (found === undefined) target.properties.set(name, (found = property(target.receiver, [name])));
    return found;
  },
  set: () => false,
  has: (target, name) => typeof name === 'string' && !ABSENT.has(name),
};

function makeStub(receiver, own, callable = null) {
  const target = callable ?? new Stub(receiver, own);
  if (callable !== null) Object.assign(target, new Stub(receiver, own));
  const proxy = new Proxy(target, callable === null ? stubTraps : { ...stubTraps, apply: (t, self, args) => callable(...args) });
  own.dup = () => proxy;
  stubs.add(proxy);
  receivers.set(proxy, receiver);
  return proxy;
}

// Of the stub of an object or an entrypoint; undefined for anything else.
export function receiverOf(stub) {
  return receivers.get(stub);
}

// A fetcher as text, for whoever must name it later: a stub of an entrypoint or an object. null when
// it is neither.
export function targetOf(fetcher) {
  const target = receiverOf(fetcher)?.target?.();
  return target === undefined ? null : JSON.stringify(target);
}

export function objectStub(receiver, id) {
  return makeStub(receiver, {
    __proto__: null, id, name: id.name, fetch: (input, init) => fetchVia(receiver, input, init),
  });
}

// callable: what a call of the stub itself does (ctx.exports.Name({props})).
export function serviceStub(receiver, callable = null) {
  return makeStub(receiver, {
    __proto__: null, fetch: (input, init) => fetchVia(receiver, input, init),
  }, callable);
}

// A function or RpcTarget of someone's, who is `home`: the task whose work its calls are, while it
// goes on.
class LocalReceiver {
  constructor(target, home) {
    this.target = target;
    this.home = home;
  }
  deliver(run, ok, bad) {
    const home = this.home !== null && !this.home.over ? this.home : current;
    const call = new LocalCall(this.target, home, run, ok, bad);
    if (home === current) call.go();
    else post(call);
  }
  fetchOf(target, request) {
    return target.fetch(request);
  }
}

class LocalCall {
  constructor(target, home, run, ok, bad) {
    this.target = target;
    this.home = home;
    this.run = run;
    this.ok = ok;
    this.bad = bad;
  }
  go() {
    const { home } = this;
    enter(home);
    const back = (fn) => (value) => {
      enter(home);
      fn(value);
    };
    try {
      const result = this.run(this.target);
      if (isThenable(result)) Promise.resolve(result).then(back(this.ok), back(this.bad));
      else this.ok(result);
    } catch (e) {
      this.bad(e);
    }
  }
}

function functionStub(fn, home) {
  const receiver = new LocalReceiver(fn, home);
  const stub = (...args) => invoke(receiver, [], args);
  stub.dup = () => stub;
  stub[Symbol.dispose] = () => {};
  stubs.add(stub);
  return stub;
}

function targetStub(target, home) {
  const receiver = new LocalReceiver(target, home);
  return makeStub(receiver, { __proto__: null });
}

// A stub made by hand, as cloudflare:workers has it.
export class RpcStub {
  constructor(target) {
    if (typeof target === 'function') return functionStub(target, owner());
    if (target instanceof RpcTarget) return targetStub(target, owner());
    throw new TypeError('new RpcStub(): the target is neither a function nor an RpcTarget.');
  }
  static [Symbol.hasInstance](value) {
    return isStub(value);
  }
}
