// Bodies: native ones that only C holds until someone reads them, bytes, and streams. Request and
// Response keep theirs in a BodySlot.

import { enter, loading, otherRequest, refuseLoading } from './task.js';
import { URLSearchParams } from './url.js';
import { Blob, FormData, formParse, formWrite } from './form.js';
import { viewOf } from './views.js';

export const NONE = 0, REQUEST = 1, RESPONSE = 2, BYTES = 3, SOURCE = 4;

const WHOLE_MAX = 128 * 1024 * 1024; // bytes of a body that is read as a whole

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
    this.lost = null; // why what is left of it will not come
  }
  untouched() {
    return !this.touched && (this.stream === null || !this.stream.locked);
  }
  open() {
    this.touched = true;
    if (this.owner.closedForBodies) throw gone();
    this.reader = native.bodyOpen(this.kind, this.id, this.owner.coding());
    if (this.reader === 0) throw gone();
    readers[this.reader] = this;
    this.owner.reader = this;
  }
  // Uint8Array, null at the end, or a promise of either.
  read() {
    if (this.reader === 0) {
      if (this.lost !== null) throw this.lost;
      if (this.touched) return null;
      this.open();
    }
    const chunk = native.bodyRead(this.reader);
    if (chunk === undefined) return new Promise((resolve, reject) => {
      this.wake = { resolve, reject };
    });
    if (chunk === null || chunk === false) {
      this.forget();
      if (chunk === false) throw new Error('Network connection lost.');
    }
    return chunk;
  }
  forget() {
    readers[this.reader] = undefined;
    this.reader = 0;
    this.owner.reader = null;
    this.owner.bodyEnded?.();
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
  // reason: what whoever reads on gets; null: it is they who want no more.
  cancel(reason = null) {
    this.touched = true;
    this.lost = reason;
    if (this.reader === 0) {
      this.owner.bodyEnded?.(); // nobody will read it
      return;
    }
    native.bodyClose(this.reader);
    this.forget();
    const wake = this.wake;
    this.wake = null;
    if (wake !== null) wake.reject(reason ?? gone());
  }
}

export function gone() {
  return otherRequest('the body belongs to a request that is over, or was taken already');
}

export function bodyReady(number) {
  const body = readers[number];
  if (body === undefined) return;
  enter(body.owner.waiting ?? body.owner.task ?? body.owner);
  body.ready();
}

// A body over a reader that the host has given already. owner has `reader` and `task`, and may
// have `waiting`: the task in whose turn the next chunk is taken.
export function adoptReader(number, owner) {
  const body = new NativeBody(SOURCE, 0, owner);
  body.touched = true;
  body.reader = number;
  readers[number] = body;
  owner.reader = body;
  return body;
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
  if (chunk instanceof Uint8Array && chunk.length !== 0) return chunk;
  if (typeof chunk === 'string') return native.utf8Encode(chunk);
  const bytes = viewOf(chunk);
  if (bytes === undefined) throw new TypeError('A chunk of a body is neither bytes nor a string.');
  return bytes;
}

// The content type that the last extractBody gave its body, or null.
export let extractedType = null;

function typed(type, state) {
  extractedType = type;
  return state;
}

