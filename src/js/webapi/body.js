// Bodies: native ones that only C holds until someone reads them, bytes, and streams. Request and
// Response extend Body.

import { Headers } from './headers.js';
import { enter, tasks } from './task.js';
import { URLSearchParams } from './url.js';
import { Blob, FormData, formParse, formWrite } from './form.js';

export const NONE = 0, REQUEST = 1, RESPONSE = 2, BYTES = 3, SOURCE = 4;

let streamsModule = null;
export function streams() {
  if (streamsModule === null) {
    streamsModule = native.lazy(0);
    if (streamsModule === null) throw new Error('streams are not available');
  }
  return streamsModule;
}

// stream -> the body state it was made from, so that a stream nobody has read goes back natively.
const stateOf = new WeakMap();
const readers = [];

export class NativeBody {
  constructor(kind, id, owner) {
    this.kind = kind;
    this.id = id; // of the task or the fetch
    this.owner = owner; // Task or Fetch: `closedForBodies` tells that its bytes are gone
    this.stream = null;
    this.touched = false;
    this.reader = 0;
    this.wake = null;
  }
  untouched() {
    return !this.touched && (this.stream === null || !this.stream.locked);
  }
  open() {
    this.touched = true;
    if (this.owner.closedForBodies) throw gone();
    this.reader = native.bodyOpen(this.kind, this.id);
    if (this.reader === 0) throw gone();
    readers[this.reader] = this;
    this.owner.reader = this;
  }
  // Uint8Array, null at the end, or a promise of either.
  read() {
    if (this.reader === 0) {
      if (this.touched) return null;
      this.open();
    }
    const chunk = native.bodyRead(this.reader);
    if (chunk === undefined) return new Promise((resolve, reject) => {
      this.wake = { resolve, reject };
    });
    if (chunk === null || chunk === false) {
      this.forget();
      if (chunk === false) throw new TypeError('Network connection lost.');
    }
    return chunk;
  }
  forget() {
    readers[this.reader] = undefined;
    this.reader = 0;
    this.owner.reader = null;
  }
  ready() {
    const wake = this.wake;
    this.wake = null;
    if (wake === null) return;
    try {
      wake.resolve(this.read());
    } catch (e) {
      wake.reject(e);
    }
  }
  cancel() {
    this.touched = true;
    if (this.reader === 0) return;
    native.bodyClose(this.reader);
    this.forget();
    const wake = this.wake;
    this.wake = null;
    if (wake !== null) wake.reject(gone());
  }
}

function gone() {
  return new TypeError('The body belongs to a request that is over, or was taken already.');
}

export function bodyReady(number) {
  const body = readers[number];
  if (body === undefined) return;
  enter(body.owner.task === undefined ? body.owner : body.owner.task);
  body.ready();
}

class BytesBody {
  constructor(data) {
    this.kind = BYTES;
    this.data = data; // string or Uint8Array that is ours
    this.stream = null;
    this.touched = false;
  }
  untouched() {
    return !this.touched && (this.stream === null || !this.stream.locked);
  }
  bytes() {
    return typeof this.data === 'string' ? native.utf8Encode(this.data) : this.data;
  }
  read() {
    if (this.touched) return null;
    this.touched = true;
    const bytes = this.bytes();
    return bytes.length === 0 ? null : bytes.slice();
  }
  cancel() {
    this.touched = true;
  }
}

class StreamBody {
  constructor(stream) {
    this.kind = SOURCE;
    this.stream = stream;
  }
  untouched() {
    return !this.stream.locked && !this.stream._disturbed;
  }
}

export function streamOf(state) {
  if (state.stream === null) {
    const { ReadableStream } = streams();
    state.stream = new ReadableStream({
      type: 'bytes',
      async pull(controller) {
        const chunk = await state.read();
        if (chunk === null) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else {
          controller.enqueue(chunk);
        }
      },
      cancel() {
        state.cancel();
      },
    }, { highWaterMark: 0 });
    stateOf.set(state.stream, state);
  }
  return state.stream;
}

export function toBytes(chunk) {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === 'string') return native.utf8Encode(chunk);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  throw new TypeError('A chunk of a body is neither bytes nor a string.');
}

// [state, content type or null] of what a constructor was given.
export function extractBody(init) {
  if (init === null || init === undefined) return [null, null];
  if (typeof init === 'string') return [new BytesBody(init), 'text/plain;charset=UTF-8'];
  if (init instanceof URLSearchParams) {
    return [new BytesBody(`${init}`), 'application/x-www-form-urlencoded;charset=UTF-8'];
  }
  if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) {
    return [new BytesBody(toBytes(init).slice()), null];
  }
  if (init instanceof Blob) return [new BytesBody(Blob.bytes(init)), init.type || null];
  if (init instanceof FormData) {
    const { bytes, type } = formWrite(init);
    return [new BytesBody(bytes), type];
  }
  if (typeof init === 'object') {
    const known = stateOf.get(init);
    if (known !== undefined) {
      if (!known.untouched()) throw used();
      return [known, null];
    }
    const { ReadableStream } = streams();
    if (init instanceof ReadableStream) {
      if (init.locked || init._disturbed) throw used();
      return [new StreamBody(init), null];
    }
    if (init[Symbol.asyncIterator] || (init[Symbol.iterator] && !(init instanceof String))) {
      return [new StreamBody(ReadableStream.from(init)), null];
    }
  }
  return [new BytesBody(`${init}`), 'text/plain;charset=UTF-8'];
}

