// env: vars, secrets, KV namespaces, Durable Object bindings. A binding wins over a secret, a
// secret over a var. A secret is read through a getter, so a rotation is seen at once.

import { streams, toBytes, decodeText } from './body.js';
import { refusing, serviceBinding } from './entrypoints.js';
import { DurableObjectNamespace } from './namespace.js';
import { enter, noTask, owner } from './task.js';

const GET = 0, PUT = 1, DELETE = 2, LIST = 3;
const KEY_MAX = 512;
const VALUE_MAX = 25 * 1024 * 1024;

export const env = {};
const vars = new Map();
const secrets = new Map(); // name -> value as last read, or undefined
const bindings = new Set();

function defineSecret(name) {
  Object.defineProperty(env, name, {
    configurable: true,
    enumerable: true,
    get() {
      let value = secrets.get(name);
      if (value === undefined) secrets.set(name, (value = native.secret(name)));
      return value;
    },
  });
}

function defineValue(name, value) {
  Object.defineProperty(env, name, { configurable: true, enumerable: true, writable: true, value });
}

export function secretChanged(name, present) {
  if (present) {
    secrets.set(name, undefined);
    if (!bindings.has(name)) defineSecret(name);
    return;
  }
  secrets.delete(name);
  if (bindings.has(name)) return;
  delete env[name];
  if (vars.has(name)) defineValue(name, vars.get(name));
}

// calls on their way: number -> {resolve, reject, task}
const pending = [null];
const free = [];

// The number of a new one, which is answered by resolve or reject; task may be null.
export function callOpen(task, resolve, reject) {
  const call = free.length !== 0 ? free.pop() : pending.length;
  pending[call] = { resolve, reject, task };
  if (task !== null) task.calls++;
  return call;
}

export function callBegin(task, start) {
  return new Promise((resolve, reject) => {
    const call = callOpen(task, resolve, reject);
    if (!start(call)) {
      callTake(call);
      reject(new Error('The arguments do not fit into memory.'));
    }
  });
}

export function callTake(call) {
  const p = pending[call];
  if (!p) return null;
  pending[call] = undefined;
  free.push(call);
  if (p.task !== null) p.task.calls--;
  enter(p.task);
  return p;
}

export function kvDone(call, ok, found, value, metadata) {
  const p = callTake(call);
  if (p === null) return;
  if (!ok) p.reject(new Error(value));
  else p.resolve({ found, value, metadata });
}

function keyOf(key) {
  key = `${key}`;
  if (key === '') throw new TypeError('Key name cannot be empty.');
  if (key === '.' || key === '..') throw new TypeError(`"${key}" is not allowed as key name.`);
  if (native.utf8Encode(key).length > KEY_MAX) {
    throw new Error(`KV key is longer than ${KEY_MAX} bytes.`);
  }
  return key;
}

function convert(result, type) {
  if (!result.found) return null;
  if (type === 'text') return native.utf8Decode(result.value, false, false);
  if (type === 'json') return JSON.parse(decodeText(result.value));
  if (type === 'arrayBuffer') return result.value.buffer;
  if (type === 'stream') return streams().ReadableStream.from([result.value]);
  throw new TypeError(`Unknown response type "${type}": text, json, arrayBuffer or stream.`);
}

function typeOf(options) {
  return typeof options === 'string' ? options : options?.type ?? 'text';
}

async function valueBytes(value) {
  if (typeof value === 'string') return value;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return toBytes(value).slice();
  if (value !== null && typeof value === 'object' && typeof value.getReader === 'function') {
    return new Uint8Array(await new globalThis.Response(value).arrayBuffer());
  }
  throw new TypeError('KV put() accepts strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams.');
}

function putOptions(options) {
  const out = {};
  for (const name of ['expirationTtl', 'expiration']) {
    if (options?.[name] === undefined) continue;
    const n = Number(options[name]);
    if (!Number.isInteger(n) || n <= 0) throw new TypeError(`KV put(): ${name} is not a positive number of seconds.`);
    if (name === 'expirationTtl' && n < 60) throw new TypeError('KV put(): expirationTtl is less than 60 seconds.');
    out[name] = n;
  }
  if (options?.metadata !== undefined) out.metadata = options.metadata;
  const text = JSON.stringify(out);
  if (text.length > 4096) throw new TypeError('KV put(): the options are longer than 4096 bytes.');
  return text === '{}' ? null : text;
}

