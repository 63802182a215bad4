// Two ends of bytes: what is written at one is read at the other, changed by steps.

import { viewOf } from '../../views.js';

const QUEUE_MAX = 64 * 1024; // bytes that may wait to be read before a write has to

// Bytes of a chunk, as workerd takes them: a string is its UTF-8.
export function bufferSource(chunk, what) {
  if (typeof chunk === 'string') return native.utf8Encode(chunk);
  const bytes = viewOf(chunk);
  if (bytes !== undefined) return bytes;
  throw new TypeError(`${what}: a chunk is neither an ArrayBuffer, a view of one nor a string.`);
}

// step.chunk(chunk) and step.end() give iterators of Uint8Arrays that are the reader's from then on;
// they are asked for the next only while there is room. step.stop() is called once, at an end of any
// kind.
export function bytePair({ ReadableStream, WritableStream }, step) {
  let out, into, wake = null, over = false;
  const stop = () => {
    if (over) return;
    over = true;
    step.stop?.();
    wake?.();
  };
  const failed = (e) => {
    stop();
    out.error(e);
    into.error(e);
    return e;
  };
  async function send(pieces) {
    for (const bytes of pieces) {
      if (bytes.length !== 0) out.enqueue(bytes);
      while (!over && out.desiredSize <= 0) {
        await new Promise((resolve) => {
          wake = resolve;
        });
        wake = null;
      }
      if (over) return;
    }
  }
  const guarded = async (run) => {
    try {
      await run();
    } catch (e) {
      throw failed(e);
    }
  };
  const readable = new ReadableStream({
    type: 'bytes',
    start(controller) {
      out = controller;
    },
    pull() {
      wake?.();
    },
    cancel(reason) {
      stop();
      into.error(reason);
    },
  }, { highWaterMark: QUEUE_MAX });
  const writable = new WritableStream({
    start(controller) {
      into = controller;
    },
    write: (chunk) => guarded(() => send(step.chunk(chunk))),
    close: () => guarded(async () => {
      await send(step.end());
      if (over) return;
      stop();
      out.close();
      out.byobRequest?.respond(0);
    }),
    abort(reason) {
      stop();
      out.error(reason);
    },
  });
  return { readable, writable };
}

// A class of such pairs: init(...arguments) gives their steps.
export function pairClass(name, streams, init) {
  const cls = {
    [name]: class {
      #pair;
      constructor(...args) {
        this.#pair = bytePair(streams(), init(...args));
      }
      get readable() {
        return this.#pair.readable;
      }
      get writable() {
        return this.#pair.writable;
      }
      get [Symbol.toStringTag]() {
        return name;
      }
    },
  }[name];
  return cls;
}
