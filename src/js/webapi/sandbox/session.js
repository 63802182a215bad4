// Sessions: a place and an environment that one command leaves to the next, kept by the agent.

import { LocalTarget } from '../bases.js';
import { crypto } from '../crypto.js';
import { enter, owner } from '../task.js';
import { ask } from './calls.js';
import { sandboxError } from './errors.js';
import { NO_SESSION, defaultSession, exec, execStream, sessionOf } from './exec.js';
import * as files from './files.js';
import { gitCheckout } from './git.js';
import { lifeOf } from './life.js';
import * as processes from './process.js';
import { ensureSession, envOf, isSessionThere, timeoutOf } from './run.js';
import { noLocalForm } from '../env.js';
import { checkChanges, watch } from './watch.js';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

// Sets variables of a session, or takes out those that are undefined, for its later commands.
export async function setSessionEnv(instance, session, vars) {
  const env = {};
  for (const [name, value] of Object.entries(vars)) {
    checkName(name);
    env[name] = value === undefined || value === null ? null : `${value}`;
  }
  if (Object.keys(env).length === 0) return;
  await lifeOf(instance).use(async () => {
    await ensureSession(instance, session);
    await ask(instance, 'session', { op: 'set', name: session, env });
  });
}

export function checkName(name) {
  if (!NAME.test(name)) throw sandboxError('VALIDATION_FAILED', `"${name}" is not the name of a variable.`);
}

function thereAlready(id) {
  return sandboxError('SESSION_ALREADY_EXISTS', `Session '${id}' already exists`, { context: { sessionId: id } });
}

export async function createSession(instance, options) {
  options ??= {};
  const id = options.id || `session-${crypto.randomUUID()}`;
  if (id === NO_SESSION) throw new Error(`Session ID '${NO_SESSION}' is reserved for internal use`);
  if (sessionOf(instance, id) === undefined) throw thereAlready(id);
  const timeout = timeoutOf(options.commandTimeoutMs);
  const life = lifeOf(instance);
  await life.use(async () => {
    try {
      await ask(instance, 'session', { op: 'create', name: id, cwd: options.cwd,
        env: envOf({ ...instance.object.envVars, ...envOf(options.env) }) });
    } catch (e) {
      throw isSessionThere(e) ? thereAlready(id) : e;
    }
    life.sessions.set(id, { timeout });
  });
  return new ExecutionSession(instance, id);
}

export async function deleteSession(instance, id) {
  const name = sessionOf(instance, id);
  if (name === undefined) {
    throw new Error(
      `Cannot delete default session '${defaultSession(instance)}'. Use sandbox.destroy() to terminate the sandbox.`);
  }
  try {
    await lifeOf(instance).use(() => ask(instance, 'session', { op: 'delete', name }));
    await processes.killSession(instance, name);
  } catch (e) {
    throw /session: not found/.test(e.message)
      ? sandboxError('INTERNAL_ERROR', `Session '${name}' not found`, { context: { sessionId: name } }) : e;
  }
  lifeOf(instance).sessions.delete(name);
  return { success: true, sessionId: name, timestamp: new Date().toISOString() };
}

export class ExecutionSession extends LocalTarget {
  #instance;
  constructor(instance, id) {
    super();
    this.#instance = instance;
    this.id = id;
  }
  // Goes on as the task of whoever called; C of the class below is the call itself.
  static async call(session, fn) {
    const caller = owner();
    try {
      return await fn(session.#instance, sessionOf(session.#instance, session.id));
    } finally {
      if (caller !== null && !caller.over) enter(caller);
    }
  }
}

const METHODS = {
  exec: (i, s, command, options) => exec(i, s, command, options),
  execStream: (i, s, command, options) => execStream(i, s, command, options),
  startProcess: (i, s, command, options) => processes.startProcess(i, s, command, options),
  listProcesses: (i) => processes.listProcesses(i),
  getProcess: (i, s, id) => processes.getProcess(i, id),
  killProcess: (i, s, id, signal) => processes.killProcess(i, id, signal),
  killAllProcesses: (i) => processes.killAllProcesses(i),
  cleanupCompletedProcesses: (i) => processes.cleanupCompletedProcesses(i),
  getProcessLogs: (i, s, id) => processes.getProcessLogs(i, id),
  streamProcessLogs: (i, s, id, options) => processes.streamProcessLogs(i, id, options),
  writeFile: (i, s, path, content, options) => files.writeFile(i, s, path, content, options),
  readFile: (i, s, path, options) => files.readFile(i, s, path, options),
  readFileStream: (i, s, path) => files.readFileStream(i, s, path),
  mkdir: (i, s, path, options) => files.mkdir(i, s, path, options),
  deleteFile: (i, s, path) => files.deleteFile(i, s, path),
  renameFile: (i, s, from, to) => files.renameFile(i, s, from, to),
  moveFile: (i, s, from, to) => files.moveFile(i, s, from, to),
  listFiles: (i, s, path, options) => files.listFiles(i, s, path, options),
  exists: (i, s, path) => files.exists(i, s, path),
  watch: (i, s, path, options) => watch(i, s, path, options),
  checkChanges: (i, s, path, options) => checkChanges(i, s, path, options),
  gitCheckout: (i, s, url, options) => gitCheckout(i, s, url, options),
  setEnvVars: (i, s, vars) => setSessionEnv(i, s, vars),
};
for (const name of Object.keys(METHODS)) {
  Object.defineProperty(ExecutionSession.prototype, name, {
    configurable: true, writable: true,
    value: { [name](...args) {
      return ExecutionSession.call(this, (instance, id) => METHODS[name](instance, id, ...args));
    } }[name],
  });
}

// Methods that throw, by name, on a prototype.
export function refuseOn(prototype, names, where) {
  for (const name of names) {
    Object.defineProperty(prototype, name, {
      configurable: true, writable: true,
      value: { async [name]() {
        throw noLocalForm(`${where}.${name}()`);
      } }[name],
    });
  }
}

export const NOT_IN_SESSIONS = [
  'createCodeContext', 'runCode', 'runCodeStream', 'listCodeContexts', 'deleteCodeContext',
  'mountBucket', 'unmountBucket', 'createBackup', 'restoreBackup', 'terminal',
];
refuseOn(ExecutionSession.prototype, NOT_IN_SESSIONS, 'session');
