// caches: a cache in memory, one a deployed version, bounded in entries and bytes; what was used
// longest ago goes first. How long a response is kept: RFC 9111 for a shared cache, and where
// nothing is said as Cloudflare has it by status.

const TOTAL_MAX = 16 * 1024 * 1024;
const ENTRY_MAX = 4 * 1024 * 1024;
const ENTRIES_MAX = 1024;
const NAMES_MAX = 64;
const OVERHEAD = 512; // of an entry, beside its body and headers
const DAY = 86400;
// Seconds for a status that says nothing itself; none: not kept.
const BY_STATUS = { 200: 7200, 301: 7200, 302: 1200, 303: 1200, 404: 180, 410: 180 };

// Cache-Control as a Map of lower-case names to values ('' where there is none).
export function directives(text) {
  const map = new Map();
  for (const [, name, quoted, token] of (text ?? '').matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,]*)))?/g)) {
    map.set(name.toLowerCase(), quoted ?? token ?? '');
  }
  return map;
}

function seconds(text) {
  return /^\d+$/.test(text ?? '') ? Number(text) : 0;
}

// How many seconds the response may be kept; 0: not at all.
export function lifetime(status, headers, now) {
  const control = directives(headers.get('cache-control'));
  if (control.has('no-store') || control.has('no-cache')) return 0;
  if (control.has('private') && control.get('private') === '') return 0;
  const priv = (control.get('private') ?? '').toLowerCase().split(/[\s,]+/);
  if (headers.has('set-cookie') && !priv.includes('set-cookie')) return 0;
  for (const name of ['s-maxage', 'max-age']) {
    if (control.has(name)) return Math.min(seconds(control.get(name)), 365 * DAY);
  }
  if (headers.has('expires')) {
    const at = Date.parse(headers.get('expires'));
    const date = headers.has('date') ? Date.parse(headers.get('date')) : now;
    return Number.isNaN(at) ? 0 : Math.max(0, Math.min((at - (Number.isNaN(date) ? now : date)) / 1000, 365 * DAY));
  }
  return BY_STATUS[status] ?? 0;
}

// [first, last] of a single satisfiable range, null: the whole, undefined: it cannot be had.
export function rangeOf(text, size) {
  const m = /^bytes=(\d*)-(\d*)$/.exec((text ?? '').trim());
  if (m === null || (m[1] === '' && m[2] === '')) return null;
  if (m[1] === '') {
    const n = Number(m[2]);
    return n === 0 || size === 0 ? undefined : [Math.max(0, size - n), size - 1];
  }
  const first = Number(m[1]);
  const last = m[2] === '' ? size - 1 : Math.min(Number(m[2]), size - 1);
  if (m[2] !== '' && Number(m[2]) < first) return null;
  return first >= size ? undefined : [first, last];
}

