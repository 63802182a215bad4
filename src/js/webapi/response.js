// Response. One that a fetch gave has a Fetch and loads its headers when they are read.

import { BodySlot, extractBody, extractedType, mixinBody } from './body.js';
import { Headers, IMMUTABLE } from './headers.js';
import { refuseLoading } from './task.js';
import { URL } from './url.js';

const INTERNAL = Symbol();
const NULL_BODY = new Set([101, 204, 205, 304]);
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;
const REASONS = new Map(Object.entries({
  200: 'OK', 201: 'Created', 202: 'Accepted', 203: 'Non-Authoritative Information',
  204: 'No Content', 205: 'Reset Content', 206: 'Partial Content', 300: 'Multiple Choices',
  301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified',
  307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
  402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  406: 'Not Acceptable', 407: 'Proxy Authentication Required', 408: 'Request Timeout',
  409: 'Conflict', 410: 'Gone', 411: 'Length Required', 412: 'Precondition Failed',
  413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable', 417: 'Expectation Failed', 418: "I'm a teapot",
  421: 'Misdirected Request', 422: 'Unprocessable Entity', 425: 'Too Early',
  426: 'Upgrade Required', 428: 'Precondition Required', 429: 'Too Many Requests',
  431: 'Request Header Fields Too Large', 451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway',
  503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported',
}).map(([k, v]) => [Number(k), v]));

export class Response {
  #slot = new BodySlot();
  #fetch = null; // Fetch, when it came from upstream
  #status = 200;
  #statusText = ''; // null: the usual one of a fetched status
  #headers = null;
  #flags = 0; // 1: has a body, 2: was redirected
  #type = 'default';
  #encodeBody = 'automatic';

  constructor(body = null, init = undefined) {
    if (body === INTERNAL) return;
    let headers;
    if (init !== undefined && init !== null) {
      if (init.status !== undefined) this.#status = toStatus(init.status);
      if (init.statusText !== undefined) this.#statusText = toReason(init.statusText);
      if (init.encodeBody !== undefined) this.#encodeBody = toEncodeBody(init.encodeBody);
      headers = init.headers;
    }
    this.#headers = Headers.is(headers) ? Headers.copy(headers) : new Headers(headers ?? undefined);
    if (body !== null && body !== undefined) {
      if (NULL_BODY.has(this.#status)) {
        if (body === '') return; // workerd lets the empty string pass
        throw new TypeError('Response with null body status (101, 204, 205, or 304) cannot have a body.');
      }
      this.#slot.state = extractBody(body);
      const type = extractedType;
      if (type !== null && !this.#headers.has('content-type')) {
        this.#headers.set('content-type', type);
      }
    }
  }

  static fetched(fetch, status, flags) {
    const r = new Response(INTERNAL);
    r.#fetch = fetch;
    r.#status = status;
    r.#statusText = null;
    r.#flags = flags;
    r.#headers = Headers.native(fetch, IMMUTABLE);
    if (flags & 1) r.#slot.setLazy(fetch);
    return r;
  }
  static is(value) {
    return value !== null && typeof value === 'object' && #fetch in value;
  }
  static slot(r) {
    return r.#slot;
  }
  static fetchOf(r) {
    return r.#fetch;
  }
  static headers(r) {
    return r.#headers;
  }
  static isManual(r) {
    return r.#encodeBody === 'manual';
  }

  static json(value, init = undefined) {
    const r = new Response(`${JSON.stringify(value)}`, init);
    const given = init?.headers === undefined ? null : new Headers(init.headers);
    if (given === null || !given.has('content-type')) {
      r.#headers.set('content-type', 'application/json');
    }
    return r;
  }
  static redirect(url, status = 302) {
    const href = new URL(url).href;
    if (![301, 302, 303, 307, 308].includes(status)) {
      throw new RangeError(`Invalid redirect status: ${status}`);
    }
    refuseLoading();
    const r = new Response(null, { status, headers: { location: href } });
    Headers.freeze(r.#headers);
    return r;
  }
  static error() {
    const r = new Response(INTERNAL);
    r.#status = 0;
    r.#type = 'error';
    r.#headers = new Headers();
    Headers.freeze(r.#headers);
    return r;
  }

  get status() {
    return this.#status;
  }
  get ok() {
    return this.#status >= 200 && this.#status < 300;
  }
  get statusText() {
    if (this.#statusText !== null) return this.#statusText;
    return REASONS.get(this.#status) ?? '';
  }
  get headers() {
    return this.#headers;
  }
  get url() {
    return this.#fetch === null ? '' : this.#fetch.responseUrl();
  }
  get redirected() {
    return (this.#flags & 2) !== 0;
  }
  get type() {
    return this.#type;
  }
  get webSocket() {
    return null;
  }
  get cf() {
    return undefined;
  }
  clone() {
    const copy = new Response(INTERNAL);
    copy.#fetch = this.#fetch;
    copy.#status = this.#status;
    copy.#statusText = this.#statusText;
    copy.#flags = this.#flags;
    copy.#type = this.#type;
    copy.#headers = Headers.copy(this.#headers);
    if (this.#fetch !== null) Headers.freeze(copy.#headers);
    copy.#slot.state = this.#slot.tee();
    return copy;
  }
  get [Symbol.toStringTag]() {
    return 'Response';
  }
}

mixinBody(Response, Response.slot);

function toStatus(status) {
  const n = Math.trunc(Number(status));
  if (!(n >= 200 && n <= 599)) {
    throw new RangeError(
      'Responses may only be constructed with status codes in the range 200 to 599, inclusive.');
  }
  return n;
}

function toEncodeBody(value) {
  if (value !== 'manual' && value !== 'automatic') {
    throw new TypeError(`encodeBody: unexpected value: ${value}`);
  }
  return value;
}

function toReason(text) {
  text = `${text}`;
  if (!REASON.test(text)) throw new TypeError('Invalid statusText');
  return text;
}
