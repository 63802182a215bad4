// How a Worker finds its sandboxes: stubs by name, with the options of getSandbox applied.

import { noLocalForm } from '../env.js';
import { Headers } from '../headers.js';
import { logWarn } from '../log.js';
import { Request } from '../request.js';
import { SandboxSecurityError } from './errors.js';
import { NO_SESSION } from './exec.js';

const SINGLETON = 'cf-singleton-container';
const NAME_MAX = 63;
const RESERVED = new Set(['www', 'api', 'admin', 'root', 'system', 'cloudflare', 'workers']);
export const PORT_HEADER = 'cf-container-target-port';

export function getContainer(namespace, name = SINGLETON) {
  return namespace.get(namespace.idFromName(name));
}

export async function getRandom(namespace, instances = 3) {
  return getContainer(namespace, `instance-${Math.floor(Math.random() * instances)}`);
}

export async function loadBalance(namespace, instances = 3) {
  logWarn('loadBalance is deprecated, use getRandom.');
  return getRandom(namespace, instances);
}

export function switchPort(request, port) {
  const headers = new Headers(request.headers);
  headers.set(PORT_HEADER, `${port}`);
  return new Request(request, { headers });
}

// What each method takes at which place, when it is to run without the default session.
const LAST = new Map([
  ['deleteFile', 1], ['renameFile', 2], ['moveFile', 2], ['exists', 1], ['listProcesses', 0], ['getProcess', 1],
]);
const IN_OPTIONS = new Map([
  ['exec', 1], ['execStream', 1], ['startProcess', 1], ['writeFile', 2], ['readFile', 1], ['readFileStream', 1],
  ['mkdir', 1], ['listFiles', 1], ['gitCheckout', 1], ['watch', 1], ['checkChanges', 1],
]);

function withoutSession(stub, name) {
  const at = LAST.get(name) ?? IN_OPTIONS.get(name);
  return (...args) => {
    while (args.length <= at) args.push(undefined);
    if (LAST.has(name)) args[at] ??= NO_SESSION;
    else args[at] = { ...args[at], sessionId: args[at]?.sessionId ?? NO_SESSION };
    return stub[name](...args);
  };
}

// namespace -> name -> what was applied last, so that a second getSandbox asks for nothing anew
const applied = new WeakMap();

const SETTINGS = ['sleepAfter', 'keepAlive', 'labels', 'containerTimeouts'];

function configuration(namespace, name, options) {
  let names = applied.get(namespace);
  if (names === undefined) applied.set(namespace, (names = new Map()));
  const wanted = {};
  for (const key of SETTINGS) if (options[key] !== undefined) wanted[key] = options[key];
  const text = JSON.stringify(wanted);
  if (text === '{}' || names.get(name) === text) return null;
  names.set(name, text);
  return { wanted, undo: () => names.delete(name) };
}

// The names that the SDK takes: what works here works there.
function checkName(name) {
  if (typeof name !== 'string' || name.length === 0 || name.length > NAME_MAX) {
    throw new SandboxSecurityError(`Sandbox ID must be 1-${NAME_MAX} characters long.`, 'INVALID_SANDBOX_ID_LENGTH');
  }
  if (name.startsWith('-') || name.endsWith('-')) {
    throw new SandboxSecurityError('Sandbox ID cannot start or end with hyphens.', 'INVALID_SANDBOX_ID_HYPHENS');
  }
  if (RESERVED.has(name.toLowerCase())) {
    throw new SandboxSecurityError(`Reserved sandbox ID '${name}' is not allowed.`, 'RESERVED_SANDBOX_ID');
  }
}

export const tunnels = new Proxy({}, {
  get: (target, name) => (typeof name !== 'string' || name === 'then' ? undefined : async () => {
    throw noLocalForm(`sandbox.tunnels.${name}()`);
  }),
});

export function getSandbox(namespace, name, options = undefined) {
  options ??= {};
  checkName(name);
  if (options.normalizeId) name = name.toLowerCase();
  const stub = getContainer(namespace, name);
  const change = configuration(namespace, name, options);
  // Applied before what is called next: calls of one caller arrive in order.
  if (change !== null) stub.configure(change.wanted).catch(change.undo);
  const own = {
    tunnels,
    async wsConnect() {
      throw noLocalForm('sandbox.wsConnect()');
    },
    async terminal() {
      throw noLocalForm('sandbox.terminal()');
    },
  };
  const sessionless = options.enableDefaultSession === false;
  return new Proxy(stub, {
    get(target, property) {
      if (typeof property === 'string' && Object.hasOwn(own, property)) return own[property];
      if (sessionless && (LAST.has(property) || IN_OPTIONS.has(property))) return withoutSession(target, property);
      return target[property];
    },
  });
}

// A Worker asks this of every request, before its own routes: null says that it is not for a
// preview URL. None has ever been given out here, since exposePort() throws.
export async function proxyToSandbox() {
  return null;
}

export async function proxyTerminal() {
  throw noLocalForm('proxyTerminal()');
}
