// Tasks: whose work a fetch, a timer or a stream is. A task is over when its result has left (or
// its result's stream has ended), and what it still had running ends with it.
//
// `current` is the task in whose turn we are. A continuation of one task can run in another's turn
// (two handlers await one shared promise), so work that is left when a task ends is handed to an
// older task that still runs, if there is one, and only else cancelled.
//
// An object has a task of its own, which lives as long as it does: it inherits only while one of
// its events runs.

export const HANDLER = 0, CALL = 1, WORKER = 2, OBJECT = 3; // kinds of tasks

const PRUNE_FIRST = 64;

export class Task {
  constructor(id, instance, kind) {
    this.id = id;
    this.instance = instance; // Instance (objects.js) or null
    this.kind = kind;
    this.over = false;
    this.answered = false; // its result has left
    this.streaming = false; // and the host still reads its body
    this.more = false; // the host was told that it goes on after its result
    this.waits = 0; // promises of waitUntil that are open
    this.calls = 0; // answers of the host that it waits for (env.js)
    this.seq = ++sequence;
    this.work = null; // things with `seq`, `task`, `closed` and cancel()
    this.prune = PRUNE_FIRST; // length of `work` at which what is closed leaves it
    this.controller = null; // made when someone asks for the signal
    this.reader = null; // of the native request body
    this.older = null; // neighbours among those that are not over
    this.newer = null;
  }
  get closedForBodies() {
    return this.over;
  }
  hasWork() {
    if (this.calls !== 0) return true;
    return this.work !== null && this.work.some((item) => !item.closed && item.task === this);
  }
  mayInherit() {
    if (this.over) return false;
    if (this.kind !== OBJECT) return true;
    return this.waits !== 0 || this.instance.open.size !== 0 || this.instance.blocked !== 0;
  }
  // A request's body is read as it came.
  coding() {
    return 0;
  }
}

let sequence = 0;
let newest = null;
// By id. Dense from the start: the ids of a version that was deployed do not begin at 1, and the engine
// would make a slow map of an array with holes.
export const tasks = new Array(1024).fill(undefined);
export let current = null;

function join(task) {
  while (tasks.length <= task.id) tasks[tasks.length] = undefined; // push() may be the Worker's
  // The id is the host's: it may give it anew before we were told that a stream was closed.
  if (tasks[task.id]) end(tasks[task.id]);
  tasks[task.id] = task;
  task.older = newest;
  if (newest !== null) newest.newer = task;
  newest = task;
}

function part(task) {
  if (task.newer === null) newest = task.older;
  else task.newer.older = task.older;
  if (task.older !== null) task.older.newer = task.newer;
  task.older = task.newer = null;
  tasks[task.id] = undefined;
}

export function enter(task) {
  current = task;
}

export function nextSequence() {
  return ++sequence;
}

function newestBefore(seq) {
  let t = newest;
  while (t !== null && (t.seq >= seq || !t.mayInherit())) t = t.older;
  return t;
}

// The task that new work belongs to, or null when none runs.
export function owner() {
  if (current !== null && !current.over) return current;
  return newestBefore(Infinity);
}

export function addWork(task, item) {
  item.task = task;
  if (task.work === null) task.work = [item];
  else if (task.work.push(item) === task.prune) {
    task.work = task.work.filter((i) => !i.closed);
    task.prune = Math.max(PRUNE_FIRST, task.work.length * 2);
  }
}

let running = 0; // tasks that are not objects'

export function runningTasks() {
  return running;
}

export function isThenable(value) {
  return value !== null && (typeof value === 'object' || typeof value === 'function') &&
    typeof value.then === 'function';
}

export function beginObject(id, instance) {
  const task = new Task(id, instance, OBJECT);
  join(task);
  return task;
}

export function begin(id, instance, kind) {
  const task = new Task(id, instance, kind);
  running++;
  join(task);
  current = task;
  return task;
}

export function end(task) {
  if (task.over) return;
  task.over = true;
  if (task.kind !== OBJECT) running--;
  part(task);
  if (task.reader !== null) {
    task.reader.cancel();
    task.reader = null;
  }
  const work = task.work;
  if (work === null) return;
  task.work = null;
  for (let i = 0; i < work.length; i++) {
    const item = work[i];
    if (item.closed || item.task !== task) continue;
    const heir = newestBefore(item.seq);
    if (heir) addWork(heir, item);
    else item.cancel();
  }
}

// The task's result has left: it ends now, or when its stream and waitUntil are done.
export function answered(task) {
  task.answered = true;
  endWhenDone(task);
}

export function endWhenDone(task) {
  if (task.over || !task.answered || task.streaming || task.waits !== 0) return;
  const { id, more } = task;
  end(task);
  if (more) native.over(id);
}

// waitUntil: the task goes on until the promise is settled.
export function waitOn(task, promise) {
  if (task.over) return;
  task.waits++;
  const done = () => {
    task.waits--;
    endWhenDone(task);
  };
  Promise.resolve(promise).then(done, (e) => {
    Promise.reject(e); // reported like any other that nobody caught
    done();
  });
}

// Jobs run in turns of their own, in order: what crosses from one task to another does, so that all
// that follows from it in microtasks is the right task's. A job has go().
let jobs = [];
let next = 0;

export function post(job) {
  if (jobs.push(job) === next + 1) native.jobs();
}

// Runs one; says whether there are more.
export function runJob() {
  if (next < jobs.length) {
    const job = jobs[next];
    jobs[next++] = undefined;
    if (next === jobs.length) {
      jobs = [];
      next = 0;
    }
    job.go();
  }
  return next < jobs.length;
}

// While the module is evaluated there is no work that anything could belong to.
export let loading = false;

export function setLoading(value) {
  loading = value;
}

const GLOBAL_SCOPE = 'Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or ' +
  'connect()), setting a timeout, and generating random values are not allowed within global scope. To fix ' +
  'this error, perform this operation within a handler.';

export function refuseLoading() {
  if (loading) throw new Error(GLOBAL_SCOPE);
}

export function noTask(what) {
  return new Error(loading ? GLOBAL_SCOPE
    : `${what} is not possible here: it needs a request or a call that is still running`);
}

export function otherRequest(what) {
  return new Error(`Cannot perform I/O on behalf of a different request: ${what}.`);
}
