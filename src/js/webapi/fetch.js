// fetch: hands the host an id and what changed. Flags as in exchange.c.

import { BYTES, NONE, NativeBody, REQUEST, RESPONSE, SOURCE, gone, streamOf } from './body.js';
import { Headers } from './headers.js';
import { gzip, sendStream } from './outgoing.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { OBJECT, addWork, enter, nextSequence, noTask, otherRequest, owner } from './task.js';

const FETCHES_MAX = 65535;
const FLAG_REPLACE = 4, BODY_SHIFT = 3;
const PENDING = 0, OPEN = 1, CLOSED = 2;

const CONTENT_ENCODING = /content-encoding/i;
const CODINGS = { __proto__: null, gzip: 1, 'x-gzip': 1, deflate: 2, br: 3 };

const fetches = [null];
const freeIds = [];
export let newestFetch = 0; // its id

class Fetch {
  constructor(id) {
    this.id = id;
    this.seq = nextSequence();
    this.task = null;
    this.state = PENDING;
    this.resolve = null;
    this.reject = null;
    this.reader = null; // NativeBody that is being read
    this.body = undefined;
    this.unlisten = null;
    this.kept = null; // [header text, url] of one that has ended
  }
  get isResponse() {
    return true;
  }
  get closed() {
    return this.state === CLOSED;
  }
  get closedForBodies() {
    return this.state !== OPEN;
  }
  headerText() {
    if (this.kept !== null) return this.kept[0];
    if (this.state !== OPEN) throw otherRequest('the response belongs to work that is over');
    return native.responseHeaders(this.id);
  }
  responseUrl() {
    if (this.kept !== null) return this.kept[1];
    if (this.state !== OPEN) throw otherRequest('the response belongs to work that is over');
    return native.responseUrl(this.id);
  }
  // Content-Encoding as it came from upstream, in lower case.
  encoding() {
    const found = /(?:^|\n)content-encoding\n([^\n]*)/i.exec(this.headerText());
    return found === null ? '' : found[1].trim().toLowerCase();
  }
  // A body that JavaScript reads is decoded (enum js_coding).
  coding() {
    return CODINGS[this.encoding()] ?? 0;
  }
  bodyState() {
    if (this.body === undefined) this.body = new NativeBody(RESPONSE, this.id, this);
    return this.body;
  }
  // The host has it, or it failed: the id is free.
  release() {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    fetches[this.id] = undefined;
    freeIds.push(this.id);
    if (this.unlisten !== null) this.unlisten();
  }
  // What is left of its body does not come.
  cancel(reason = gone()) {
    if (this.state === CLOSED) return;
    if (this.reader !== null) this.reader.cancel(reason);
    else if (this.body && !this.body.touched) this.body.lost = reason;
    if (this.state === CLOSED) return;
    native.fetchClose(this.id);
    this.release();
  }
  // Its body is at its end. An object's task has none, so it must not hold the fetch on.
  bodyEnded() {
    if (this.state !== OPEN || this.task.kind !== OBJECT) return;
    this.kept = [native.responseHeaders(this.id), native.responseUrl(this.id)];
    native.fetchClose(this.id);
    this.release();
  }
  abort(reason) {
    const reject = this.reject;
    this.reject = null;
    this.cancel(reason);
    if (reject !== null) reject(reason);
  }
}

// A body on its way to the host: [kind, value]. A fetch whose body is given is released by the
// caller once the host has it (`given`).
// A native body leaves as it came only under the Content-Encoding it came with: else it goes
// through JavaScript, decoded. compress: what JavaScript has of a body is compressed, if its
// headers say gzip; `lie` is another coding that they say and it does not have.
export function packBody(slot, task, headers, finish, compress = false) {
  const state = slot.take();
  if (state === null) return NO_BODY;
  if (state === undefined) return null; // the owner's own, untouched
  if (state.kind === BYTES) {
    const coding = compress ? encodingOf(headers) : '';
    return coding === 'gzip' ? packGzip(streamOf(state), task, finish)
      : { kind: BYTES, value: state.data, given: null, lie: coding in CODINGS };
  }
  if (state.kind === RESPONSE && !state.owner.closedForBodies &&
      Headers.mayDiffer(headers, state.owner, CONTENT_ENCODING) && state.owner.coding() !== 0 &&
      state.owner.encoding() !== encodingOf(headers)) {
    return packStream(streamOf(state), task, headers, finish, compress);
  }
  if (state.kind === SOURCE) return packStream(state.stream, task, headers, finish, compress);
  if (state.stream !== null) state.stream.getReader(); // whoever holds it sees it locked
  if (state.owner.closedForBodies) {
    throw otherRequest('the body belongs to work that is over');
  }
  state.touched = true;
  return { kind: state.kind, value: state.id, given: state.kind === RESPONSE ? state.owner : null, lie: false };
}

