// Container: statics, properties, and the methods of a sandbox's life.

import { DurableObject, HAS_LISTS, recordOf } from './bases.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { SETTERS, policySet } from './policy.js';
import { lifeOf } from './sandbox/life.js';
import { PORT_HEADER } from './sandbox/names.js';
import { portFetch, portNumber, waitForPort } from './sandbox/ports.js';
import { signalNumber } from './sandbox/run.js';
import { deleteSchedules, getSchedule, listSchedules, runDue, schedule } from './sandbox/schedule.js';

const PORT_READY_MS = 20000;
const POLL_MS = 300;
const OPTIONS = ['defaultPort', 'sleepAfter', 'envVars', 'entrypoint', 'enableInternet']; // of the constructor
const ANY_PORT = 33; // asked when a class names none: whether the container is up at all

// class -> what was assigned through the accessors. A `static` field defines a property of its own
// instead; classes.js reads both.
export const assigned = new WeakMap();

function record(cls) {
  let r = assigned.get(cls);
  if (r === undefined) assigned.set(cls, (r = {}));
  return r;
}

function found(cls, name) {
  for (let c = cls; typeof c === 'function' && c !== Function.prototype; c = Object.getPrototypeOf(c)) {
    const value = assigned.get(c)?.[name];
    if (value !== undefined) return value;
  }
  return undefined;
}

export function instanceOfObject(object) {
  const instance = recordOf.get(object);
  if (instance === undefined) throw new Error('This is not an object that Sallyport made.');
  return instance;
}

function life(object) {
  return lifeOf(instanceOfObject(object));
}

function portsOf(object, ports) {
  if (ports !== undefined && ports !== null) return Array.isArray(ports) ? ports : [ports];
  if (object.requiredPorts?.length > 0) return object.requiredPorts;
  return object.defaultPort === undefined ? [] : [object.defaultPort];
}

// containerFetch(request, port?) or containerFetch(url, init?, port?)
function fetchArgs(object, input, portOrInit, port) {
  let request = input;
  if (Request.is(input)) {
    port = typeof portOrInit === 'number' ? portOrInit : port;
  } else {
    const url = new URL(`${input}`, 'http://container');
    const init = typeof portOrInit === 'object' && portOrInit !== null ? portOrInit : undefined;
    if (typeof portOrInit === 'number') port = portOrInit;
    request = new Request(url, init);
  }
  port ??= object.defaultPort;
  if (port === undefined) {
    throw new Error('No port specified for the request: set defaultPort in the class, or give containerFetch() a port.');
  }
  return { request, port: portNumber(port) };
}

export class Container extends DurableObject {
  defaultPort = undefined;
  requiredPorts = undefined;
  sleepAfter = '10m';
  labels = {};
  pingEndpoint = 'ping';
  envVars = {};
  entrypoint = undefined;
  enableInternet = true;
  interceptHttps = true;
  allowedHosts = undefined;
  deniedHosts = undefined;
  allowedTcp = undefined;

  constructor(ctx, env, options = undefined) {
    super(ctx, env);
    for (const name of OPTIONS) if (options?.[name] !== undefined) this[name] = options[name];
  }

  static get outbound() {
    return found(this, 'outbound');
  }
  static set outbound(handler) {
    record(this).outbound = handler;
  }
  static get outboundByHost() {
    return found(this, 'outboundByHost');
  }
  static set outboundByHost(hosts) {
    record(this).outboundByHost = hosts;
  }
  static get outboundHandlers() {
    return found(this, 'outboundHandlers');
  }
  static set outboundHandlers(handlers) {
    const r = record(this);
    r.outboundHandlers = { ...r.outboundHandlers, ...handlers };
  }
  static get outboundProxy() {
    return this.outbound;
  }
  static set outboundProxy(handler) {
    this.outbound = handler;
  }
  static get outboundProxies() {
    return this.outboundHandlers;
  }
  static set outboundProxies(handlers) {
    this.outboundHandlers = handlers;
  }

  // -- life -----------------------------------------------------------------------------------

