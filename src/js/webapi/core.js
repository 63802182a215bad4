// The shim: what a handler finds as globals, and what C calls (`entries`, as enum js_entry).

import './symbols.js';
import { Blob, File, FormData } from './form.js';
import { bodyReady, streams, toBytes } from './body.js';
import { Navigator, Performance, globalEvents, performance, WebSocketRequestResponsePair } from './globals.js';
import { console } from './console.js';
import { Crypto, crypto, subtleParts } from './crypto.js';
import { TextDecoder, TextEncoder, atob, btoa } from './encoding.js';
import { kvDone, loadEnv, secretChanged } from './env.js';
import { AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget } from './events.js';
import { fetch, fetchDone, fetchFailed } from './fetch.js';
import { abort, abortAll, alarm, call, createInstance, dispatch, idle, rejected } from './handler.js';
import { Headers } from './headers.js';
import { describe, errorText } from './inspect.js';
import { classNamed, evaluateModule, listClasses, moduleLoaded } from './module.js';
import { alarmDone } from './alarms.js';
import { setGzip, setStreamLength, streamClosed, streamPull } from './outgoing.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { structuredClone } from './clone.js';
import { refusedClass } from './env.js';
import { current, enter, post, runJob } from './task.js';
import {
  clearTimeout, scheduler, setImmediate, setInterval, setTimeout, timerDue,
} from './timers.js';
import { URL, URLSearchParams } from './url.js';
import { warm } from './warm.js';
import { scheduled, serve } from './worker.js';
import { policyDone } from './policy.js';
import { containerDone } from './sandbox/calls.js';
import { containerEnded, containerStarted, processEnded } from './sandbox/life.js';
import { objectDone } from './namespace.js';
import { nodeModule } from './node.js';
import { instanceDestroy, instanceIdle } from './objects.js';

delete Atomics.wait; // it would block the loop for ever

function define(name, value) {
  Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
}

const globals = {
  AbortController, AbortSignal, Blob, Crypto, CustomEvent, DOMException, Event,
  EventTarget, File, FormData, Headers, Request, Response, TextDecoder, TextEncoder,
  URL, URLSearchParams, atob, btoa, clearImmediate: clearTimeout, clearInterval: clearTimeout, clearTimeout, console, crypto,
  fetch, scheduler, setImmediate, setInterval, setTimeout, structuredClone,
  Navigator, Performance, WebSocketRequestResponsePair,
  Cloudflare: Object.freeze({ compatibilityFlags: Object.freeze({ __proto__: null }) }),
  navigator: new Navigator(), performance, ...globalEvents,
  queueMicrotask(fn) {
    if (typeof fn !== 'function') throw new TypeError('queueMicrotask: not a function');
    Promise.resolve().then(() => fn());
  },
  reportError(e) {
    console.error(e);
  },
  global: globalThis,
  self: globalThis,
};
for (const name of Object.keys(globals)) define(name, globals[name]);
for (const name of ['EventSource', 'HTMLRewriter', 'WebSocket', 'WebSocketPair']) define(name, refusedClass(name));

// Evaluated on first use.
function lazily(load, names) {
  for (const name of names) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        define(name, load()[name]);
        return globalThis[name];
      },
      set(value) {
        define(name, value);
      },
    });
  }
}
// The streams are larger than all the rest.
lazily(streams, [
  'ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader',
  'ReadableStreamDefaultController', 'ReadableByteStreamController', 'ReadableStreamBYOBRequest',
  'WritableStream', 'WritableStreamDefaultWriter', 'WritableStreamDefaultController',
  'TransformStream', 'TransformStreamDefaultController', 'ByteLengthQueuingStrategy',
  'CountQueuingStrategy',
]);
lazily(subtleParts, ['CryptoKey', 'SubtleCrypto']);

let webModule = null;
function web() {
  webModule ??= native.lazy(2).create({
    DOMException, Event, EventTarget, Headers, Request, Response, TextDecoder, TextEncoder,
    current: () => current, enter, post, now: () => performance.now(), setStreamLength, streams, structuredClone,
    toBytes, warn: (text) => console.warn(text),
  });
  return webModule;
}
lazily(web, [
  'Cache', 'CacheStorage', 'CloseEvent', 'CompressionStream', 'DecompressionStream', 'ErrorEvent',
  'FixedLengthStream', 'IdentityTransformStream', 'MessageChannel', 'MessageEvent', 'MessagePort',
  'PerformanceEntry', 'PerformanceMark', 'PerformanceMeasure', 'TextDecoderStream',
  'TextEncoderStream', 'caches',
]);
setGzip((stream) => stream.pipeThrough(new (web().CompressionStream)('gzip')));
Performance.keptBy(() => web().timeline);
Object.defineProperty(Crypto.prototype, 'DigestStream', {
  configurable: true, get: () => web().digestStream(),
});
lazily(() => native.lazy(3), ['URLPattern']);
lazily(() => nodeModule('buffer'), ['Buffer']);
lazily(() => ({ process: nodeModule('process') }), ['process']);

const some = (object, names) => () => Object.fromEntries(names.map((n) => [n, object[n]]));
const facts = (...names) => (o) => some(o, names)();
describe((v) => v instanceof URL, (u) => ({ href: u.href }));
describe((v) => v instanceof Headers, (h) => Object.fromEntries(h));
describe((v) => v instanceof Request, facts('method', 'url', 'headers'));
describe((v) => v instanceof Response, facts('status', 'statusText', 'headers', 'ok', 'url'));
describe((v) => v instanceof URLSearchParams, (p) => Object.fromEntries(p));
describe((v) => v instanceof Blob, facts('size', 'type'));
describe((v) => v instanceof AbortSignal, facts('aborted'));

export const entries = [
  (json, name) => {
    try {
      loadEnv(json, name);
      return null;
    } catch (e) {
      return errorText(e);
    }
  },
  evaluateModule, moduleLoaded, listClasses, rejected, warm, dispatch, call, abort, abortAll, fetchDone,
  fetchFailed, kvDone, policyDone, secretChanged, timerDue, bodyReady, streamPull, streamClosed,
  createInstance, instanceDestroy,
  instanceIdle, idle, serve, scheduled, alarm, objectDone, runJob,
  containerDone, processEnded, containerStarted, containerEnded, alarmDone,
];
