// Blob, File, FormData, and FormData on the wire (multipart/form-data, RFC 7578, and urlencoded).

import { URLSearchParams } from './url.js';
import { viewOf } from './views.js';

function bytesOf(part) {
  if (part instanceof Blob) return Blob.bytes(part);
  return viewOf(part)?.slice() ?? native.utf8Encode(`${part}`);
}

function concat(list) {
  let size = 0;
  for (const b of list) size += b.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const b of list) {
    all.set(b, at);
    at += b.length;
  }
  return all;
}

export class Blob {
  #bytes;
  #type;
  constructor(parts = [], options = {}) {
    this.#bytes = concat([...parts].map(bytesOf));
    const type = options?.type === undefined ? '' : `${options.type}`;
    this.#type = /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
  }
  static bytes(blob) {
    return blob.#bytes;
  }
  get size() {
    return this.#bytes.length;
  }
  get type() {
    return this.#type;
  }
  slice(start = 0, end = undefined, type = '') {
    return new Blob([this.#bytes.slice(start, end)], { type });
  }
  async text() {
    return native.utf8Decode(this.#bytes, false, false);
  }
  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }
  async bytes() {
    return this.#bytes.slice();
  }
  stream() {
    return new globalThis.Response(this.#bytes).body;
  }
  get [Symbol.toStringTag]() {
    return 'Blob';
  }
}

export class File extends Blob {
  #name;
  #lastModified;
  constructor(parts, name, options = {}) {
    super(parts, options);
    this.#name = `${name}`;
    this.#lastModified = options?.lastModified ?? Date.now();
  }
  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#lastModified;
  }
  get [Symbol.toStringTag]() {
    return 'File';
  }
}

function entryValue(value, filename) {
  if (!(value instanceof Blob)) return `${value}`;
  if (value instanceof File && filename === undefined) return value;
  return new File([value], filename ?? 'blob', { type: value.type });
}

export class FormData {
  #list = [];
  append(name, value, filename = undefined) {
    this.#list.push([`${name}`, entryValue(value, filename)]);
  }
  set(name, value, filename = undefined) {
    const at = this.#list.findIndex((e) => e[0] === `${name}`);
    if (at < 0) return this.append(name, value, filename);
    const entry = [`${name}`, entryValue(value, filename)];
    this.#list = this.#list.filter((e, i) => i <= at || e[0] !== `${name}`);
    this.#list[at] = entry;
  }
  delete(name) {
    this.#list = this.#list.filter((e) => e[0] !== `${name}`);
  }
  get(name) {
    return this.#list.find((e) => e[0] === `${name}`)?.[1] ?? null;
  }
  getAll(name) {
    return this.#list.filter((e) => e[0] === `${name}`).map((e) => e[1]);
  }
  has(name) {
    return this.#list.some((e) => e[0] === `${name}`);
  }
  *entries() {
    yield* this.#list.slice();
  }
  *keys() {
    for (const e of this.#list.slice()) yield e[0];
  }
  *values() {
    for (const e of this.#list.slice()) yield e[1];
  }
  forEach(fn, self = undefined) {
    for (const [name, value] of this) fn.call(self, value, name, this);
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return 'FormData';
  }
}

function quoted(text) {
  return text.replace(/\r\n|\r|\n/g, '%0D%0A').replace(/"/g, '%22');
}

export function formWrite(form) {
  const random = new Uint8Array(16);
  native.random(random);
  const boundary = `----sallyport${random.toHex()}`;
  const parts = [];
  for (const [name, value] of form) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
    if (value instanceof Blob) {
      head += `; filename="${quoted(value.name)}"\r\n` +
        `Content-Type: ${value.type || 'application/octet-stream'}`;
    }
    parts.push(native.utf8Encode(`${head}\r\n\r\n`),
      value instanceof Blob ? Blob.bytes(value) : native.utf8Encode(value.replace(/\r\n|\r|\n/g, '\r\n')),
      native.utf8Encode('\r\n'));
  }
  parts.push(native.utf8Encode(`--${boundary}--\r\n`));
  return { bytes: concat(parts), type: `multipart/form-data; boundary=${boundary}` };
}

function bad(why) {
  return new TypeError(`The body is not form data: ${why}`);
}

// Browsers write quotes as %22, others as \".
function unquote(text) {
  return text.replace(/\\(["\\])/g, '$1').replace(/%22/g, '"').replace(/%0D%0A/g, '\r\n');
}

// {name, filename?} of a part's head.
function dispositionOf(head) {
  const line = /^content-disposition:[ \t]*form-data[ \t]*(;[^\r\n]*)?$/im.exec(head);
  if (line === null) throw bad('a part has no Content-Disposition of form-data');
  const found = { __proto__: null };
  const parameters = /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/g;
  for (const [, key, quoted, token] of (line[1] ?? '').matchAll(parameters)) {
    const name = key.toLowerCase();
    if (name === 'name' || name === 'filename') found[name] ??= unquote(quoted ?? token);
  }
  if (found.name === undefined) throw bad('a part has no name');
  return found;
}

// Latin-1 text has one character a byte, so that places in it are places in the bytes.
function multipart(bytes, boundary) {
  const text = native.latin1Decode(bytes);
  const form = new FormData();
  const delimiter = `--${boundary}`;
  let at = text.indexOf(delimiter);
  if (at < 0) throw bad('no boundary in it');
  for (;;) {
    at += delimiter.length;
    if (text.startsWith('--', at)) return form;
    const headEnd = text.indexOf('\r\n\r\n', at);
    const next = headEnd < 0 ? -1 : text.indexOf(`\r\n${delimiter}`, headEnd + 2);
    if (next < 0) throw bad('a part does not end');
    const head = native.utf8Decode(bytes.slice(at, headEnd), false, false);
    const disposition = dispositionOf(head);
    const type = /^content-type:\s*([^\r\n]*)/im.exec(head);
    const data = bytes.slice(Math.min(headEnd + 4, next), next);
    if (disposition.filename === undefined) form.append(disposition.name, native.utf8Decode(data, false, false));
    else form.append(disposition.name, new File([data], disposition.filename, { type: type?.[1].trim() ?? '' }));
    at = next + 2;
  }
}

export function formParse(bytes, type) {
  const kind = type.split(';')[0].trim().toLowerCase();
  if (kind === 'application/x-www-form-urlencoded') {
    const form = new FormData();
    for (const [n, v] of new URLSearchParams(native.utf8Decode(bytes, false, false))) form.append(n, v);
    return form;
  }
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  if (kind !== 'multipart/form-data' || boundary === null) {
    throw bad(`content-type is "${type}"`);
  }
  return multipart(bytes, boundary[1] ?? boundary[2]);
}
