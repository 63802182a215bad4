// Small globals: navigator, performance, the events of the global object.

import { EventTarget } from './events.js';

export class Navigator {
  get userAgent() {
    return 'Cloudflare-Workers';
  }
  get hardwareConcurrency() {
    return 1;
  }
  get language() {
    return 'en';
  }
  get languages() {
    return ['en'];
  }
  get platform() {
    return 'Linux';
  }
}

const timeOrigin = native.wall();
const startedAt = native.now();
let kept; // gives what keeps marks and measures (lazy/web/entries.js)

export class Performance {
  static keptBy(fn) {
    kept = fn;
    delete Performance.keptBy;
  }
  get timeOrigin() {
    return timeOrigin;
  }
  now() {
    return native.now() - startedAt;
  }
  toJSON() {
    return { timeOrigin };
  }
}
for (const name of ['mark', 'measure', 'clearMarks', 'clearMeasures', 'getEntries', 'getEntriesByName', 'getEntriesByType']) {
  Object.defineProperty(Performance.prototype, name, {
    configurable: true, writable: true, value: (...args) => kept()[name](...args),
  });
}
export const performance = new Performance();

// A module's handlers are exported; what else is listened for, nothing but code dispatches.
const HANDLERS = new Set(['fetch', 'scheduled', 'alarm', 'email', 'queue', 'tail', 'trace']);
const target = new EventTarget();
export const globalEvents = {
  addEventListener(type, listener, options) {
    if (HANDLERS.has(`${type}`)) {
      throw new TypeError(`addEventListener("${type}") is the service worker form: write "export default { ${type}(…) {…} }".`);
    }
    target.addEventListener(type, listener, options);
  },
  removeEventListener: (type, listener) => target.removeEventListener(type, listener),
  dispatchEvent: (event) => target.dispatchEvent(event),
};

export class WebSocketRequestResponsePair {
  #request;
  #response;
  constructor(request, response) {
    this.#request = `${request}`;
    this.#response = `${response}`;
  }
  get request() {
    return this.#request;
  }
  get response() {
    return this.#response;
  }
}
