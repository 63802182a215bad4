// Request. One that the host dispatched has a task and loads its facts when they are read.

import { AbortController, AbortSignal } from './events.js';
import { BodySlot, NativeBody, REQUEST, extractBody, extractedType, mixinBody } from './body.js';
import { Headers, IMMUTABLE } from './headers.js';
import { URL } from './url.js';

const INTERNAL = Symbol();
const METHOD_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const UPPER = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);
const REFUSED = new Set(['CONNECT', 'TRACE', 'TRACK']);
export const FOLLOW = 0, MANUAL = 1, ERROR = 2;
const REDIRECTS = ['follow', 'manual', 'error'];

// The native side of a dispatched request: what Headers and Body ask.
export class RequestFacts {
  constructor(task) {
    this.task = task;
    this.state = undefined;
    this.reader = null; // NativeBody sets it
  }
  get isResponse() {
    return false;
  }
  #alive() {
    if (this.task.over) throw new TypeError('The request is over: it can no longer be read.');
  }
  headerText() {
    this.#alive();
    return native.requestHeaders(this.task.id);
  }
  url() {
    this.#alive();
    return native.requestUrl(this.task.id);
  }
  method() {
    this.#alive();
    return native.requestMethod(this.task.id);
  }
  bodyState() {
    if (this.state === undefined) {
      this.#alive();
      this.state = native.requestHasBody(this.task.id)
        ? new NativeBody(REQUEST, this.task.id, this.task) : null;
    }
    return this.state;
  }
}

function normalMethod(method) {
  method = `${method}`;
  if (!METHOD_TOKEN.test(method)) throw new TypeError(`Invalid HTTP method: ${method}`);
  const upper = method.toUpperCase();
  if (REFUSED.has(upper)) throw new TypeError(`HTTP method ${upper} is not allowed.`);
  return UPPER.has(upper) ? upper : method;
}

function bodyless() {
  return new TypeError('Request with a GET or HEAD method cannot have a body.');
}

// Any URL makes a Request; which can be fetched is told when it is sent.
const FETCHABLE = /^https?:\/\/[^/@*!]+\//;

function refuseUrl(text) {
  const { protocol, hostname } = new URL(text);
  if ((protocol === 'http:' || protocol === 'https:') && !/[*!]/.test(hostname)) return;
  throw new TypeError(`Fetch API cannot load: ${text}`);
}

function requestUrl(text) {
  try {
    return new URL(text).href;
  } catch {
    throw new TypeError(`Invalid URL: ${text}`);
  }
}

export class Request {
  #slot = new BodySlot();
  #facts = null;   // RequestFacts, or null when it was built from parts
  #method = null;  // null: the facts'
  #url = null;     // null: the facts'
  #seenUrl = null; // the facts' url, once it was read
  #headers = null;
  #redirect = FOLLOW;
  #signal = null;

