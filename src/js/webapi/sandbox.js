// Sandbox: a Container with commands, processes, files and sessions (ISandbox of the SDK).

import { SERVES_AT_ONCE } from './bases.js';
import { Container, instanceOfObject } from './container.js';
import { exec, execStream, sessionOf } from './sandbox/exec.js';
import * as files from './sandbox/files.js';
import { gitCheckout } from './sandbox/git.js';
import { lifeOf } from './sandbox/life.js';
import { PORT_HEADER, tunnels } from './sandbox/names.js';
import * as processes from './sandbox/process.js';
import { ExecutionSession, NOT_IN_SESSIONS, checkName, createSession, deleteSession,
  refuseOn, setSessionEnv } from './sandbox/session.js';
import { checkChanges, watch } from './sandbox/watch.js';

// Milliseconds that setContainerTimeouts takes.
const TIMEOUTS = {
  instanceGetTimeoutMS: [5000, 300000], portReadyTimeoutMS: [10000, 600000], waitIntervalMS: [100, 5000],
};

function timeoutWithin(name, value, min, max) {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Error(`${name} must be a valid finite number, got ${value}`);
  }
  if (value < min || value > max) throw new Error(`${name} must be between ${min}-${max}ms, got ${value}ms`);
  return value;
}

// Methods as (instance, session, …): the session is that of the options, or the default one.
function inSession(object, id) {
  const instance = instanceOfObject(object);
  return [instance, sessionOf(instance, id)];
}
function inOptions(object, options) {
  return inSession(object, options?.sessionId);
}

export class Sandbox extends Container {
  // -- commands -------------------------------------------------------------------------------

  async exec(command, options = undefined) {
    return exec(...inOptions(this, options), command, options);
  }
  async execStream(command, options = undefined) {
    return execStream(...inOptions(this, options), command, options);
  }
  async execWithSessionToken(command, sessionId, options = undefined) {
    return exec(...inSession(this, sessionId), command, options);
  }
  async execStreamWithSessionToken(command, sessionId, options = undefined) {
    return execStream(...inSession(this, sessionId), command, options);
  }

  // -- processes ------------------------------------------------------------------------------

  async startProcess(command, options = undefined, sessionId = undefined) {
    return processes.startProcess(...inSession(this, options?.sessionId ?? sessionId), command, options);
  }
  async listProcesses() {
    return processes.listProcesses(instanceOfObject(this));
  }
  async getProcess(id) {
    return processes.getProcess(instanceOfObject(this), id);
  }
  async killProcess(id, signal = undefined) {
    await processes.killProcess(instanceOfObject(this), id, signal);
  }
  async killAllProcesses() {
    return processes.killAllProcesses(instanceOfObject(this));
  }
  async cleanupCompletedProcesses() {
    return processes.cleanupCompletedProcesses(instanceOfObject(this));
  }
  async getProcessLogs(id) {
    return processes.getProcessLogs(instanceOfObject(this), id);
  }
  async streamProcessLogs(id, options = undefined) {
    return processes.streamProcessLogs(instanceOfObject(this), id, options);
  }

  // -- files ----------------------------------------------------------------------------------

  async writeFile(path, content, options = undefined) {
    return files.writeFile(...inOptions(this, options), path, content, options);
  }
  async readFile(path, options = undefined) {
    return files.readFile(...inOptions(this, options), path, options);
  }
  async readFileStream(path, options = undefined) {
    return files.readFileStream(...inOptions(this, options), path);
  }
  async mkdir(path, options = undefined) {
    return files.mkdir(...inOptions(this, options), path, options);
  }
  async deleteFile(path, sessionId = undefined) {
    return files.deleteFile(...inSession(this, sessionId), path);
  }
  async renameFile(from, to, sessionId = undefined) {
    return files.renameFile(...inSession(this, sessionId), from, to);
  }
  async moveFile(from, to, sessionId = undefined) {
    return files.moveFile(...inSession(this, sessionId), from, to);
  }
  async listFiles(path, options = undefined) {
    return files.listFiles(...inOptions(this, options), path, options);
  }
  async exists(path, sessionId = undefined) {
    return files.exists(...inSession(this, sessionId), path);
  }
  async watch(path, options = undefined) {
    return watch(...inOptions(this, options), path, options);
  }
  async checkChanges(path, options = undefined) {
    return checkChanges(...inOptions(this, options), path, options);
  }
  async gitCheckout(repoUrl, options = undefined) {
    return gitCheckout(...inOptions(this, options), repoUrl, options);
  }

