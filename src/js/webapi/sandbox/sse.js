// Server-sent events: the form in which the SDK streams. Writers pull, so a slow reader holds the
// process that writes; readers are the SDK's helpers.

import { streams } from '../body.js';
import { TextDecoder } from '../encoding.js';
import { enter, owner } from '../task.js';
import { aborted } from './errors.js';

const EVENT_MAX = 16 * 1024 * 1024; // characters of one event that a reader takes

function frame(event) {
  return native.utf8Encode(`data: ${JSON.stringify(event)}\n\n`);
}

// One event a pull. hooks: failed(error) -> the last event, cancel().
export function eventStream(instance, events, hooks) {
  const { ReadableStream } = streams();
  let over = false;
  return new ReadableStream({
    async pull(controller) {
      const caller = owner();
      try {
        const { done, value } = await events.next();
        if (!over && done) controller.close();
        else if (!over) controller.enqueue(frame(value));
        over = over || done;
      } catch (e) {
        if (over) return;
        over = true;
        controller.enqueue(frame(hooks.failed(e)));
        controller.close();
      } finally {
        if (caller !== null && !caller.over) enter(caller);
        else if (instance.task) enter(instance.task);
      }
    },
    cancel() {
      over = true;
      hooks.cancel();
    },
  }, { highWaterMark: 0 });
}

// The data of each event of a stream, as text.
async function* dataOf(stream, signal) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const stop = () => reader.cancel().catch(() => {});
  signal?.addEventListener('abort', stop);
  let buffer = '';
  let lines = [];
  try {
    for (;;) {
      if (signal?.aborted) throw aborted();
      const { done, value } = await reader.read();
      if (signal?.aborted) throw aborted();
      buffer += done ? `${decoder.decode()}\n\n` : decoder.decode(value, { stream: true });
      let at = 0;
      for (let end = buffer.indexOf('\n', at); end >= 0; end = buffer.indexOf('\n', at)) {
        const line = buffer.slice(at, buffer[end - 1] === '\r' && end > at ? end - 1 : end);
        at = end + 1;
        if (line === '') {
          if (lines.length !== 0) yield lines.join('\n');
          lines = [];
        } else if (line.startsWith('data:')) {
          lines.push(line.slice(line[5] === ' ' ? 6 : 5));
        }
      }
      buffer = buffer.slice(at);
      if (buffer.length > EVENT_MAX) throw new Error(`An event is longer than ${EVENT_MAX} characters.`);
      if (done) return;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

export async function* parseSSEStream(stream, signal = undefined) {
  for await (const data of dataOf(stream, signal)) {
    if (data === '[DONE]' || data.trim() === '') continue;
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      continue; // not one of ours
    }
    yield event;
  }
}

export async function* responseToAsyncIterable(response, signal = undefined) {
  if (!response.ok) throw new Error(`Response not ok: ${response.status} ${response.statusText}`);
  if (response.body === null) throw new Error('No response body');
  yield* parseSSEStream(response.body, signal);
}

export function asyncIterableToSSEStream(events, options = {}) {
  const { ReadableStream } = streams();
  const iterator = events[Symbol.asyncIterator]();
  const serialize = options.serialize ?? JSON.stringify;
  return new ReadableStream({
    async pull(controller) {
      if (options.signal?.aborted) throw aborted();
      const { done, value } = await iterator.next();
      controller.enqueue(native.utf8Encode(`data: ${done ? '[DONE]' : serialize(value)}\n\n`));
      if (done) controller.close();
    },
    async cancel() {
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}

// The chunks of readFileStream(): strings, or bytes for a binary file. Returns the metadata.
export async function* streamFile(stream) {
  let metadata = null;
  for await (const event of parseSSEStream(stream)) {
    if (event.type === 'metadata') {
      const { mimeType, size, isBinary, encoding } = event;
      metadata = { mimeType, size, isBinary, encoding };
    } else if (event.type === 'chunk') {
      if (metadata === null) throw new Error('Received chunk before metadata');
      yield metadata.encoding === 'base64' ? bytesOf(event.data) : event.data;
    } else if (event.type === 'complete') {
      if (metadata === null) throw new Error('Stream completed without metadata');
      return metadata;
    } else if (event.type === 'error') {
      throw new Error(`File streaming error: ${event.error}`);
    }
  }
  throw new Error('Stream ended unexpectedly');
}

export function bytesOf(base64) {
  const text = globalThis.atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export async function collectFile(stream) {
  const chunks = [];
  const file = streamFile(stream);
  let next = await file.next();
  while (!next.done) {
    chunks.push(next.value);
    next = await file.next();
  }
  const metadata = next.value;
  if (metadata.encoding !== 'base64') return { content: chunks.join(''), metadata };
  const content = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    content.set(chunk, at);
    at += chunk.length;
  }
  return { content, metadata };
}
