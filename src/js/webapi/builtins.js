// What the built-in modules export.

import { Container, Sandbox } from './container.js';
import { RpcTarget, WorkerEntrypoint, WorkflowEntrypoint } from './bases.js';
import { exported } from './entrypoints.js';
import { env, noLocalForm } from './env.js';
import { DurableObject } from './objects.js';
import { noTask, owner, waitOn } from './task.js';

class ContainerProxy extends WorkerEntrypoint {} // accepted as an export and never called

function refuse(name) {
  return { [name]() {
    throw noLocalForm(`${name}()`);
  } }[name];
}

const containers = {
  Container, ContainerProxy,
  outboundParams: (handler, params) => params,
  getContainer: refuse('getContainer'),
  getRandom: refuse('getRandom'),
  loadBalance: refuse('loadBalance'),
  switchPort: refuse('switchPort'),
};
const sandbox = {
  ...containers, Sandbox,
  getSandbox: refuse('getSandbox'),
  proxyToSandbox: refuse('proxyToSandbox'),
};

export const modules = new Map([
  ['@cloudflare/containers', containers],
  ['@cloudflare/sandbox', sandbox],
  ['cloudflare:workers', {
    DurableObject, WorkerEntrypoint, WorkflowEntrypoint, RpcTarget, env, exports: exported,
    waitUntil(promise) {
      const task = owner();
      if (task === null) throw noTask('waitUntil()');
      waitOn(task, promise);
    },
  }],
  ['sallyport', sandbox],
]);