export class KVNamespace {
  #id;
  constructor(id) {
    this.#id = id;
  }
  #call(op, key, value, options) {
    const task = owner();
    if (task === null) throw noTask('KV');
    return callBegin(task, (call) => native.kv(call, task.id, op, this.#id, key, value, options));
  }
  async #get(key, options) {
    const type = typeOf(options);
    const result = await this.#call(GET, keyOf(key), null, null);
    const metadata = result.metadata === '' ? null : JSON.parse(result.metadata);
    return { value: convert(result, type), metadata: result.found ? metadata : null, cacheStatus: null };
  }
  async get(key, options = 'text') {
    if (Array.isArray(key)) {
      const values = await Promise.all(key.map((k) => this.get(k, options)));
      return new Map(key.map((k, i) => [k, values[i]]));
    }
    return (await this.#get(key, options)).value;
  }
  async getWithMetadata(key, options = 'text') {
    return this.#get(key, options);
  }
  async put(key, value, options = undefined) {
    const name = keyOf(key);
    const opts = putOptions(options);
    const bytes = await valueBytes(value);
    if (bytes.length > VALUE_MAX) throw new Error(`KV value is longer than ${VALUE_MAX} bytes.`);
    await this.#call(PUT, name, bytes, opts);
  }
  async delete(key) {
    await this.#call(DELETE, keyOf(key), null, null);
  }
  async list(options = undefined) {
    const out = {};
    if (options?.limit !== undefined && options.limit !== null) out.limit = Number(options.limit);
    if (options?.cursor) out.cursor = `${options.cursor}`;
    const text = JSON.stringify(out);
    const result = await this.#call(LIST, `${options?.prefix ?? ''}`, null, text === '{}' ? null : text);
    return { ...JSON.parse(decodeText(result.value)), cacheStatus: null };
  }
}

function noLocalForm(what) {
  return new Error(`${what} has no local form here yet.`);
}

// A class that is there to be named: making one says that it has no local form.
export function refusedClass(name) {
  return { [name]: class {
    constructor() {
      throw noLocalForm(`new ${name}()`);
    }
  } }[name];
}

let app = {};
let appName = '';

function bind(binding, value) {
  bindings.add(binding);
  defineValue(binding, value);
}

export function loadEnv(json, name) {
  app = JSON.parse(json);
  appName = name;
  for (const [name, value] of Object.entries(app.vars ?? {})) {
    vars.set(name, value);
    defineValue(name, value);
  }
  for (const name of app.secrets ?? []) secretChanged(name, true);
  for (const { binding, id } of app.kv ?? []) {
    bind(binding, new KVNamespace(id));
  }
  for (const { binding, class: className } of app.objects ?? []) {
    bind(binding, new DurableObjectNamespace(className, `env.${binding}`));
  }
  for (const { binding, kind } of app.unsupported ?? []) {
    bind(binding, refusing(`env.${binding} (${kind}) has no local form here.`));
  }
}

// Classes that a binding names, exported or not.
export function boundClasses() {
  return new Set((app.objects ?? []).map((o) => o.class));
}

// What needs the module's exports. Without a binding in the configuration each object class is
// bound under its own name, and the only sandbox class as Sandbox too, where the name is free.
export function bindModule(objectClasses, sandboxClasses) {
  for (const { binding, class: className } of app.objects ?? []) {
    if (objectClasses.includes(className)) continue;
    bind(binding, new DurableObjectNamespace(className, `env.${binding}`,
      `env.${binding} is bound to the class "${className}", which is not exported.`));
  }
  for (const service of app.services ?? []) bind(service.binding, serviceBinding(service, appName));
  const offer = (name, className) => {
    if (!Object.hasOwn(env, name)) bind(name, new DurableObjectNamespace(className, `env.${name}`));
  };
  const bound = boundClasses();
  for (const name of objectClasses) if (!bound.has(name)) offer(name, name);
  if (sandboxClasses.length === 1 && !bound.has(sandboxClasses[0])) offer('Sandbox', sandboxClasses[0]);
}

export { noLocalForm };