  constructor(input, init = undefined) {
    if (input === INTERNAL) {
      this.#facts = init;
      this.#headers = Headers.native(init, IMMUTABLE);
      this.#redirect = MANUAL;
      this.#slot.setLazy(init);
      return;
    }
    const hasInit = init !== undefined && init !== null;
    const ownBody = hasInit && init.body !== undefined && init.body !== null;
    if (input !== null && typeof input === 'object' && #facts in input) {
      this.#facts = input.#facts;
      this.#method = input.#method;
      this.#url = input.#url;
      this.#seenUrl = input.#seenUrl;
      this.#redirect = input.#redirect;
      this.#signal = input.#signal;
      if (!hasInit || init.headers === undefined) this.#headers = Headers.copy(input.#headers);
      if (!ownBody) this.#slot.moveFrom(input.#slot);
    } else {
      this.#url = requestUrl(`${input}`);
      this.#method = 'GET';
    }
    if (hasInit) this.#apply(init, ownBody);
    else if (this.#headers === null) this.#headers = new Headers();
  }

  #apply(init, ownBody) {
    const from = typeof init === 'object' && #facts in init ? init : null;
    if (from !== null) {
      this.#method = from.method;
      this.#redirect = from.#redirect;
      if (this.#headers === null) this.#headers = Headers.copy(from.#headers);
      if (from.#signal !== null) this.#signal = from.#signal;
      if (ownBody) this.#slot.moveFrom(from.#slot);
      return;
    }
    if (init.method !== undefined) this.#method = normalMethod(init.method);
    if (init.redirect !== undefined) {
      const mode = REDIRECTS.indexOf(`${init.redirect}`);
      if (mode < 0) throw new TypeError(`Invalid redirect mode: ${init.redirect}`);
      this.#redirect = mode;
    }
    if (init.signal !== undefined) {
      if (init.signal !== null && !(init.signal instanceof AbortSignal)) {
        throw new TypeError('signal is not an AbortSignal');
      }
      this.#signal = init.signal;
    }
    if (this.#headers === null) this.#headers = new Headers(init.headers);
    if (ownBody) {
      if (this.method === 'GET' || this.method === 'HEAD') {
        throw bodyless();
      }
      this.#slot.state = extractBody(init.body);
      const type = extractedType;
      if (type !== null && !this.#headers.has('content-type')) {
        this.#headers.set('content-type', type);
      }
    } else if (init.body === null) {
      this.#slot.state = null;
    } else if (init.method !== undefined && (this.#method === 'GET' || this.#method === 'HEAD') &&
        this.#slot.load() !== null) {
      throw bodyless();
    }
  }

  static dispatched(facts) {
    return new Request(INTERNAL, facts);
  }
  static is(value) {
    return value !== null && typeof value === 'object' && #facts in value;
  }
  static slot(r) {
    return r.#slot;
  }
  static facts(r) {
    return r.#facts;
  }
  static ownMethod(r) {
    return r.#method;
  }
  // As it is sent: a fragment stays here.
  static ownUrl(r) {
    if (r.#url === null) return null;
    if (!FETCHABLE.test(r.#url)) refuseUrl(r.#url);
    const hash = r.#url.indexOf('#');
    return hash < 0 ? r.#url : r.#url.slice(0, hash);
  }
  static headers(r) {
    return r.#headers;
  }
  // As a handler gets one from a stub: redirects are its sender's.
  static received(r) {
    r.#redirect = MANUAL;
  }
  static redirectMode(r) {
    return r.#redirect;
  }
  static signal(r) {
    return r.#signal;
  }

  get url() {
    if (this.#url !== null) return this.#url;
    if (this.#seenUrl === null) this.#seenUrl = this.#facts.url();
    return this.#seenUrl;
  }
  get method() {
    if (this.#method !== null) return this.#method;
    return this.#facts.method();
  }
  get headers() {
    return this.#headers;
  }
  get redirect() {
    return REDIRECTS[this.#redirect];
  }
  get signal() {
    if (this.#signal === null) {
      const task = this.#facts === null ? null : this.#facts.task;
      if (task === null) {
        this.#signal = new AbortController().signal;
      } else {
        if (task.controller === null) task.controller = new AbortController();
        this.#signal = task.controller.signal;
      }
    }
    return this.#signal;
  }
  get cf() {
    return undefined;
  }
  get keepalive() {
    return false;
  }
  get integrity() {
    return '';
  }
  get cache() {
    return undefined;
  }
  clone() {
    const copy = new Request(INTERNAL, this.#facts);
    copy.#method = this.#method;
    copy.#url = this.#url;
    copy.#seenUrl = this.#seenUrl;
    copy.#redirect = this.#redirect;
    copy.#signal = this.#signal;
    copy.#headers = Headers.copy(this.#headers);
    if (this.#facts !== null && Headers.isBase(this.#headers, this.#facts)) {
      Headers.freeze(copy.#headers);
    }
    copy.#slot.state = this.#slot.tee();
    return copy;
  }
  get [Symbol.toStringTag]() {
    return 'Request';
  }
}
mixinBody(Request, Request.slot);