  // -- sessions -------------------------------------------------------------------------------

  async createSession(options = undefined) {
    return createSession(instanceOfObject(this), options);
  }
  async getSession(sessionId) {
    const [instance] = inSession(this, sessionId);
    return new ExecutionSession(instance, sessionId);
  }
  async deleteSession(sessionId) {
    return deleteSession(instanceOfObject(this), sessionId);
  }
  // For later commands: in the default session when it runs, and at every later start.
  async setEnvVars(envVars) {
    const all = { ...this.envVars };
    for (const [name, value] of Object.entries(envVars)) {
      checkName(name);
      if (value === undefined || value === null) delete all[name];
      else all[name] = `${value}`;
    }
    const life = lifeOf(instanceOfObject(this));
    if (life.starting !== null) await life.starting;
    if (life.running) await setSessionEnv(instanceOfObject(this), undefined, envVars);
    this.envVars = all;
  }

  // -- settings -------------------------------------------------------------------------------

  async setKeepAlive(keepAlive) {
    lifeOf(instanceOfObject(this)).setKeepAlive(keepAlive === true);
  }
  async setSleepAfter(sleepAfter) {
    lifeOf(instanceOfObject(this)).setSleepAfter(sleepAfter);
    this.sleepAfter = sleepAfter;
  }
  async setLabels(labels) {
    this.labels = { ...labels };
  }
  // A sandbox is there within milliseconds or says why not: of these only the ports' count.
  async setContainerTimeouts(timeouts) {
    const wanted = {};
    for (const [name, [min, max]] of Object.entries(TIMEOUTS)) {
      if (timeouts?.[name] !== undefined) wanted[name] = timeoutWithin(name, timeouts[name], min, max);
    }
    lifeOf(instanceOfObject(this)).setTimeouts(wanted);
  }
  async setTransport() {}
  async setSandboxName() {}
  async getContainerPlacementId() {
    return null;
  }
  // What getSandbox(…, options) asks for.
  async configure(options) {
    if (options.sleepAfter !== undefined) await this.setSleepAfter(options.sleepAfter);
    if (options.keepAlive !== undefined) await this.setKeepAlive(options.keepAlive);
    if (options.labels !== undefined) await this.setLabels(options.labels);
    if (options.containerTimeouts !== undefined) await this.setContainerTimeouts(options.containerTimeouts);
  }
  async onError(error) {
    globalThis.console.error('Sandbox error:', error);
  }

  get tunnels() {
    return tunnels;
  }

  // -- HTTP to it -----------------------------------------------------------------------------

  // The path /proxy/PORT/… says the port too.
  async fetch(request) {
    const found = /^\/proxy\/(\d+)/.exec(new URL(request.url).pathname);
    return found === null || request.headers.has(PORT_HEADER)
      ? super.fetch(request) : this.containerFetch(request, Number(found[1]));
  }
}
Object.defineProperty(Sandbox.prototype, SERVES_AT_ONCE, { value: true });

refuseOn(Sandbox.prototype, [
  ...NOT_IN_SESSIONS, 'wsConnect', 'exposePort', 'unexposePort', 'getExposedPorts', 'isPortExposed',
  'validatePortToken', 'callTunnels',
], 'sandbox');