// The state of what a constructor was given.
export function extractBody(init) {
  if (init === null || init === undefined) return typed(null, null);
  // A module may ask at its load whether a body may be a stream; libraries do.
  if (loading && !(typeof init === 'object' && init instanceof streams().ReadableStream)) refuseLoading();
  if (typeof init === 'string') return typed('text/plain;charset=UTF-8', new BytesBody(init));
  if (init instanceof URLSearchParams) {
    return typed('application/x-www-form-urlencoded;charset=UTF-8', new BytesBody(`${init}`));
  }
  if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) {
    return typed(null, new BytesBody(toBytes(init).slice()));
  }
  if (init instanceof Blob) return typed(init.type || null, new BytesBody(Blob.bytes(init)));
  if (init instanceof FormData) {
    const { bytes, type } = formWrite(init);
    return typed(type, new BytesBody(bytes));
  }
  if (typeof init === 'object') {
    const known = stateOf.get(init);
    if (known !== undefined) {
      if (!known.untouched()) throw used();
      return typed(null, known);
    }
    const { ReadableStream } = streams();
    if (init instanceof ReadableStream) {
      if (init.locked || init._disturbed) throw used();
      return typed(null, new StreamBody(init));
    }
    if (init[Symbol.asyncIterator] || (init[Symbol.iterator] && !(init instanceof String))) {
      return typed(null, new StreamBody(ReadableStream.from(init)));
    }
  }
  return typed('text/plain;charset=UTF-8', new BytesBody(`${init}`));
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
  let give = state; // has cancel()
  if (state.kind === SOURCE) {
    const reader = state.stream.getReader();
    give = reader;
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
    if (size > WHOLE_MAX) { // the sender's choice, and decoding may have made much of little
      give.cancel()?.catch(() => {});
      throw new TypeError('Memory limit exceeded before EOF.');
    }
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

// Where a Request or Response keeps its body. A class of its own, not their common parent: a
// parent's constructor that makes two kinds of objects costs the engine a microsecond.
export class BodySlot {
  state = null; // UNLOADED: ask `lazy` for it
  lazy = null;
  used = false;

  // lazy.bodyState() gives the state when someone needs it.
  setLazy(lazy) {
    this.state = UNLOADED;
    this.lazy = lazy;
  }
  load() {
    if (this.state === UNLOADED) this.state = this.lazy.bodyState();
    return this.state;
  }
  // Takes the body of `from`, which is used from now on.
  moveFrom(from) {
    if (from.used && from.load() !== null) throw used();
    if (from.state !== UNLOADED && from.state !== null && !from.state.untouched()) throw used();
    this.state = from.state;
    this.lazy = from.lazy;
    from.used = true;
  }
  // For sending: the state, marked as used. undefined: the owner's own, never looked at.
  take() {
    if (this.state === UNLOADED && !this.used) {
      this.used = true;
      return undefined;
    }
    const state = this.load();
    if (state === null) return null;
    if (this.used || !state.untouched()) throw used();
    this.used = true;
    return state;
  }
  // Another state of the same bytes; this slot keeps one too.
  tee() {
    const state = this.load();
    if (state === null) return null;
    if (this.used || !state.untouched()) throw used();
    if (state.kind === BYTES && state.stream === null) {
      return new BytesBody(typeof state.data === 'string' ? state.data : state.data.slice());
    }
    const [a, b] = streamOf(state).tee();
    this.state = new StreamBody(a);
    return new StreamBody(b);
  }
  async consume() {
    const state = this.load();
    if (state === null) return new Uint8Array(0);
    if (state.owner?.closedForBodies === true && !this.used) throw gone();
    if (this.used || !state.untouched()) throw used();
    this.used = true;
    return readAll(state);
  }
}

// Gives a class the body methods; slotOf reads its private slot, and throws for any other object.
export function mixinBody(cls, slotOf) {
  const methods = {
    get body() {
      const state = slotOf(this).load();
      return state === null ? null : streamOf(state);
    },
    get bodyUsed() {
      const slot = slotOf(this);
      const state = slot.load();
      if (state === null) return false;
      return slot.used || (state.kind === SOURCE ? state.stream._disturbed === true : state.touched);
    },
    async text() {
      return decodeText(await slotOf(this).consume());
    },
    async json() {
      return JSON.parse(decodeText(await slotOf(this).consume()));
    },
    async bytes() {
      return (await slotOf(this).consume()).slice();
    },
    async arrayBuffer() {
      const bytes = await slotOf(this).consume();
      return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    },
    async blob() {
      const type = this.headers.get('content-type') ?? '';
      return new Blob([await slotOf(this).consume()], { type });
    },
    async formData() {
      const type = this.headers.get('content-type') ?? '';
      return formParse(await slotOf(this).consume(), type);
    },
  };
  for (const name of Object.keys(methods)) {
    const d = Object.getOwnPropertyDescriptor(methods, name);
    Object.defineProperty(cls.prototype, name, { ...d, enumerable: false });
  }
}

export function decodeText(bytes) {
  const text = native.utf8Decode(bytes, false, false);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
