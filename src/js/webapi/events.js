// DOMException, Event, EventTarget, AbortController, AbortSignal.

import { clearTimer, startTimer } from './timers.js';

const CODES = {
  IndexSizeError: 1, NotFoundError: 8, NotSupportedError: 9, InvalidStateError: 11, SyntaxError: 12,
  InvalidAccessError: 15, TypeMismatchError: 17, NetworkError: 19, AbortError: 20,
  QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25, OperationError: 0, DataError: 0,
  InvalidCharacterError: 5,
};

export class DOMException extends Error {
  #name;
  constructor(message = '', options = 'Error') {
    super(message);
    const named = typeof options === 'object' && options !== null;
    this.#name = `${named ? options.name ?? 'Error' : options}`;
    if (named && 'cause' in options) this.cause = options.cause;
  }
  get name() {
    return this.#name;
  }
  get code() {
    return CODES[this.#name] ?? 0;
  }
  get [Symbol.toStringTag]() {
    return 'DOMException';
  }
}

const NAMES = ['INDEX_SIZE', 'DOMSTRING_SIZE', 'HIERARCHY_REQUEST', 'WRONG_DOCUMENT', 'INVALID_CHARACTER',
  'NO_DATA_ALLOWED', 'NO_MODIFICATION_ALLOWED', 'NOT_FOUND', 'NOT_SUPPORTED', 'INUSE_ATTRIBUTE',
  'INVALID_STATE', 'SYNTAX', 'INVALID_MODIFICATION', 'NAMESPACE', 'INVALID_ACCESS', 'VALIDATION',
  'TYPE_MISMATCH', 'SECURITY', 'NETWORK', 'ABORT', 'URL_MISMATCH', 'QUOTA_EXCEEDED', 'TIMEOUT',
  'INVALID_NODE_TYPE', 'DATA_CLONE'];
NAMES.forEach((name, i) => {
  for (const object of [DOMException, DOMException.prototype]) {
    Object.defineProperty(object, `${name}_ERR`, { enumerable: true, value: i + 1 });
  }
});

export class Event {
  static NONE = 0;
  static CAPTURING_PHASE = 1;
  static AT_TARGET = 2;
  static BUBBLING_PHASE = 3;
  #type;
  #canceled = false;
  #init;
  #stopped = false;
  #running = false;
  #target = null;
  #timeStamp = native.now();
  constructor(type, init = {}) {
    this.#type = `${type}`;
    this.#init = init ?? {};
  }
  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get currentTarget() {
    return this.#running ? this.#target : null;
  }
  get bubbles() {
    return !!this.#init.bubbles;
  }
  get cancelable() {
    return !!this.#init.cancelable;
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  get timeStamp() {
    return this.#timeStamp;
  }
  preventDefault() {
    if (this.cancelable) this.#canceled = true;
  }
  get composed() {
    return !!this.#init.composed;
  }
  get eventPhase() {
    return this.#running ? Event.AT_TARGET : Event.NONE;
  }
  get isTrusted() {
    return false;
  }
  get returnValue() {
    return !this.#canceled;
  }
  get srcElement() {
    return this.#target;
  }
  composedPath() {
    return this.#running ? [this.#target] : [];
  }
  stopPropagation() {}
  stopImmediatePropagation() {
    this.#stopped = true;
  }
  static aim(event, target) {
    if (event.#running) throw new DOMException('The event is being dispatched.', 'InvalidStateError');
    event.#target = target;
    event.#running = true;
  }
  static done(event) {
    event.#running = event.#stopped = false;
  }
  static isStopped(event) {
    return event.#stopped;
  }
}

export class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) {
    super(type, init);
    this.#detail = init?.detail ?? null;
  }
  get detail() {
    return this.#detail;
  }
}

export class EventTarget {
  #listeners = new Map();

  addEventListener(type, callback, options = {}) {
    if (callback === null || callback === undefined) return;
    const once = typeof options === 'object' && options !== null && !!options.once;
    const signal = typeof options === 'object' && options !== null ? options.signal : undefined;
    if (signal?.aborted) return;
    let list = this.#listeners.get(`${type}`);
    if (list === undefined) this.#listeners.set(`${type}`, (list = []));
    if (list.some((l) => l.callback === callback)) return;
    list.push({ callback, once });
    signal?.addEventListener('abort', () => this.removeEventListener(type, callback));
  }
  removeEventListener(type, callback) {
    const list = this.#listeners.get(`${type}`);
    const at = list === undefined ? -1 : list.findIndex((l) => l.callback === callback);
    if (at >= 0) this.#listeners.set(`${type}`, list.filter((_, i) => i !== at));
  }
  dispatchEvent(event) {
    Event.aim(event, this);
    const attribute = this[`on${event.type}`];
    if (typeof attribute === 'function') call(attribute, this, event);
    for (const { callback, once } of this.#listeners.get(event.type) ?? []) {
      if (Event.isStopped(event)) break;
      if (once) this.removeEventListener(event.type, callback);
      if (typeof callback === 'function') call(callback, this, event);
      else call(callback.handleEvent, callback, event);
    }
    Event.done(event);
    return !event.defaultPrevented;
  }
}

// What a listener throws is reported, and the next one still runs.
function call(fn, self, event) {
  try {
    fn.call(self, event);
  } catch (e) {
    Promise.reject(e);
  }
}

const INTERNAL = Symbol();

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  onabort = null;
  constructor(key) {
    if (key !== INTERNAL) throw new TypeError('Illegal constructor');
    super();
  }
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static create() {
    return new AbortSignal(INTERNAL);
  }
  static trigger(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason === undefined
      ? new DOMException('The operation was aborted', 'AbortError') : reason;
    signal.dispatchEvent(new Event('abort'));
  }
  static abort(reason = undefined) {
    const signal = AbortSignal.create();
    AbortSignal.trigger(signal, reason);
    return signal;
  }
  static timeout(ms) {
    const signal = AbortSignal.create();
    startTimer(() => AbortSignal.trigger(
      signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms, []);
    return signal;
  }
  static any(signals) {
    const signal = AbortSignal.create();
    for (const s of signals) {
      if (s.aborted) {
        AbortSignal.trigger(signal, s.reason);
        return signal;
      }
    }
    for (const s of signals) {
      s.addEventListener('abort', () => AbortSignal.trigger(signal, s.reason), { once: true });
    }
    return signal;
  }
}

export class AbortController {
  #signal = AbortSignal.create();
  get signal() {
    return this.#signal;
  }
  abort(reason = undefined) {
    AbortSignal.trigger(this.#signal, reason);
  }
}
