// Container.schedule: rows of the object's own database, and one alarm for the next of them.

import { crypto } from '../crypto.js';
import { errorText } from '../inspect.js';
import { ERROR, log } from '../log.js';

const TABLE = `CREATE TABLE IF NOT EXISTS container_schedules (
  id TEXT PRIMARY KEY NOT NULL, callback TEXT NOT NULL, payload TEXT,
  type TEXT NOT NULL CHECK(type IN ('scheduled', 'delayed')), time INTEGER NOT NULL, delayInSeconds INTEGER)`;

function rows(object, query, ...values) {
  object.ctx.storage.sql.exec(TABLE);
  return [...object.ctx.storage.sql.exec(query, ...values)];
}

function scheduleOf(row) {
  const found = {
    taskId: row.id, callback: row.callback, payload: row.payload === null ? undefined : JSON.parse(row.payload),
    type: row.type, time: row.time,
  };
  if (row.type === 'delayed') found.delayInSeconds = row.delayInSeconds;
  return found;
}

// The alarm at the next row's time; none when there is none.
async function arm(object) {
  const [{ next }] = rows(object, 'SELECT MIN(time) AS next FROM container_schedules');
  if (next !== null) await object.ctx.storage.setAlarm(next * 1000);
}

export async function schedule(object, when, callback, payload) {
  if (typeof callback !== 'string') throw new Error('Callback must be a string (method name)');
  if (typeof object[callback] !== 'function') throw new Error(`this.${callback} is not a function`);
  const row = { id: crypto.randomUUID(), callback, payload: JSON.stringify(payload) ?? null, delayInSeconds: null };
  if (when instanceof Date) {
    row.type = 'scheduled';
    row.time = Math.floor(when.getTime() / 1000);
  } else if (typeof when === 'number') {
    row.type = 'delayed';
    row.time = Math.floor(Date.now() / 1000 + when);
    row.delayInSeconds = when;
  } else {
    throw new Error("Invalid schedule type. 'when' must be a Date or number of seconds");
  }
  rows(object, 'INSERT INTO container_schedules (id, callback, payload, type, time, delayInSeconds) VALUES (?, ?, ?, ?, ?, ?)',
    row.id, row.callback, row.payload, row.type, row.time, row.delayInSeconds);
  await arm(object);
  return scheduleOf(row);
}

export async function getSchedule(object, id) {
  const [row] = rows(object, 'SELECT * FROM container_schedules WHERE id = ?', id);
  return row === undefined ? undefined : scheduleOf(row);
}

export async function listSchedules(object, callback) {
  return rows(object, 'SELECT * FROM container_schedules WHERE callback = ?', callback).map(scheduleOf);
}

export function deleteSchedules(object, callback) {
  rows(object, 'DELETE FROM container_schedules WHERE callback = ?', callback);
}

// Runs what is due, each once; one that fails is logged and is over too.
export async function runDue(object) {
  const due = rows(object, 'SELECT * FROM container_schedules WHERE time <= ? ORDER BY time', Math.floor(Date.now() / 1000));
  for (const row of due) {
    try {
      const found = scheduleOf(row);
      if (typeof object[row.callback] !== 'function') throw new Error(`this.${row.callback} is not a function`);
      await object[row.callback](found.payload, found);
    } catch (e) {
      log(ERROR, `Error executing scheduled callback "${row.callback}": ${errorText(e)}`);
    }
    rows(object, 'DELETE FROM container_schedules WHERE id = ?', row.id);
  }
  await arm(object);
}