const opaque = (etag) => etag.trim().replace(/^W\//, '');

// Whether the request says that it has the response already (RFC 9110 13.2.2).
function unchanged(request, headers) {
  const none = request.headers.get('if-none-match');
  if (none !== null) {
    const etag = headers.get('etag');
    return none.trim() === '*' || (etag !== null && none.split(',').some((e) => opaque(e) === opaque(etag)));
  }
  const since = Date.parse(request.headers.get('if-modified-since') ?? '');
  const modified = Date.parse(headers.get('last-modified') ?? '');
  return modified <= since;
}

export function cacheApi({ Request, Response, Headers, toBytes, warn }) {
  const entries = new Map(); // "cache name, line feed, URL" -> entry, used longest ago first
  let total = 0;

  function drop(key) {
    const entry = entries.get(key);
    if (entry === undefined) return false;
    entries.delete(key);
    total -= entry.size;
    return true;
  }

  // The entry, which is now the one used last; undefined when there is none or its time is over.
  function find(key) {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (native.wall() >= entry.until) {
      drop(key);
      return undefined;
    }
    entries.delete(key);
    entries.set(key, entry);
    return entry;
  }

  function keep(key, entry) {
    drop(key);
    entries.set(key, entry);
    total += entry.size;
    for (const old of entries.keys()) {
      if (total <= TOTAL_MAX && entries.size <= ENTRIES_MAX) break;
      drop(old);
    }
  }

  // All of the body, or null when it is over the ceiling.
  async function bytesOf(response) {
    const chunks = [];
    let size = 0;
    for await (const piece of response.body ?? []) {
      const chunk = toBytes(piece);
      size += chunk.length;
      if (size > ENTRY_MAX) return null; // leaving the loop cancels the rest
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  const requestOf = (input) => (Request.is(input) ? input : new Request(input));

  function answer(request, entry) {
    const headers = new Headers(entry.headers);
    headers.set('cf-cache-status', 'HIT');
    headers.set('age', `${Math.floor((native.wall() - entry.since) / 1000)}`);
    const init = { status: entry.status, statusText: entry.statusText, headers };
    const conditional = entry.status === 200;
    if (conditional && unchanged(request, headers)) return new Response(null, { ...init, status: 304, statusText: 'Not Modified' });
    const range = conditional && request.headers.has('range') ? rangeOf(request.headers.get('range'), entry.bytes.length) : null;
    if (range === undefined) {
      headers.set('content-range', `bytes */${entry.bytes.length}`);
      return new Response(null, { ...init, status: 416, statusText: 'Range Not Satisfiable' });
    }
    if (range === null) return new Response(entry.empty ? null : entry.bytes, init);
    headers.set('content-range', `bytes ${range[0]}-${range[1]}/${entry.bytes.length}`);
    headers.delete('content-length');
    return new Response(entry.bytes.subarray(range[0], range[1] + 1), { ...init, status: 206, statusText: 'Partial Content' });
  }

  let inside = false;
  class Cache {
    #name;
    constructor(name) {
      if (!inside) throw new TypeError('Illegal constructor');
      this.#name = name;
    }
    #key(request) {
      return `${this.#name}\n${request.url.split('#')[0]}`;
    }
    async match(input, options = {}) {
      const request = requestOf(input);
      if (request.method !== 'GET' && !(options?.ignoreMethod && request.method !== 'HEAD')) return undefined;
      const entry = find(this.#key(request));
      return entry === undefined ? undefined : answer(request, entry);
    }
    async put(input, response) {
      const request = requestOf(input);
      if (!Response.is(response)) throw new TypeError('cache.put: the second argument is no Response.');
      if (request.method !== 'GET') throw new TypeError('Cannot cache response to non-GET request.');
      if (response.status === 206) throw new TypeError('Cannot cache response to a range request (206 Partial Content).');
      if ((response.headers.get('vary') ?? '').split(',').some((v) => v.trim() === '*')) {
        throw new TypeError("Cannot cache response with 'Vary: *' header.");
      }
      if (response.bodyUsed) throw new TypeError('Body has already been used: give cache.put a response.clone().');
      const { status, statusText } = response;
      const ttl = lifetime(status, response.headers, native.wall());
      if (!(ttl > 0)) {
        await response.body?.cancel();
        return;
      }
      const headers = [...response.headers].filter(([name]) => name !== 'set-cookie');
      const empty = response.body === null;
      const bytes = await bytesOf(response);
      if (bytes === null) {
        warn(`caches: ${request.url.split('?')[0]} is longer than ${ENTRY_MAX} bytes and was not kept`);
        return;
      }
      const key = this.#key(request);
      const size = OVERHEAD + 2 * key.length + bytes.length + headers.reduce((n, [k, v]) => n + 2 * (k.length + v.length), 0);
      const since = native.wall();
      keep(key, { status, statusText, headers, bytes, empty, size, since, until: since + ttl * 1000 });
    }
    async delete(input, options = {}) {
      const request = requestOf(input);
      if (request.method !== 'GET' && !options?.ignoreMethod) return false;
      const key = this.#key(request);
      return find(key) !== undefined && drop(key);
    }
  }
  for (const name of ['add', 'addAll', 'keys', 'matchAll']) {
    Cache.prototype[name] = async () => {
      throw new Error(`Failed to execute '${name}' on 'Cache': the method is not implemented.`);
    };
  }

  const named = new Map();
  function cacheOf(name) {
    if (!named.has(name)) {
      if (named.size >= NAMES_MAX) throw new Error(`caches.open: more than ${NAMES_MAX} caches are open.`);
      inside = true;
      named.set(name, new Cache(name));
      inside = false;
    }
    return named.get(name);
  }
  class CacheStorage {
    constructor() {
      if (!inside) throw new TypeError('Illegal constructor');
    }
    get default() {
      return cacheOf('');
    }
    async open(name) {
      return cacheOf(`open ${name}`);
    }
  }
  for (const name of ['delete', 'has', 'keys', 'match']) {
    CacheStorage.prototype[name] = async () => {
      throw new Error(`Failed to execute '${name}' on 'CacheStorage': the method is not implemented.`);
    };
  }
  inside = true;
  const caches = new CacheStorage();
  inside = false;
  return { Cache, CacheStorage, caches };
}