  async start(startOptions = undefined, waitOptions = undefined) {
    void waitOptions; // a sandbox is there or fails: nothing is polled for
    await life(this).ensure(startOptions ?? {});
  }
  async startAndWaitForPorts(portsOrArgs = undefined, cancellation = undefined, startOptions = undefined) {
    if (typeof portsOrArgs === 'object' && portsOrArgs !== null && !Array.isArray(portsOrArgs)) {
      ({ ports: portsOrArgs, cancellationOptions: cancellation, startOptions } = portsOrArgs);
    }
    const { abort, portReadyTimeoutMS = PORT_READY_MS, waitInterval = POLL_MS } = cancellation ?? {};
    await life(this).ensure(startOptions ?? {});
    for (const portToCheck of portsOf(this, portsOrArgs)) {
      await this.waitForPort({
        portToCheck, signal: abort, waitInterval, retries: Math.ceil(portReadyTimeoutMS / waitInterval),
      });
    }
    life(this).healthy();
  }
  async waitForPort(waitOptions) {
    const mine = life(this);
    try {
      return await waitForPort(instanceOfObject(this), {
        ...waitOptions, portToCheck: waitOptions.portToCheck ?? ANY_PORT, ping: this.pingEndpoint,
      });
    } catch (e) {
      if (!waitOptions.signal?.aborted) await mine.tellError(e);
      throw e;
    }
  }
  // Resolves once it has ended.
  async stop(signal = 'SIGTERM') {
    await life(this).end('stop', { signal: signalNumber(signal) });
  }
  async destroy() {
    await life(this).end('destroy', {});
  }
  async getState() {
    return { ...life(this).status };
  }
  renewActivityTimeout() {
    life(this).renew();
  }
  onStart() {}
  onStop() {}
  onError(error) {
    globalThis.console.error('Container error:', error);
    throw error;
  }
  async onActivityExpired() {
    await this.stop();
  }

  // -- schedules ------------------------------------------------------------------------------

  schedule(when, callback, payload = undefined) {
    return schedule(this, when, callback, payload);
  }
  getSchedule(id) {
    return getSchedule(this, id);
  }
  listSchedules(callback) {
    return listSchedules(this, callback);
  }
  deleteSchedules(callback) {
    deleteSchedules(this, callback);
  }
  async alarm(alarmProps = undefined) {
    void alarmProps;
    await runDue(this);
  }
  // The next look at the schedules, in ms.
  async scheduleNextAlarm(ms = 1000) {
    await this.ctx.storage.setAlarm(Date.now() + ms);
  }

  // -- HTTP to it -----------------------------------------------------------------------------

  async containerFetch(input, portOrInit = undefined, portParam = undefined) {
    const { request, port } = fetchArgs(this, input, portOrInit, portParam);
    const mine = life(this);
    if (!mine.running || mine.status.status !== 'healthy') {
      try {
        await this.startAndWaitForPorts(port, {
          abort: request.signal, portReadyTimeoutMS: mine.timeouts.portReadyTimeoutMS,
          waitInterval: mine.timeouts.waitIntervalMS,
        });
      } catch (e) {
        return new Response(`Failed to start container: ${e.message}`, { status: 500 });
      }
    }
    return mine.use(async () => {
      try {
        return await portFetch(instanceOfObject(this), port, request);
      } catch (e) {
        if (request.signal.aborted) throw e;
        if (/connection was closed before a response/.test(e.message)) {
          return new Response('Container suddenly disconnected, try again', { status: 500 });
        }
        return new Response(`Error proxying request to container: ${e.message}`, { status: 500 });
      }
    });
  }
  async fetch(request) {
    let port = this.defaultPort;
    const wanted = request.headers.get(PORT_HEADER);
    if (wanted !== null) {
      port = parseInt(wanted, 10);
      if (Number.isNaN(port)) throw new Error('port value from switchPort is not a number');
    } else if (port === undefined) {
      throw new Error('No port configured for this container. Set the `defaultPort` in your Container subclass, ' +
        'or specify a port with `container.fetch(switchPort(request, port))`.');
    }
    return this.containerFetch(request, port);
  }
}
Object.defineProperty(Container.prototype, HAS_LISTS, { value: true });
for (const method of SETTERS) {
  Object.defineProperty(Container.prototype, method, {
    configurable: true, writable: true,
    value: { async [method](...args) {
      return policySet(this, method, args);
    } }[method],
  });
}
