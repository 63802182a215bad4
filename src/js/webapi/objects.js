// Objects: instances of exported classes. The host knows each by a number, code by class and id.
//
// An *event* is a call that reaches an object: a stub's, an alarm, a call from outside, a hook. It
// runs in a turn where nothing else does, so that its task is sure, in order, and waits while
// blockConcurrencyWhile runs. Its result leaves once the alarms that were set are stored. An object
// whose constructor or blockConcurrencyWhile failed is reset: what was under way fails with that
// error, and the next event constructs it anew.

import { DurableObject, construct, isConstructing, recordOf } from './bases.js';
import { ObjectContext } from './context.js';
import { env } from './env.js';
import { ERROR, log } from './log.js';
import { errorText } from './inspect.js';
import { objectHere, objectGone } from './namespace.js';
import { beginObject, end, enter, isThenable, post } from './task.js';
import { startTimerOf } from './timers.js';

export { DurableObject, isConstructing, recordOf };

const BLOCK_MS = 30000;
const instances = [null];

class Instance {
  constructor(number, id, name, className, cls) {
    this.number = number; // 0 once it is gone: C gives numbers anew
    this.id = id;
    this.name = name === '' ? undefined : name;
    this.className = className;
    this.cls = cls;
    this.object = null; // null: constructed by the next event
    this.task = null; // of its own: what its code starts belongs to it
    this.generation = 0; // counts resets
    this.blocked = 0; // blockConcurrencyWhile that run
    this.queue = []; // events that wait for them
    this.posted = false; // a job of it waits
    this.open = new Set(); // events that run
    this.alarms = new Set(); // promises of the alarms that are being set or deleted
    this.events = 0; // in all
    this.gone = false;
  }
  // What C is told; throws for one that is gone.
  alive() {
    if (this.gone) throw gone(this);
    return this.number;
  }
  leave() {
    this.gone = true;
    this.number = 0;
  }
  // A job: one event, if it may. What waits behind it has the next, whatever this one does.
  go() {
    this.posted = false;
    if (this.blocked !== 0 || this.queue.length === 0) return;
    if (this.queue.length > 1) this.wake();
    start(this, this.queue.shift());
  }
  wake() {
    if (this.posted) return;
    post(this);
    this.posted = true;
  }
}

class ObjectEvent {
  constructor(run, ok, bad) {
    this.run = run;
    this.ok = ok;
    this.bad = bad;
  }
}

export function instanceOf(number) {
  return instances[number];
}

// Instance 0 exists while the engine is warmed up.
export function instanceWarm(on) {
  instances[0] = on ? { number: 0, id: '', className: '', object: null } : null;
}

function make(instance) {
  try {
    construct(instance, instance.cls, new ObjectContext(instance), env);
  } catch (e) {
    forget(instance);
    throw e;
  }
}

// What it was in memory is no more; what it started ends.
function forget(instance) {
  instance.object = null;
  instance.generation++;
  instance.blocked = 0;
  instance.alarms = new Set();
  if (instance.task !== null) {
    end(instance.task);
    instance.task = beginObject(instance.task.id, instance);
  }
}

export function reset(instance, error) {
  const lost = [...instance.open, ...instance.queue];
  instance.open = new Set();
  instance.queue = [];
  forget(instance);
  if (lost.length === 0) log(ERROR, `${instance.className} was reset: ${errorText(error)}`);
  for (const event of lost) event.bad(error);
}

// No answer tells of an alarm that is not stored: one that could not be fails the event.
function settle(instance, event, value, failed) {
  if (instance.alarms.size === 0) leave(instance, event, value, failed);
  else {
    Promise.all(instance.alarms).then(
      () => leave(instance, event, value, failed), (e) => leave(instance, event, failed ? value : e, true));
  }
}

function leave(instance, event, value, failed) {
  if (!instance.open.delete(event)) return; // the object was reset meanwhile
  enter(instance.task);
  if (failed) event.bad(value);
  else event.ok(value);
}

