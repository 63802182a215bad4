// Dispatch: a request enters once, its result leaves through native.done. Flags as in exchange.c.

import { DOMException } from './events.js';
import { packBody } from './fetch.js';
import { RESPONSE, SOURCE } from './body.js';
import { Headers } from './headers.js';
import { errorText } from './inspect.js';
import { ERROR, log } from './log.js';
import { DENIED, NAMED, classNamed, handlers, placedError } from './module.js';
import { Request, RequestFacts } from './request.js';
import { Response } from './response.js';
import {
  CALL, HANDLER, WORKER, answered, begin, end, endWhenDone, enter, otherRequest, runningTasks, tasks,
} from './task.js';
import { fetchTarget } from './entrypoints.js';
import { env } from './env.js';
import { facts } from './policy.js';
import { objectFailed } from './namespace.js';
import { anyBusy, instanceCreate, instanceOf, publicMethod, runEvent } from './objects.js';

const INTERCEPT = 0xfffffffe; // JS_HANDLER_INTERCEPT: params name a fetcher
const FLAG_REPLACE = 4, BODY_SHIFT = 3, FLAG_MORE = 64;

export function dispatch(id, instanceNumber, handler, params) {
  const instance = instanceOf(instanceNumber) ?? null;
  const task = begin(id, instance, HANDLER);
  const h = handlers[handler];
  let result;
  try {
    const request = Request.dispatched(new RequestFacts(task));
    if (handler === INTERCEPT) {
      result = fetchTarget(params, request);
    } else if (h.kind === DENIED) {
      const info = params === undefined ? {} : JSON.parse(params);
      result = h.fn.call(h.self, request, info);
    } else {
      const ctx = { containerId: instance.id, className: instance.className };
      if (h.kind === NAMED) ctx.params = params === undefined ? undefined : JSON.parse(params);
      result = h.fn.call(h.self, request, env, ctx);
    }
  } catch (e) {
    fail(task, e);
    return;
  }
  if (Response.is(result)) {
    finish(task, result);
  } else {
    Promise.resolve(result).then((r) => finish(task, r), (e) => fail(task, e));
  }
}

export function fail(task, e) {
  if (task.over) return;
  const text = errorText(e);
  const { id } = task;
  if (task.kind === HANDLER || task.kind === WORKER) {
    task.more = task.waits !== 0;
    native.fail(id, text, task.more);
    answered(task);
  } else {
    native.callFail(id, text);
    task.more = true;
    answered(task);
  }
}

// The stream that was its body is closed.
function sent(task) {
  task.streaming = false;
  endWhenDone(task);
}

export function finish(task, response) {
  if (task.over) return;
  try {
    if (!Response.is(response)) {
      throw new TypeError('The handler returned no Response.');
    }
    if (response.status === 0) throw new TypeError('The handler returned Response.error().');
    const fetched = Response.fetchOf(response);
    let headers = Response.headers(response);
    let body = packBody(Response.slot(response), task, headers, sent, !Response.isManual(response));
    if (body === null) body = { kind: RESPONSE, value: fetched.id, given: fetched, lie: false };
    if (body.given === fetched && fetched !== null && fetched.closed) {
      throw otherRequest('the response belongs to work that is over');
    }
    // Of the codings only gzip is made here; uncompressed is right for every client.
    if (body.lie) {
      headers = Headers.copy(headers);
      headers.delete('content-encoding');
    }
    const headerBase = Headers.baseOf(headers);
    const base = headerBase !== null && headerBase.isResponse && !headerBase.closed &&
      Headers.isBase(headers, headerBase) ? headerBase : null;
    const changes = Headers.log(headers, base);
    task.streaming = body.kind === SOURCE;
    task.more = task.waits !== 0 || (task.streaming && task.kind === WORKER);
    const flags = (base === null ? FLAG_REPLACE : 0) | (body.kind << BODY_SHIFT) | (task.more ? FLAG_MORE : 0);
    native.done(task.id, response.status, base === null ? 0 : base.id, flags,
      changes === '' ? null : changes, body.value);
    if (body.given !== null) body.given.release();
    answered(task);
  } catch (e) {
    fail(task, e);
  }
}

// The result of a call or an event leaves.
export function callOk(task, result) {
  if (task.over) return;
  let json;
  try {
    json = JSON.stringify(result) ?? 'null';
  } catch (e) {
    fail(task, e);
    return;
  }
  native.callDone(task.id, json);
  task.more = true;
  answered(task);
}

export function call(id, number, method, args) {
  const instance = instanceOf(number);
  const task = begin(id, instance, CALL);
  runEvent(instance, (object) => {
    const fn = publicMethod(object, method);
    if (fn === null) throw new TypeError(`${instance.className} has no public method "${method}"`);
    return fn.apply(object, JSON.parse(args));
  }, (result) => callOk(task, result), (e) => fail(task, e));
}

export function alarm(id, number, json) {
  const instance = instanceOf(number);
  const task = begin(id, instance, CALL);
  runEvent(instance, (object) => {
    if (typeof object.alarm !== 'function') throw new TypeError(`${instance.className} has no alarm()`);
    return object.alarm(JSON.parse(json));
  }, () => callOk(task, undefined), (e) => fail(task, e));
}

// What may still look at request.signal sees why; nothing more goes to the host.
export function abort(id, reason) {
  const task = tasks[id];
  if (!task) return;
  enter(task);
  const controller = task.controller;
  const cause = new DOMException(reason, 'AbortError');
  end(task);
  if (controller !== null) controller.abort(cause);
}

export function abortAll() {
  for (const task of tasks) if (task) end(task);
}

// No task runs but those of idle objects, and no promise of waitUntil is open.
export function idle() {
  return runningTasks() === 0 && !anyBusy();
}

export function createInstance(number, id, className, name, task) {
  const cls = classNamed(className);
  if (cls === undefined) return `!no exported class "${className}"`;
  try {
    return instanceCreate(number, id, name, task, cls, className, facts);
  } catch (e) {
    objectFailed(className, id, e);
    return `!${className}: ${placedError(e)}`;
  }
}

export function rejected(promise, reason) {
  log(ERROR, `Unhandled rejection: ${errorText(reason)}`);
}