function encodingOf(headers) {
  const value = headers.get('content-encoding');
  return value === null ? '' : value.trim().toLowerCase();
}

function packStream(stream, task, headers, finish, compress) {
  const coding = compress ? encodingOf(headers) : '';
  return coding === 'gzip' ? packGzip(stream, task, finish)
    : { kind: SOURCE, value: sendStream(stream, task, finish), given: null, lie: coding in CODINGS };
}

function packGzip(stream, task, finish) {
  return { kind: SOURCE, value: sendStream(gzip(stream), task, finish), given: null, lie: false };
}

export const NO_BODY = { kind: NONE, value: null, given: null, lie: false };

// target: null for the world, or {instance, port}: a server inside that instance's sandbox.
function start(request, task, target) {
  if (target !== null) target.instance.alive();
  const url = Request.ownUrl(request);
  const id = freeIds.length !== 0 ? freeIds.pop() : fetches.length;
  if (id > FETCHES_MAX) throw new Error('Too many fetches at once.');
  const f = new Fetch(id);
  fetches[id] = f;
  const facts = Request.facts(request);
  const headers = Request.headers(request);
  const base = facts !== null && !facts.task.over ? facts : null;
  if (base === null && facts !== null) {
    f.release();
    throw otherRequest('the request is over and can no longer be sent');
  }
  const replace = base === null || !Headers.isBase(headers, base);
  let body;
  let log;
  try {
    log = Headers.log(headers, base);
    body = packBody(Request.slot(request), task, headers, null);
  } catch (e) {
    f.release();
    throw e;
  }
  if (body === null) body = { kind: REQUEST, value: base.task.id, given: null };
  const flags = Request.redirectMode(request) | (replace ? FLAG_REPLACE : 0) |
    (body.kind << BODY_SHIFT);
  const started = native.fetch(
    id, task.id, base === null ? 0 : base.task.id, flags, log === '' ? null : log,
    Request.ownMethod(request), url, body.value,
    target === null ? null : target.instance.number, target === null ? 0 : target.port);
  if (body.given !== null) body.given.release();
  if (!started) {
    f.release();
    throw new TypeError('The fetch could not be started.');
  }
  addWork(task, f);
  newestFetch = id;
  return f;
}

export function fetch(input, init = undefined) {
  return fetchFrom(null, input, init);
}

export function fetchFrom(target, input, init) {
  try {
    let request = input;
    if (init !== undefined || !Request.is(input)) request = new Request(input, init);
    const facts = Request.facts(request);
    const task = facts !== null && !facts.task.over ? facts.task : owner();
    if (task === null) throw noTask('fetch()');
    const signal = Request.signal(request);
    if (signal !== null && signal.aborted) return Promise.reject(signal.reason);
    const f = start(request, task, target);
    if (signal !== null) {
      const listener = () => f.abort(signal.reason);
      signal.addEventListener('abort', listener, { once: true });
      f.unlisten = () => signal.removeEventListener('abort', listener);
    }
    return new Promise((resolve, reject) => {
      f.resolve = resolve;
      f.reject = reject;
    });
  } catch (e) {
    return Promise.reject(e);
  }
}

export function fetchDone(id, status, flags) {
  const f = fetches[id];
  if (f === undefined || f === null || f.state !== PENDING) return;
  f.state = OPEN;
  enter(f.task);
  const resolve = f.resolve;
  f.resolve = null;
  f.reject = null;
  const response = Response.fetched(f, status, flags);
  if (f.task.kind === OBJECT) {
    if ((flags & 1) === 0) f.bodyEnded();
    else dropped.register(response, f, f);
  }
  resolve(response);
}

// A response of an object's that nobody has read and nobody holds.
const dropped = new FinalizationRegistry((f) => {
  if (f.state === OPEN && (f.body === undefined || f.body === null || (f.body.stream === null && !f.body.touched))) f.cancel();
});

export function fetchFailed(id, message) {
  const f = fetches[id];
  if (f === undefined || f === null) return;
  enter(f.task);
  const reject = f.reject;
  if (f.reader !== null) f.reader.cancel(new TypeError(message));
  f.release();
  if (reject !== null) reject(new TypeError(message));
}
