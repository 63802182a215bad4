// What the built-in modules export.

import { Container } from './container.js';
import { RpcTarget, WorkerEntrypoint, WorkflowEntrypoint } from './bases.js';
import { exported } from './entrypoints.js';
import { env, noLocalForm, refusedClass } from './env.js';
import { DurableObject } from './objects.js';
import { RpcPromise, RpcStub } from './rpc.js';
import { Sandbox } from './sandbox.js';
import { classes, mountClasses } from './sandbox/errors.js';
import { getContainer, getRandom, getSandbox, loadBalance, proxyTerminal, proxyToSandbox,
  switchPort } from './sandbox/names.js';
import { asyncIterableToSSEStream, collectFile, parseSSEStream, responseToAsyncIterable,
  streamFile } from './sandbox/sse.js';
import { noTask, owner, waitOn } from './task.js';

class ContainerProxy extends WorkerEntrypoint {} // accepted as an export and never called

const PROCESS_STATES = ['starting', 'running', 'completed', 'failed', 'killed', 'error'];
const isProcessStatus = (value) => PROCESS_STATES.includes(value);

// Parts of the SDK that talk to its own server in the container: there is none.
const clients = Object.fromEntries([
  'BackupClient', 'CodeInterpreter', 'CommandClient', 'FileClient', 'GitClient', 'PortClient',
  'ProcessClient', 'SandboxClient', 'UtilityClient',
].map((name) => [name, refusedClass(name)]));

const containers = {
  Container, ContainerProxy, getContainer, getRandom, loadBalance, switchPort,
  outboundParams: (handler, params) => params,
};
const sandbox = {
  ...containers, ...clients, ...classes, ...mountClasses,
  Sandbox, getSandbox, proxyTerminal, proxyToSandbox,
  asyncIterableToSSEStream, collectFile, parseSSEStream, responseToAsyncIterable, streamFile,
  isProcessStatus,
  isExecResult: (value) => typeof value?.exitCode === 'number' && typeof value.success === 'boolean' &&
    typeof value.stdout === 'string' && typeof value.stderr === 'string',
  isProcess: (value) => typeof value?.id === 'string' && typeof value.command === 'string' &&
    typeof value.status === 'string',
  // Failures of the platform that a caller may try again: here a sandbox is there or it is not.
  isDurableObjectCodeUpdateReset: () => false,
  isPlatformTransientError(error) {
    for (let e = error, depth = 0; e !== null && e !== undefined && depth < 8; e = e.cause, depth++) {
      if (e.name === 'OperationInterruptedError' || e.retryable === true) return true;
    }
    return false;
  },
};

// Functions that say on use that they have no local form.
function refusals(...names) {
  return Object.fromEntries(names.map((name) => [name, { [name]: function () {
    throw noLocalForm(`${name}()`);
  } }[name]]));
}

class NonRetryableError extends Error {
  constructor(message, name = 'NonRetryableError') {
    super(message);
    this.name = name;
  }
}

export const modules = new Map([
  ['@cloudflare/containers', containers],
  ['@cloudflare/sandbox', sandbox],
  ['cloudflare:workers', {
    DurableObject, WorkerEntrypoint, WorkflowEntrypoint, RpcPromise, RpcStub, RpcTarget, env, exports: exported,
    ...refusals('abortIsolate', 'withEnv', 'withEnvAndExports', 'withExports'),
    waitUntil(promise) {
      const task = owner();
      if (task === null) throw noTask('waitUntil()');
      waitOn(task, promise);
    },
  }],
  ['cloudflare:sockets', refusals('connect')],
  ['cloudflare:email', { EmailMessage: refusedClass('EmailMessage') }],
  ['cloudflare:node', refusals('handleAsNodeRequest', 'httpServerHandler')],
  ['cloudflare:workflows', { NonRetryableError }],
  ['sallyport', sandbox],
]);
