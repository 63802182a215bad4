// Tasks: whose work a fetch, a timer or a stream is. A task is over when its result has left (or
// its result's stream has ended), and what it still had running ends with it.
//
// `current` is the task in whose turn we are. A continuation of one task can run in another's turn
// (two handlers await one shared promise), so work that is left when a task ends is handed to an
// older task that still runs, if there is one, and only else cancelled.

const PRUNE_FIRST = 64;

export class Task {
  constructor(id, instance, isCall) {
    this.id = id;
    this.instance = instance; // {number, object, id, className} or null
    this.isCall = isCall;
    this.over = false;
    this.seq = ++sequence;
    this.work = null; // things with `seq`, `task`, `closed` and cancel()
    this.prune = PRUNE_FIRST; // length of `work` at which what is closed leaves it
    this.controller = null; // made when someone asks for the signal
    this.reader = null; // of the native request body
  }
  get closedForBodies() {
    return this.over;
  }
  // A request's body is read as it came.
  coding() {
    return 0;
  }
}

let sequence = 0;
export const tasks = [];
export let current = null;

export function enter(task) {
  current = task;
}

export function nextSequence() {
  return ++sequence;
}

function newestBefore(seq, except) {
  let found = null;
  for (const t of tasks) {
    if (t && !t.over && t !== except && t.seq < seq && (!found || t.seq > found.seq)) found = t;
  }
  return found;
}

// The task that new work belongs to, or null when none runs.
export function owner() {
  if (current !== null && !current.over) return current;
  return newestBefore(Infinity, null);
}

export function addWork(task, item) {
  item.task = task;
  if (task.work === null) task.work = [item];
  else if (task.work.push(item) === task.prune) {
    task.work = task.work.filter((i) => !i.closed);
    task.prune = Math.max(PRUNE_FIRST, task.work.length * 2);
  }
}

export function begin(id, instance, isCall) {
  const task = new Task(id, instance, isCall);
  // The id is the host's: it may give it anew before we were told that a stream was closed.
  if (tasks[id]) end(tasks[id]);
  tasks[id] = task;
  current = task;
  return task;
}

export function end(task) {
  if (task.over) return;
  task.over = true;
  if (tasks[task.id] === task) tasks[task.id] = undefined;
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
    const heir = newestBefore(item.seq, task);
    if (heir) addWork(heir, item);
    else item.cancel();
  }
}

export function noTask(what) {
  return new Error(
    `${what} is not possible here: it needs a request or a call that is still running`);
}
