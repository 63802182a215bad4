// Streams on their way out to the host, which pulls a chunk at a time.

import { toBytes } from './body.js';
import { enter } from './task.js';

const lengths = new WeakMap(); // stream -> bytes in all, where that is known

export function setStreamLength(stream, length) {
  lengths.set(stream, length);
}

// Set by core.js, which knows the compressor: a stream -> the same, compressed.
export let gzip = null;

export function setGzip(fn) {
  gzip = fn;
}

// number -> {reader, task, ended, finish}; finish is called when the host has closed it
const outgoing = [];

export function sendStream(stream, task, finish) {
  const number = native.streamOpen(lengths.get(stream) ?? -1);
  if (number === 0) throw new Error('too many streams');
  outgoing[number] = { reader: stream.getReader(), task, ended: false, finish };
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
      if (!native.streamPush(number, bytes)) { // it is closed, or the chunk has no place in memory
        s.ended = true;
        native.streamFail(number);
        s.reader.cancel().catch(() => {});
      }
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
