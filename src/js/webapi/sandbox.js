// Sandbox: a Container with commands, processes, files and sessions (ISandbox of the SDK).

import { Container, instanceOfObject } from './container.js';
import { exec, execStream, sessionOf } from './sandbox/exec.js';
import * as files from './sandbox/files.js';
import { gitCheckout } from './sandbox/git.js';
import { lifeOf } from './sandbox/life.js';
import * as processes from './sandbox/process.js';
import { ExecutionSession, NOT_IN_SESSIONS, createSession, deleteSession, refuseOn,
  setSessionEnv } from './sandbox/session.js';

// Methods as (instance, session, …): the session is that of the options, or the default one.
function inOptions(object, options) {
  return [instanceOfObject(object), sessionOf(options?.sessionId)];
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
    return exec(instanceOfObject(this), sessionOf(sessionId), command, options);
  }
  async execStreamWithSessionToken(command, sessionId, options = undefined) {
    return execStream(instanceOfObject(this), sessionOf(sessionId), command, options);
  }

  // -- processes ------------------------------------------------------------------------------

  async startProcess(command, options = undefined, sessionId = undefined) {
    return processes.startProcess(
      instanceOfObject(this), sessionOf(options?.sessionId ?? sessionId), command, options);
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
    return files.deleteFile(instanceOfObject(this), sessionOf(sessionId), path);
  }
  async renameFile(from, to, sessionId = undefined) {
    return files.renameFile(instanceOfObject(this), sessionOf(sessionId), from, to);
  }
  async moveFile(from, to, sessionId = undefined) {
    return files.moveFile(instanceOfObject(this), sessionOf(sessionId), from, to);
  }
  async listFiles(path, options = undefined) {
    return files.listFiles(...inOptions(this, options), path, options);
  }
  async exists(path, sessionId = undefined) {
    return files.exists(instanceOfObject(this), sessionOf(sessionId), path);
  }
  async checkChanges(path, options = undefined) {
    return files.checkChanges(...inOptions(this, options), path, options);
  }
  async gitCheckout(repoUrl, options = undefined) {
    return gitCheckout(...inOptions(this, options), repoUrl, options);
  }

  // -- sessions -------------------------------------------------------------------------------

  async createSession(options = undefined) {
    return createSession(instanceOfObject(this), options);
  }
  async getSession(sessionId) {
    return new ExecutionSession(instanceOfObject(this), sessionOf(sessionId));
  }
  async deleteSession(sessionId) {
    return deleteSession(instanceOfObject(this), sessionId);
  }
  // For later commands: in the default session when it runs, and at every later start.
  async setEnvVars(envVars) {
    const all = { ...this.envVars };
    for (const [name, value] of Object.entries(envVars)) {
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
  }
  async setLabels(labels) {
    this.labels = { ...labels };
  }
  // A sandbox is there within milliseconds or says why not: there is nothing to wait for.
  async setContainerTimeouts() {}
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
  }
  async onError(error) {
    globalThis.console.error('Sandbox error:', error);
  }
}

refuseOn(Sandbox.prototype, [
  ...NOT_IN_SESSIONS, 'wsConnect', 'exposePort', 'unexposePort', 'getExposedPorts', 'isPortExposed',
  'validatePortToken', 'callTunnels',
], 'sandbox');

