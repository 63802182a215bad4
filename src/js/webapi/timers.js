// Timers: a binary heap of our own over one timer of C's. Each that is due runs in its own turn,
// as the task that made it.

import { addWork, enter, nextSequence, noTask, owner } from './task.js';

const DELAY_MAX = 2147483647;
const DEAD_MAX = 1000;
const heap = []; // by due, then by order
const byId = new Map();
let lastId = 0;
let dead = 0; // cancelled ones that may still stand in the heap

class Timer {
  constructor(id, fn, args, delay, repeat) {
    this.id = id;
    this.fn = fn;
    this.args = args;
    this.delay = delay;
    this.repeat = repeat;
    this.due = native.now() + delay;
    this.seq = nextSequence();
    this.task = null;
    this.closed = false;
  }
  cancel() {
    if (this.closed) return;
    this.closed = true;
    byId.delete(this.id);
    dead++;
  }
}

function before(a, b) {
  return a.due < b.due || (a.due === b.due && a.seq < b.seq);
}

function push(timer) {
  if (dead > DEAD_MAX && dead > heap.length / 2) {
    const live = heap.filter((t) => !t.closed).sort((a, b) => (before(a, b) ? -1 : 1));
    heap.length = 0;
    heap.push(...live);
    dead = 0;
  }
  let i = heap.push(timer) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!before(timer, heap[parent])) break;
    heap[i] = heap[parent];
    i = parent;
  }
  heap[i] = timer;
  if (i === 0) native.timerArm(wait(timer));
}

function pop() {
  const top = heap[0];
  const last = heap.pop();
  if (heap.length === 0) return top;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], last)) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = last;
  return top;
}

function wait(timer) {
  return Math.max(0, Math.ceil(timer.due - native.now()));
}

export function startTimer(fn, delay, args, repeat = false) {
  const task = owner();
  if (task === null) throw noTask('A timer');
  return startTimerOf(task, fn, delay, args, repeat).id;
}

// The timer itself: it has cancel().
export function startTimerOf(task, fn, delay, args, repeat = false) {
  delay = Number(delay);
  if (!(delay >= 0)) delay = 0;
  if (delay > DELAY_MAX) delay = 1;
  if (repeat && delay < 1) delay = 1;
  const timer = new Timer(++lastId, fn, args, delay, repeat);
  byId.set(timer.id, timer);
  addWork(task, timer);
  push(timer);
  return timer;
}

// Its time begins anew. The heap orders by `due`: the place that it had goes to a dead twin.
function restart(timer) {
  if (timer.closed) return;
  const at = heap.indexOf(timer);
  if (at < 0) return;
  heap[at] = { due: timer.due, seq: timer.seq, closed: true };
  dead++;
  timer.due = native.now() + timer.delay;
  push(timer);
}

export function clearTimer(id) {
  byId.get(Number(id))?.cancel();
}

// What code holds of a timer, as Node's: its number where one is asked for. Nothing here waits for
// timers, so ref and unref only keep what they were told.
export class Timeout {
  #timer;
  #ref = true;
  constructor(timer) {
    this.#timer = timer;
  }
  ref() {
    this.#ref = true;
    return this;
  }
  unref() {
    this.#ref = false;
    return this;
  }
  hasRef() {
    return this.#ref;
  }
  refresh() {
    restart(this.#timer);
    return this;
  }
  close() {
    this.#timer.cancel();
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.#timer.id;
  }
  [Symbol.dispose]() {
    this.#timer.cancel();
  }
}

function timeout(fn, delay, args, repeat) {
  const task = owner();
  if (task === null) throw noTask('A timer');
  return new Timeout(startTimerOf(task, fn, delay, args, repeat));
}

export function setTimeout(fn, delay = 0, ...args) {
  if (!(delay >= 1)) delay = 1; // so that none overtakes one that was made before it
  return timeout(callable(fn, 'setTimeout'), delay, args, false);
}
export function setInterval(fn, delay = 0, ...args) {
  return timeout(callable(fn, 'setInterval'), delay, args, true);
}
export function setImmediate(fn, ...args) {
  return timeout(callable(fn, 'setImmediate'), 0, args, false);
}
export function clearTimeout(id) {
  clearTimer(id);
}

// scheduler.wait: a pause that an AbortSignal ends with its reason.
export const scheduler = {
  wait(delay, options = undefined) {
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = startTimer(resolve, delay, []);
      signal?.addEventListener('abort', () => {
        clearTimer(id);
        reject(signal.reason);
      }, { once: true });
    });
  },
};

function callable(fn, name) {
  if (typeof fn !== 'function') throw new TypeError(`${name}: the callback is not a function`);
  return fn;
}

// Runs one timer that is due; says in how many ms the next is (-1: there is none).
export function timerDue() {
  while (heap.length !== 0 && heap[0].closed) pop();
  if (heap.length === 0) return -1;
  if (wait(heap[0]) > 0) return wait(heap[0]);
  const timer = pop();
  enter(timer.task);
  if (timer.repeat) {
    timer.due = native.now() + timer.delay;
    push(timer);
  } else {
    timer.cancel();
  }
  try {
    timer.fn(...timer.args);
  } catch (e) {
    Promise.reject(e); // reported like any other that nobody caught
  }
  while (heap.length !== 0 && heap[0].closed) pop();
  return heap.length === 0 ? -1 : wait(heap[0]);
}
