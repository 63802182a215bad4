// The alarm of an object, which the host keeps. One that is set or deleted inside a transaction
// reaches the host once the outermost has been committed; until then it is the transaction's.

import { callBegin, callTake } from './env.js';
import { notOfType } from './store.js';
import { noTask, owner } from './task.js';

const GET = -1, DELETE = -2; // JS_ALARM_GET, JS_ALARM_DELETE
const TIME_END = 9223372036854.775; // ms: what 64 bits of nanoseconds hold

// A number or a Date as ms since 1970. What is past is due now.
function timeOf(time, where) {
  if (typeof time !== 'number' && !(time instanceof Date)) {
    throw notOfType('setAlarm', where, 1, 'date');
  }
  const ms = Math.floor(Number(time));
  if (!Number.isFinite(ms)) throw new TypeError('The value cannot be converted because it is not a valid Date.');
  if (ms >= TIME_END) throw new TypeError("This API doesn't support dates after 2189.");
  if (ms <= 0) throw new TypeError('setAlarm() cannot be called with an alarm time <= 0');
  return Math.max(ms, Math.floor(native.wall()));
}

function ask(store, what, time) {
  const { instance } = store;
  const { alarms } = instance;
  const number = store.check();
  const task = owner() ?? instance.task;
  if (task === null) throw noTask(`${what}()`);
  const promise = callBegin(task, (call) => native.alarm(call, number, time));
  if (time !== GET) {
    alarms.add(promise);
    const settled = () => alarms.delete(promise);
    promise.then(settled, settled);
  }
  return promise;
}

// The three of a storage or a transaction; each gives a promise or what it is of.
export function getAlarm(store) {
  const staged = store.alarm();
  if (staged !== undefined) return staged === DELETE ? null : staged;
  return ask(store, 'getAlarm', GET).then((time) => (time < 0 ? null : time));
}

export function setAlarm(store, time, where) {
  const ms = timeOf(time, where);
  const { object, cls } = store.instance;
  if (typeof object?.alarm !== 'function' && typeof cls.prototype.alarm !== 'function') {
    throw new TypeError('Your Durable Object class must have an alarm() handler in order to call setAlarm()');
  }
  return store.stageAlarm(ms) ? undefined : ask(store, 'setAlarm', ms);
}

export function deleteAlarm(store) {
  return store.stageAlarm(DELETE) ? undefined : ask(store, 'deleteAlarm', DELETE);
}

// What Store.end gave: that of a transaction which holds from now on.
export async function keepAlarm(store, staged) {
  if (staged !== undefined) await ask(store, 'setAlarm', staged);
}

export function alarmDone(call, ok, time, why) {
  const p = callTake(call);
  if (p === null) return;
  if (ok) p.resolve(time);
  else p.reject(new Error(why));
}
