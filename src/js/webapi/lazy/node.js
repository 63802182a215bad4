// The modules of Node's that handlers and their packages import: what is ours here, the rest from
// npm (nodelibs.js). create(core) gives (name) -> module, or undefined for no module of Node's.

import { ABSENT, absent, absentModule } from './node/absent.js';
import { asyncHooks } from './node/hooks.js';
import { channels } from './node/channels.js';
import { buffer, events, http, querystring, url, util } from './node/gaps.js';
import { compress } from './node/zlib.js';
import { crypto } from './node/crypto.js';
import { processObject } from './node/process.js';
import { consoleModule, moduleModule, net, os, perfHooks, timers, tty, types } from './node/small.js';

const STREAMS = [
  'ByteLengthQueuingStrategy', 'CompressionStream', 'CountQueuingStrategy', 'DecompressionStream',
  'ReadableByteStreamController', 'ReadableStream', 'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest',
  'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'TextDecoderStream', 'TextEncoderStream',
  'TransformStream', 'TransformStreamDefaultController', 'WritableStream', 'WritableStreamDefaultController',
  'WritableStreamDefaultWriter',
];

export function create(core) {
  let libraries = null;
  const library = (name) => (libraries ??= core.libraries()).load(name);
  const node = { ...core, library, Buffer: () => library('buffer').Buffer };
  const makers = {
    buffer: () => buffer(node),
    events: () => events(node),
    fs: () => Object.assign(absent('fs', core.warn), { existsSync: () => false }),
    http: () => http(absent('http', core.warn)),
    https: () => http(absent('https', core.warn)),
    querystring: () => querystring(node),
    url: () => url(node),
    util: () => util(node, find('util/types')),
    async_hooks: () => asyncHooks(node),
    console: () => consoleModule(node),
    crypto: () => crypto(node),
    diagnostics_channel: () => channels(),
    module: () => moduleModule(node, [...Object.keys(makers), ...ABSENT]),
    net: () => net(),
    os: () => os(),
    perf_hooks: () => perfHooks(),
    process: () => processObject(node, find),
    timers: () => timers(node),
    tty: () => tty(),
    zlib: () => compress(node),
    'assert/strict': () => library('assert').strict,
    'path/posix': () => library('path').posix,
    'path/win32': () => library('path').win32 ?? absent('path/win32', core.warn),
    'stream/promises': () => library('stream').promises,
    'stream/web': () => Object.fromEntries(STREAMS.map((name) => [name, globalThis[name]])),
    'timers/promises': () => timers(node).promises,
    'util/types': () => types(node, find),
    sys: () => find('util'),
  };
  for (const name of ['assert', 'path', 'punycode', 'stream', 'string_decoder']) {
    makers[name] = () => library(name);
  }
  const of = (name) => (name.startsWith('@') ? absentModule(name, core.warn) : absent(name, core.warn));
  const made = new Map();
  function find(name) {
    if (!made.has(name)) {
      const value = Object.hasOwn(makers, name) ? makers[name]() : of(name);
      if (value === undefined) return undefined;
      made.set(name, value);
    }
    return made.get(name);
  }
  return find;
}
