// What code asks of a sandbox: one call of the host each (docs/control.md, "RUNTIME_CONTAINER").

import { BYTES, NONE, SOURCE, toBytes } from '../body.js';
import { callBegin, callTake } from '../env.js';
import { sendStream } from '../outgoing.js';
import { current, enter, noTask, owner } from '../task.js';
import { startTimerOf } from '../timers.js';
import { Output } from './output.js';

const ABSENT = { kind: NONE, value: null };

// Runs fn as work of the instance's own: timers and fetches that it starts outlive the caller.
export function asInstance(instance, fn) {
  const before = current;
  enter(instance.task ?? before);
  try {
    return fn();
  } finally {
    enter(before);
  }
}

export function delay(instance, ms) {
  return new Promise((resolve) => {
    startTimerOf(instance.task, resolve, ms, []);
  });
}

// Bytes, text or a stream that become a process's standard input.
function inputOf(instance, data) {
  if (data === null || data === undefined) return ABSENT;
  if (typeof data === 'string') return { kind: BYTES, value: data };
  if (typeof data === 'object' && typeof data.getReader === 'function') {
    return { kind: SOURCE, value: sendStream(data, instance.task ?? owner(), null) };
  }
  return { kind: BYTES, value: toBytes(data) };
}

// -> {value, out, err}: value is the answer, out and err are Outputs or null. `began` is called
// with it before the host can tell anything of what was begun.
export function ask(instance, op, args, input = null, began = null) {
  instance.alive();
  const task = owner() ?? instance.task ?? null;
  if (task === null) throw noTask(`The sandbox's ${op}`);
  const { kind, value } = inputOf(instance, input);
  return callBegin({ instance, began, task }, (call) => native.container(
    call, task.id, instance.number, op, JSON.stringify(args), kind, value));
}

export function containerDone(call, ok, value, out, err) {
  const p = callTake(call);
  if (p === null) {
    if (out !== 0) native.bodyClose(out);
    if (err !== 0) native.bodyClose(err);
    return;
  }
  const { instance, began, task } = p.task;
  enter(task.over && instance.task ? instance.task : task);
  if (!ok) {
    p.reject(new Error(value));
    return;
  }
  const answer = {
    value: value === '' ? {} : JSON.parse(value),
    out: out === 0 ? null : new Output(instance, out),
    err: err === 0 ? null : new Output(instance, err),
  };
  if (began !== null) began(answer);
  p.resolve(answer);
}
