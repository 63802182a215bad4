// Background processes: the agent keeps what they write, so that nobody has to listen.

import { LocalTarget } from '../bases.js';
import { crypto } from '../crypto.js';
import { enter, owner } from '../task.js';
import { ask, asInstance, delay } from './calls.js';
import { sandboxError } from './errors.js';
import { commandArgs, publicSession } from './exec.js';
import { lifeOf } from './life.js';
import { Merged } from './output.js';
import { portAnswers } from './ports.js';
import { Collected, Running, decoder, drain, exitCodeOf, interrupted, refuseAborted, run,
  signalNumber } from './run.js';
import { eventStream } from './sse.js';

const SIGKILL = 9;
const SIGTERM = 15;
const TERM_MS = 5000; // that a process has to end of SIGTERM
const KEPT_MAX = 256; // ended processes that are still known
const LABEL_MAX = 256; // bytes
const LOG_MAX = 4 * 1024 * 1024; // bytes of logs that one call collects
const WINDOW = 64 * 1024; // characters in which waitForLog looks for a pattern

// What is known of one: shared by all its handles.
class Record {
  constructor(id, command, sessionId) {
    this.id = id;
    this.command = command;
    this.sessionId = sessionId;
    this.startTime = new Date();
    this.endTime = undefined;
    this.end = null; // {how, number}
    this.running = null; // Running
    this.killed = false;
  }
  get status() {
    if (this.end === null) return 'running';
    if (this.end.how === 'lost') return 'error';
    if (this.killed || this.end.how !== 'exit') return 'killed';
    return this.end.number === 0 ? 'completed' : 'failed';
  }
  get exitCode() {
    return this.end === null || this.end.how === 'lost' ? undefined : exitCodeOf(this.end);
  }
}

// Calls go on as the task of whoever made them.
async function asCaller(fn) {
  const caller = owner();
  try {
    return await fn();
  } finally {
    if (caller !== null && !caller.over) enter(caller);
  }
}

