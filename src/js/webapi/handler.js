// Dispatch: a request enters once, its result leaves through native.done. Flags as in exchange.c.

import { DOMException } from './events.js';
import { packBody, promisesCoding } from './fetch.js';
import { BYTES, RESPONSE, SOURCE } from './body.js';
import { Headers } from './headers.js';
import { errorText } from './inspect.js';
import { ERROR, log } from './log.js';
import { DENIED, NAMED, classNamed, handlers, placedError } from './module.js';
import { Request, RequestFacts } from './request.js';
import { Response } from './response.js';
import { begin, end, enter, tasks } from './task.js';
import { env } from './env.js';
import { facts } from './container.js';
import { instanceCreate, instanceOf, publicMethod } from './objects.js';

const FLAG_REPLACE = 4, BODY_SHIFT = 3;

export function dispatch(id, instanceNumber, handler, params) {
  const instance = instanceOf(instanceNumber) ?? null;
  const task = begin(id, instance, false);
  const h = handlers[handler];
  let result;
  try {
    const request = Request.dispatched(new RequestFacts(task));
    if (h.kind === DENIED) {
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

function fail(task, e) {
  if (task.over) return;
  enter(task);
  const text = errorText(e);
  if (task.isCall) native.callFail(task.id, text);
  else native.fail(task.id, text);
  end(task);
}

function finish(task, response) {
  if (task.over) return;
  try {
    if (!Response.is(response)) {
      throw new TypeError('The handler returned no Response.');
    }
    if (response.status === 0) throw new TypeError('The handler returned Response.error().');
    const fetched = Response.fetchOf(response);
    let headers = Response.headers(response);
    let body = packBody(Response.slot(response), task, headers, end);
    if (body === null) body = { kind: RESPONSE, value: fetched.id, given: fetched };
    if (body.given === fetched && fetched !== null && fetched.closed) {
      throw new TypeError('The response belongs to work that is over.');
    }
    // workerd would compress it; uncompressed is right for every client.
    if ((body.kind === BYTES || body.kind === SOURCE) && !Response.isManual(response) &&
        promisesCoding(headers)) {
      headers = Headers.copy(headers);
      headers.delete('content-encoding');
    }
    const headerBase = Headers.baseOf(headers);
    const base = headerBase !== null && headerBase.isResponse && !headerBase.closed &&
      Headers.isBase(headers, headerBase) ? headerBase : null;
    const changes = Headers.log(headers, base);
    const flags = (base === null ? FLAG_REPLACE : 0) | (body.kind << BODY_SHIFT);
    native.done(task.id, response.status, base === null ? 0 : base.id, flags,
      changes === '' ? null : changes, body.value);
    if (body.given !== null) body.given.release();
    if (body.kind !== SOURCE) end(task);
  } catch (e) {
    fail(task, e);
  }
}

export function call(id, instanceNumber, method, args) {
  const instance = instanceOf(instanceNumber) ?? null;
  const task = begin(id, instance, true);
  try {
    const fn = publicMethod(instance.object, method);
    if (fn === null) throw new TypeError(`${instance.className} has no public method "${method}"`);
    Promise.resolve(fn.apply(instance.object, JSON.parse(args))).then((result) => {
      if (task.over) return;
      native.callDone(task.id, JSON.stringify(result) ?? 'null');
      end(task);
    }).catch((e) => fail(task, e));
  } catch (e) {
    fail(task, e);
  }
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

export function createInstance(number, id, className) {
  const cls = classNamed(className);
  if (cls === undefined) return `!no exported class "${className}"`;
  try {
    return instanceCreate(number, id, cls, className, facts);
  } catch (e) {
    return `!${className}: ${placedError(e)}`;
  }
}

export function rejected(promise, reason) {
  log(ERROR, `Unhandled rejection: ${errorText(reason)}`);
}
