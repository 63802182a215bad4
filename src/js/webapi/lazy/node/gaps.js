// What newer releases of Node have beside what the packages of npm give.

import { viewOf } from '../../views.js';

const ANSI = /[\u001b\u009b](?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

const REASONS = '100 Continue;101 Switching Protocols;102 Processing;103 Early Hints;200 OK;201 Created;202 Accepted;' +
  '203 Non-Authoritative Information;204 No Content;205 Reset Content;206 Partial Content;207 Multi-Status;208 Already Reported;' +
  '226 IM Used;300 Multiple Choices;301 Moved Permanently;302 Found;303 See Other;304 Not Modified;305 Use Proxy;' +
  '307 Temporary Redirect;308 Permanent Redirect;400 Bad Request;401 Unauthorized;402 Payment Required;403 Forbidden;' +
  "404 Not Found;405 Method Not Allowed;406 Not Acceptable;407 Proxy Authentication Required;408 Request Timeout;" +
  '409 Conflict;410 Gone;411 Length Required;412 Precondition Failed;413 Payload Too Large;414 URI Too Long;' +
  "415 Unsupported Media Type;416 Range Not Satisfiable;417 Expectation Failed;418 I'm a Teapot;421 Misdirected Request;" +
  '422 Unprocessable Entity;423 Locked;424 Failed Dependency;425 Too Early;426 Upgrade Required;428 Precondition Required;' +
  '429 Too Many Requests;431 Request Header Fields Too Large;451 Unavailable For Legal Reasons;500 Internal Server Error;' +
  '501 Not Implemented;502 Bad Gateway;503 Service Unavailable;504 Gateway Timeout;505 HTTP Version Not Supported;' +
  '506 Variant Also Negotiates;507 Insufficient Storage;508 Loop Detected;510 Not Extended;511 Network Authentication Required';

export function buffer({ library }) {
  const found = library('buffer');
  const { Blob, File, atob, btoa } = globalThis;
  const MAX_LENGTH = found.kMaxLength, MAX_STRING_LENGTH = 2 ** 29 - 24;
  return {
    ...found, Blob, File, atob, btoa, constants: { MAX_LENGTH, MAX_STRING_LENGTH }, kStringMaxLength: MAX_STRING_LENGTH,
    isAscii: (value) => viewOf(value).every((byte) => byte < 128),
    isUtf8: (value) => native.utf8Decode(viewOf(value), true, false) !== null,
  };
}

export function events({ library }) {
  const found = library('events');
  const more = {
    captureRejectionSymbol: Symbol.for('nodejs.rejection'), captureRejections: false, errorMonitor: Symbol('events.errorMonitor'),
    addAbortListener(signal, fn) {
      if (signal.aborted) queueMicrotask(() => fn());
      else signal.addEventListener('abort', fn, { once: true });
      return { [Symbol.dispose]: () => signal.removeEventListener('abort', fn) };
    },
    getEventListeners: (emitter, name) => (typeof emitter.listeners === 'function' ? emitter.listeners(name) : []),
    getMaxListeners: (emitter) => (typeof emitter.getMaxListeners === 'function' ? emitter.getMaxListeners() : found.defaultMaxListeners),
    setMaxListeners(n, ...emitters) {
      for (const emitter of emitters) emitter.setMaxListeners?.(n);
      if (emitters.length === 0) found.defaultMaxListeners = n;
    },
  };
  for (const name of Object.keys(more)) found[name] ??= more[name];
  return found;
}

export function querystring({ library }) {
  const found = library('querystring');
  const unescape = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return `${text}`;
    }
  };
  return { escape: encodeURIComponent, unescape, ...found };
}

// The URL of the platform: one parser for all.
export function url({ library }) {
  const { URL, URLSearchParams } = globalThis;
  const host = (name) => {
    try {
      return new URL(`http://${name}`).hostname;
    } catch {
      return '';
    }
  };
  return {
    ...library('url'), URL, URLSearchParams, domainToASCII: host,
    urlToHttpOptions: (u) => ({
      protocol: u.protocol, hostname: u.hostname, hash: u.hash, search: u.search, pathname: u.pathname, path: u.pathname + u.search,
      href: u.href, ...(u.port === '' ? {} : { port: Number(u.port) }), ...(u.username === '' ? {} : { auth: decodeURIComponent(`${u.username}:${u.password}`) }),
    }),
  };
}

export function util({ library }, types) {
  const { TextDecoder, TextEncoder } = globalThis;
  const found = library('util');
  return {
    ...found, TextDecoder, TextEncoder, types, debug: found.debuglog,
    aborted: (signal) => new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    }),
    formatWithOptions: (options, ...args) => found.format(...args),
    inherits(cls, parent) {
      Object.defineProperty(cls, 'super_', { configurable: true, writable: true, value: parent });
      Object.setPrototypeOf(cls.prototype, parent.prototype);
    },
    isDeepStrictEqual(a, b) {
      try {
        library('assert').deepStrictEqual(a, b);
        return true;
      } catch {
        return false;
      }
    },
    stripVTControlCharacters: (text) => `${text}`.replace(ANSI, ''),
    styleText: (style, text) => `${text}`,
    toUSVString: (text) => `${text}`.toWellFormed(),
  };
}

// Of http: what packages make or look at when they are loaded. No request leaves by it.
export function http(absent) {
  const METHODS = ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'];
  const STATUS_CODES = Object.fromEntries(REASONS.split(';').map((line) => [line.slice(0, 3), line.slice(4)]));
  class Agent {
    constructor(options = {}) {
      this.options = { ...options };
    }
    destroy() {}
  }
  return Object.assign(absent, { Agent, METHODS, STATUS_CODES, globalAgent: new Agent() });
}