export function used() {
  return new TypeError(
    'Body has already been used. It can only be used once. Use tee() first if you need to ' +
    'read it twice.');
}

async function readAll(state) {
  if (state.kind === BYTES && state.stream === null) {
    state.touched = true;
    return state.bytes();
  }
  let next;
  if (state.kind === SOURCE) {
    const reader = state.stream.getReader();
    next = async () => {
      const { done, value } = await reader.read();
      return done ? null : toBytes(value);
    };
  } else {
    if (state.stream !== null) state.stream.getReader(); // whoever holds it sees it locked
    next = () => state.read();
  }
  const chunks = [];
  let size = 0;
  for (;;) {
    let chunk = next();
    if (chunk instanceof Promise) chunk = await chunk;
    if (chunk === null) break;
    chunks.push(chunk);
    size += chunk.length;
  }
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

const UNLOADED = Symbol();

export class Body {
  #state = null; // UNLOADED: ask `lazy` for it
  #lazy = null;
  #used = false;

  static init(body, state) {
    body.#state = state;
  }
  // lazy() gives the state when someone needs it.
  static initLazy(body, owner) {
    body.#state = UNLOADED;
    body.#lazy = owner;
  }
  static #load(body) {
    if (body.#state === UNLOADED) body.#state = body.#lazy.bodyState();
    return body.#state;
  }
  static state(body) {
    return Body.#load(body);
  }
  // Moves the body of `from` into `to`: `from` is used from now on.
  static move(from, to) {
    if (from.#used && Body.#load(from) !== null) throw used();
    if (from.#state !== UNLOADED && from.#state !== null && !from.#state.untouched()) throw used();
    to.#state = from.#state;
    to.#lazy = from.#lazy;
    from.#used = true;
  }
  // For sending: the state, marked as used. undefined: the owner's own, never looked at.
  static take(body) {
    if (body.#state === UNLOADED && !body.#used) {
      body.#used = true;
      return undefined;
    }
    const state = Body.#load(body);
    if (state === null) return null;
    if (body.#used || !state.untouched()) throw used();
    body.#used = true;
    return state;
  }
  // Two states of the same bytes; `body` keeps the first.
  static tee(body) {
    const state = Body.#load(body);
    if (state === null) return null;
    if (body.#used || !state.untouched()) throw used();
    if (state.kind === BYTES && state.stream === null) {
      return new BytesBody(typeof state.data === 'string' ? state.data : state.data.slice());
    }
    const [a, b] = streamOf(state).tee();
    body.#state = new StreamBody(a);
    return new StreamBody(b);
  }

  get body() {
    const state = Body.#load(this);
    return state === null ? null : streamOf(state);
  }
  get bodyUsed() {
    const state = Body.#load(this);
    if (state === null) return false;
    return this.#used || (state.kind === SOURCE ? state.stream._disturbed === true : state.touched);
  }
  async #consume() {
    const state = Body.#load(this);
    if (state === null) return new Uint8Array(0);
    if (this.#used || !state.untouched()) throw used();
    this.#used = true;
    return readAll(state);
  }
  async text() {
    return decodeText(await this.#consume());
  }
  async json() {
    return JSON.parse(decodeText(await this.#consume()));
  }
  async bytes() {
    return (await this.#consume()).slice();
  }
  async arrayBuffer() {
    const bytes = await this.#consume();
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }
  async blob() {
    return new Blob([await this.#consume()], { type: this.headers.get('content-type') ?? '' });
  }
  async formData() {
    const type = this.headers.get('content-type') ?? '';
    return formParse(await this.#consume(), type);
  }
}

export function decodeText(bytes) {
  const text = native.utf8Decode(bytes, false, false);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

// Streams on their way out: number -> {reader, task, isResult, finish}.
const outgoing = [];

export function sendStream(state, task, finish) {
  const number = native.streamOpen(-1);
  if (number === 0) throw new Error('too many streams');
  outgoing[number] = { reader: state.stream.getReader(), task, ended: false, finish };
  return number;
}

export async function streamPull(number) {
  const s = outgoing[number];
  if (s === undefined) return;
  enter(s.task);
  try {
    for (;;) {
      const { done, value } = await s.reader.read();
      if (done) {
        s.ended = true;
        native.streamEnd(number);
        return;
      }
      const bytes = toBytes(value);
      if (bytes.length === 0) continue;
      if (!native.streamPush(number, bytes)) s.reader.cancel().catch(() => {});
      return;
    }
  } catch (e) {
    s.ended = true;
    native.streamFail(number);
  }
}

// The host has done with it, at its end or before.
export function streamClosed(number) {
  const s = outgoing[number];
  if (s === undefined) return;
  outgoing[number] = undefined;
  enter(s.task);
  if (!s.ended) s.reader.cancel(new Error('the reader went away')).catch(() => {});
  if (s.finish !== null) s.finish(s.task);
}
