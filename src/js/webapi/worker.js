// The Worker's own events: fetch() and scheduled() of the default export.

import { ExecutionContext } from './context.js';
import { isEntrypointClass } from './entrypoints.js';
import { env } from './env.js';
import { callOk, fail, finish } from './handler.js';
import { Request, RequestFacts } from './request.js';
import { Response } from './response.js';
import { CALL, WORKER, begin } from './task.js';

let main; // an object or a class
let isClass = false;

// Says which handlers there are.
export function setWorker(value) {
  isClass = isEntrypointClass(value);
  main = value;
  const handlers = isClass ? value.prototype : value;
  const has = (name) => handlers !== null && handlers !== undefined &&
    (typeof handlers === 'object' || typeof handlers === 'function') && typeof handlers[name] === 'function';
  return { fetch: has('fetch'), scheduled: has('scheduled') };
}

export function serve(id) {
  const task = begin(id, null, WORKER);
  let result;
  try {
    const request = Request.dispatched(new RequestFacts(task));
    const ctx = new ExecutionContext(task, undefined);
    result = isClass ? new main(ctx, env).fetch(request) : main.fetch(request, env, ctx);
  } catch (e) {
    fail(task, e);
    return;
  }
  if (Response.is(result)) finish(task, result);
  else Promise.resolve(result).then((r) => finish(task, r), (e) => fail(task, e));
}

class ScheduledController {
  constructor(cron, scheduledTime) {
    this.cron = cron;
    this.scheduledTime = scheduledTime;
  }
  noRetry() {}
}

// Over once what it gave to waitUntil is done too: a failure of that is one of the event.
export function scheduled(id, json) {
  const task = begin(id, null, CALL);
  const waits = [];
  (async () => {
    const { cron, scheduledTime } = JSON.parse(json);
    const ctx = new ExecutionContext(task, undefined, waits);
    const controller = new ScheduledController(cron, scheduledTime);
    await (isClass ? new main(ctx, env).scheduled(controller) : main.scheduled(controller, env, ctx));
    for (let i = 0; i < waits.length; i++) await waits[i];
  })().then(() => callOk(task, undefined), (e) => fail(task, e));
}