// A handle as the SDK has it; its facts are those of the moment it was made.
class Process extends LocalTarget {
  #instance;
  #record;
  constructor(instance, record) {
    super();
    this.#instance = instance;
    this.#record = record;
    this.id = record.id;
    this.pid = record.running?.pid;
    this.command = record.command;
    this.status = record.status;
    this.startTime = record.startTime;
    this.endTime = record.endTime;
    this.exitCode = record.exitCode;
    this.sessionId = record.sessionId;
  }
  kill(signal = undefined) {
    return asCaller(() => killProcess(this.#instance, this.id, signal));
  }
  async getStatus() {
    return this.#record.status;
  }
  async getLogs() {
    const { stdout, stderr } = await asCaller(() => getProcessLogs(this.#instance, this.id));
    return { stdout, stderr };
  }
  waitForLog(pattern, timeout = undefined) {
    return asCaller(() => waitForLog(this.#instance, this.#record, pattern, timeout));
  }
  waitForPort(port, options = undefined) {
    return asCaller(() => waitForPort(this.#instance, this.#record, port, options));
  }
  waitForExit(timeout = undefined) {
    return asCaller(() => waitForExit(this.#instance, this.#record, timeout));
  }
}

function watch(instance, record, running) {
  record.running = running;
  running.ended.then((end) => {
    record.end = end;
    record.endTime = new Date();
    prune(lifeOf(instance));
  });
}

// The oldest of the ended ones leave, with their logs.
function prune(life) {
  const ended = [...life.background.values()].filter((r) => r.end !== null);
  for (const record of ended.slice(0, Math.max(0, ended.length - KEPT_MAX))) forget(life, record);
}

function forget(life, record) {
  life.background.delete(record.id);
  if (!life.running || record.end?.how === 'lost') return;
  ask(life.instance, 'forget', { process: record.running.number }).catch(() => {});
}

// A label that tells id and command to a successor of this object.
function labelOf(id, command) {
  const bytes = native.utf8Encode(`${id} ${command}`);
  let end = Math.min(bytes.length, LABEL_MAX);
  while (end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--; // between characters
  return native.utf8Decode(bytes.subarray(0, end), false, false);
}

function labelled(label) {
  const at = label.indexOf(' ');
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)];
}

// What runs inside that this object did not start: its predecessor did (a redeploy).
async function adopt(instance) {
  const life = lifeOf(instance);
  if (!life.running || life.adopted === life.generation) return;
  const { value } = await ask(instance, 'processes', {});
  life.adopted = life.generation;
  for (const p of Array.isArray(value) ? value : []) {
    const [id, command] = labelled(`${p.label}`);
    if (id === '' || life.background.has(id)) continue;
    const record = new Record(id, command, undefined);
    if (p.started_ms !== undefined) record.startTime = new Date(p.started_ms);
    life.background.set(id, record);
    const known = life.processes.get(p.process);
    if (known !== undefined) {
      watch(instance, record, known);
    } else if (p.running) {
      watch(instance, record, new Running(instance, { value: p, out: null, err: null }));
    } else {
      record.running = { number: p.process, pid: p.pid, how: p.how, kill: async () => {} };
      record.end = { how: p.how ?? 'exit', number: p.number ?? 0 };
      record.endTime = p.ended_ms === undefined ? undefined : new Date(p.ended_ms);
    }
  }
}

async function find(instance, id) {
  const life = lifeOf(instance);
  if (!life.background.has(id)) await adopt(instance);
  const record = life.background.get(id);
  if (record === undefined) {
    throw sandboxError('PROCESS_NOT_FOUND', `Process not found: ${id}`, { context: { processId: id } });
  }
  return record;
}

export async function startProcess(instance, session, command, options) {
  options ??= {};
  try {
    const life = lifeOf(instance);
    const id = options.processId ?? crypto.randomUUID();
    if (typeof id !== 'string' || !/^[^\s\0]{1,128}$/.test(id)) {
      throw sandboxError('VALIDATION_FAILED', 'processId is not 1 to 128 characters without spaces.');
    }
    const args = commandArgs(instance, command, session, options);
    args.background = true;
    args.label = labelOf(id, command);
    const record = await life.use(async () => {
      await adopt(instance);
      if (life.background.get(id)?.end === null) {
        throw sandboxError('PROCESS_ERROR', `Process ${id} runs already`, { context: { processId: id } });
      }
      const old = life.background.get(id);
      if (old !== undefined) forget(life, old);
      const started = new Record(id, command, publicSession(instance, session));
      life.background.set(id, started);
      try {
        watch(instance, started, await run(instance, args));
      } catch (e) {
        life.background.delete(id);
        throw e;
      }
      return started;
    });
    const process = new Process(instance, record);
    if (typeof options.onStart === 'function') options.onStart(process);
    if (typeof options.onOutput === 'function' || typeof options.onExit === 'function') {
      listen(instance, record, options);
    }
    return process;
  } catch (e) {
    if (typeof options.onError === 'function' && e instanceof Error) options.onError(e);
    throw e;
  }
}

function listen(instance, record, options) {
  const told = async () => {
    for await (const event of logEvents(instance, record, {})) {
      if (event.type === 'exit') options.onExit?.(event.exitCode ?? null);
      else options.onOutput?.(event.type, event.data);
    }
  };
  asInstance(instance, told).catch((e) => options.onError?.(e));
}

export async function listProcesses(instance) {
  await adopt(instance);
  return [...lifeOf(instance).background.values()].map((record) => new Process(instance, record));
}

export async function getProcess(instance, id) {
  try {
    return new Process(instance, await find(instance, id));
  } catch (e) {
    if (e.code === 'PROCESS_NOT_FOUND') return null;
    throw e;
  }
}

// One that does not end of SIGTERM is ended by SIGKILL.
export async function killProcess(instance, id, signal) {
  const record = await find(instance, id);
  if (record.end !== null) return;
  record.killed = true;
  const number = signalNumber(signal);
  await record.running.kill(number);
  if (number !== SIGTERM) return;
  await Promise.race([record.running.ended, delay(instance, TERM_MS)]);
  await record.running.kill(SIGKILL);
}

// Of a session that goes: its processes go with it.
export async function killSession(instance, session) {
  const running = [...lifeOf(instance).background.values()].filter((r) => r.end === null && r.sessionId === session);
  await Promise.all(running.map((r) => killProcess(instance, r.id, SIGKILL)));
}

export async function killAllProcesses(instance) {
  await adopt(instance);
  const running = [...lifeOf(instance).background.values()].filter((r) => r.end === null);
  await Promise.all(running.map((r) => killProcess(instance, r.id, 'SIGKILL')));
  await Promise.all(running.map((r) => r.running.ended));
  return running.length;
}

export async function cleanupCompletedProcesses(instance) {
  await adopt(instance);
  const life = lifeOf(instance);
  const ended = [...life.background.values()].filter((r) => r.end !== null);
  for (const record of ended) forget(life, record);
  return ended.length;
}

// -- logs ---------------------------------------------------------------------------------------

async function logsOf(instance, record, follow) {
  if (record.end?.how === 'lost') throw interrupted(`process ${record.id}`);
  const args = { process: record.running.number };
  if (follow) args.follow = true;
  return ask(instance, 'logs', args);
}

export async function getProcessLogs(instance, id) {
  const record = await find(instance, id);
  return lifeOf(instance).use(async () => {
    const { out, err } = await logsOf(instance, record, false);
    const texts = await Promise.all([out, err].map(async (output) => {
      const all = new Collected();
      await drain(output, (chunk) => all.add(chunk, LOG_MAX, { size: 0 }));
      output.cancel();
      return decoder()(all.bytes(), true);
    }));
    return { stdout: texts[0], stderr: texts[1], processId: id };
  });
}

async function* logEvents(instance, record, options) {
  const { out, err } = await logsOf(instance, record, true);
  const merged = new Merged({ stdout: out, stderr: err });
  const stop = () => merged.cancel();
  options.signal?.addEventListener('abort', stop, { once: true });
  options.opened?.(merged);
  const base = { processId: record.id, sessionId: record.sessionId };
  const stamp = (event) => ({ ...event, timestamp: new Date().toISOString(), ...base });
  try {
    const text = { stdout: decoder(), stderr: decoder() };
    for (let next = await merged.next(); next !== null; next = await merged.next()) {
      const data = text[next.name](next.chunk);
      if (data !== '') yield stamp({ type: next.name, data });
    }
    for (const name of ['stdout', 'stderr']) {
      const rest = text[name](null, true);
      if (rest !== '') yield stamp({ type: name, data: rest });
    }
    const end = record.end ?? await record.running.ended;
    if (end.how === 'lost') throw interrupted(`process ${record.id}`);
    yield stamp({ type: 'exit', data: '', exitCode: exitCodeOf(end) });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    merged.cancel();
  }
}

export async function streamProcessLogs(instance, id, options) {
  refuseAborted(options?.signal);
  const record = await find(instance, id);
  let merged = null;
  const events = logEvents(instance, record, { signal: options?.signal, opened: (m) => (merged = m) });
  return eventStream(instance, events, {
    failed: (e) => ({
      type: 'error', data: e.message, error: e.message, timestamp: new Date().toISOString(), processId: id,
    }),
    cancel: () => merged?.cancel(),
  });
}

// -- waiting ------------------------------------------------------------------------------------

function notInTime(record, condition, timeout) {
  return sandboxError('PROCESS_READY_TIMEOUT',
    `Process did not become ready within ${timeout}ms. Waiting for: ${condition}`,
    { context: { processId: record.id, command: record.command, condition, timeout },
      suggestion: `See what the process writes with getLogs(), or wait longer than ${timeout}ms.` });
}

function endedBefore(record, condition, end) {
  const exitCode = exitCodeOf(end);
  return sandboxError('PROCESS_EXITED_BEFORE_READY',
    `Process exited with code ${exitCode} before becoming ready. Waiting for: ${condition}`,
    { context: { processId: record.id, command: record.command, condition, exitCode },
      suggestion: 'See what the process wrote with getLogs().' });
}

// fn, or the error of a time limit; undefined: none.
async function within(instance, timeout, late, fn) {
  if (timeout === undefined || timeout === null) return fn();
  return Promise.race([fn(), delay(instance, Number(timeout)).then(() => {
    throw late();
  })]);
}

function matcher(pattern) {
  if (typeof pattern === 'string') return (text) => (text.includes(pattern) ? { line: pattern } : null);
  const once = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return (text) => {
    const match = once.exec(text);
    return match === null ? null : { line: match[0], match };
  };
}

// The line that matches, else the match alone.
function lookFor(match, text) {
  const found = match(text);
  if (found === null) return null;
  for (const line of text.split('\n')) {
    const inLine = match(line);
    if (inLine !== null) return inLine.match === undefined ? { line } : { line, match: inLine.match };
  }
  return found;
}

async function waitForLog(instance, record, pattern, timeout) {
  if (typeof pattern !== 'string' && typeof pattern?.source !== 'string') {
    throw new TypeError('waitForLog: the pattern is neither a string nor a RegExp');
  }
  const condition = typeof pattern === 'string' ? `"${pattern}"` : `${pattern}`;
  const match = matcher(pattern);
  let merged = null;
  const look = async () => {
    const texts = { stdout: '', stderr: '' };
    for await (const event of logEvents(instance, record, { opened: (m) => (merged = m) })) {
      if (event.type === 'exit') break;
      texts[event.type] = (texts[event.type] + event.data);
      const found = lookFor(match, texts[event.type]);
      if (found !== null) return found;
      texts[event.type] = texts[event.type].slice(-WINDOW);
    }
    throw endedBefore(record, condition, record.end ?? await record.running.ended);
  };
  try {
    return await within(instance, timeout, () => notInTime(record, condition, timeout), look);
  } finally {
    merged?.cancel();
  }
}

async function waitForExit(instance, record, timeout) {
  const end = await within(instance, timeout, () => notInTime(record, 'process exit', timeout),
    async () => record.end ?? record.running.ended);
  if (end.how === 'lost') throw interrupted(`process ${record.id}`);
  return { exitCode: exitCodeOf(end) };
}

async function waitForPort(instance, record, port, options) {
  const { mode = 'http', path = '/', status = { min: 200, max: 399 }, timeout, interval = 500 } = options ?? {};
  const condition = mode === 'http' ? `port ${port} (HTTP ${path})` : `port ${port} (TCP)`;
  const range = typeof status === 'number' ? { min: status, max: status } : status;
  let stop = false;
  const look = async () => {
    while (!stop) {
      if (record.end !== null) throw endedBefore(record, condition, record.end);
      if (await portAnswers(instance, port, mode === 'http' ? { path, range } : null)) return;
      await delay(instance, interval);
    }
  };
  try {
    await within(instance, timeout, () => notInTime(record, condition, timeout), look);
  } finally {
    stop = true;
  }
}
