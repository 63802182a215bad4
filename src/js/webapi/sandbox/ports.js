// HTTP to a server inside the sandbox, on loopback: no policy stands between, the request comes
// from outside.

import { AbortController } from '../events.js';
import { fetchFrom } from '../fetch.js';
import { Request } from '../request.js';
import { enter, owner } from '../task.js';
import { startTimerOf } from '../timers.js';
import { asInstance, delay } from './calls.js';
import { aborted } from './errors.js';
import { lifeOf } from './life.js';

const PROBE_MS = 5000; // that a probe waits for an answer
const SILENT_MS = 300; // a server that took the connection and says nothing for so long listens
const FIRST_WAIT_MS = 10; // between the first two probes; doubled up to the interval

export function portNumber(port) {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new TypeError(`Invalid port number: ${port}`);
  return port;
}

// Redirects are the client's to follow: they may name a host that is not the sandbox.
export async function portFetch(instance, port, input, init) {
  const caller = owner();
  const given = Request.is(input) ? input : new Request(input, init);
  const url = new URL(given.url);
  url.protocol = 'http:';
  const request = new Request(url, new Request(given, { redirect: 'manual' }));
  try {
    return await asInstance(instance, () => fetchFrom({ instance, port: portNumber(port) }, request));
  } finally {
    if (caller !== null && !caller.over) enter(caller);
  }
}

// One probe. http null: does it listen; else {path, range}: does it answer so. ping: host and path to ask for.
export async function portAnswers(instance, port, http, signal = undefined, ping = undefined) {
  const controller = new AbortController();
  let silent = false;
  const timer = startTimerOf(instance.task, () => {
    silent = true;
    controller.abort();
  }, http === null ? SILENT_MS : PROBE_MS, []);
  const stop = () => controller.abort();
  signal?.addEventListener('abort', stop);
  try {
    const response = await portFetch(instance, port, `http://${ping ?? `localhost:${port}${http?.path ?? '/'}`}`,
      { signal: controller.signal });
    response.body?.cancel().catch(() => {});
    return http === null || (response.status >= http.range.min && response.status <= http.range.max);
  } catch (e) {
    // Refused at once, or something listens that does not speak HTTP.
    return http === null && (silent || !/not listening|refused|lost|not running/i.test(e.message));
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', stop);
  }
}

// Waits until a server answers; -> how many probes it took, or the error of the last.
export async function waitForPort(instance, options) {
  const { portToCheck: port, signal, retries = 67, waitInterval = 300, ping = undefined } = options;
  if (ping !== undefined && !URL.canParse(`http://${ping}`)) {
    throw new TypeError(`pingEndpoint is not a host and path: ${ping}`);
  }
  const budget = retries * waitInterval;
  const begun = native.now();
  for (let tries = 1, wait = FIRST_WAIT_MS; ; tries++) {
    if (signal?.aborted) throw new Error('Container request aborted.', { cause: aborted() });
    if (await portAnswers(instance, portNumber(port), null, signal, ping)) return tries;
    if (!lifeOf(instance).running) {
      throw new Error('Container crashed while checking for ports, did you start the container and setup the entrypoint correctly?');
    }
    if (native.now() - begun >= budget) {
      throw new Error(`Failed to verify port ${port} is available after ${budget}ms: the container is not listening on it`);
    }
    await delay(instance, Math.min(wait, waitInterval));
    wait *= 2;
  }
}