function start(instance, event) {
  enter(instance.task);
  try {
    if (instance.object === null) make(instance);
  } catch (e) {
    event.bad(e);
    return;
  }
  if (instance.blocked !== 0) {
    instance.queue.unshift(event);
    return;
  }
  instance.open.add(event);
  instance.events++;
  let result;
  let failed = false;
  try {
    result = event.run(instance.object, instance);
    if (isThenable(result)) {
      Promise.resolve(result).then((v) => settle(instance, event, v, false), (e) => settle(instance, event, e, true));
      return;
    }
  } catch (e) {
    result = e;
    failed = true;
  }
  settle(instance, event, result, failed);
}

// Runs run(object, instance) as an event; then ok(value) or bad(error), in a turn of the object's,
// maybe before this returns: for who has entered for this event alone.
export function runEvent(instance, run, ok, bad) {
  const event = new ObjectEvent(run, ok, bad);
  if (instance.gone) bad(gone(instance));
  else if (instance.blocked === 0 && instance.queue.length === 0) start(instance, event);
  else enqueue(instance, event);
}

function enqueue(instance, event) {
  instance.queue.push(event);
  if (instance.blocked === 0) instance.wake();
}

// The same later, in a turn of its own.
export function postEvent(instance, run, ok, bad) {
  if (instance.gone) {
    bad(gone(instance));
    return;
  }
  enqueue(instance, new ObjectEvent(run, ok, bad));
}

function gone(instance) {
  return new Error(`The object of ${instance.className} is gone.`);
}

function unblock(instance, generation) {
  if (instance.generation !== generation || --instance.blocked !== 0) return;
  if (instance.queue.length !== 0) instance.wake();
}

export function blockConcurrency(instance, callback) {
  const { generation, task } = instance;
  const alive = () => instance.generation === generation && !instance.gone;
  instance.blocked++;
  const timer = task === null ? null : startTimerOf(task, () => {
    if (alive()) {
      reset(instance, new Error('A call to blockConcurrencyWhile() waited for too long. ' +
        'The call was canceled and the object was reset.'));
    }
  }, BLOCK_MS, []);
  const promise = Promise.resolve().then(() => {
    enter(task);
    return callback();
  }).then((value) => {
    timer?.cancel();
    if (alive()) unblock(instance, generation);
    return value;
  }, (e) => {
    timer?.cancel();
    if (alive()) reset(instance, e);
    throw e;
  });
  promise.catch(() => {}); // the events that waited hear of it, or the log
  return promise;
}

// Gives the facts that policy needs, or throws.
export function instanceCreate(number, id, name, task, cls, className, facts) {
  const instance = new Instance(number, id, name, className, cls);
  if (task !== 0) instance.task = beginObject(task, instance);
  try {
    enter(instance.task);
    make(instance);
    const text = facts(instance.object);
    instances[number] = instance;
    objectHere(instance);
    return text;
  } catch (e) {
    instance.leave();
    if (instance.task !== null) end(instance.task);
    throw e;
  }
}

export function instanceDestroy(number) {
  const instance = instances[number];
  if (!instance) return;
  instances[number] = undefined;
  instance.leave();
  objectGone(instance);
  const lost = [...instance.open, ...instance.queue];
  instance.open.clear();
  instance.queue = [];
  if (instance.task !== null) end(instance.task);
  const error = new Error(`The object of ${instance.className} was destroyed.`);
  for (const event of lost) event.bad(error);
}

function isBusy(instance) {
  return instance.open.size !== 0 || instance.queue.length !== 0 || instance.blocked !== 0 ||
    (instance.task !== null && instance.task.waits !== 0);
}

// How many events it has had; -1: something of it is under way.
export function instanceIdle(number) {
  const instance = instances[number];
  if (!instance) return 0;
  const busy = isBusy(instance) || (instance.task !== null && instance.task.hasWork());
  return busy ? -1 : instance.events;
}

export function anyBusy() {
  return instances.some((i) => i && isBusy(i));
}

// A public method, own or inherited: what may be called from outside.
export function publicMethod(object, name) {
  if (name === 'constructor' || name.startsWith('_') || name.startsWith('#')) return null;
  for (let o = Object.getPrototypeOf(object); o !== null && o !== DurableObject.prototype && o !== Object.prototype;
    o = Object.getPrototypeOf(o)) {
    const d = Object.getOwnPropertyDescriptor(o, name);
    if (d !== undefined) return typeof d.value === 'function' ? d.value : null;
  }
  return null;
}
