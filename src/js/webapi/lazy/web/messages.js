// MessageChannel, and the events that carry something.

const WAITING_MAX = 10000; // messages that wait for a port to start

export function messages({ DOMException, Event, EventTarget, post, current, enter, structuredClone }) {
  class MessageEvent extends Event {
    constructor(type, init = {}) {
      super(type, init);
      this.data = init?.data ?? null;
      this.origin = `${init?.origin ?? ''}`;
      this.lastEventId = `${init?.lastEventId ?? ''}`;
      this.source = init?.source ?? null;
      this.ports = Object.freeze([...(init?.ports ?? [])]);
    }
  }
  class CloseEvent extends Event {
    constructor(type, init = {}) {
      super(type, init);
      this.code = Number(init?.code ?? 0);
      this.reason = `${init?.reason ?? ''}`;
      this.wasClean = !!init?.wasClean;
    }
  }
  class ErrorEvent extends Event {
    constructor(type, init = {}) {
      super(type, init);
      this.message = `${init?.message ?? ''}`;
      this.filename = `${init?.filename ?? ''}`;
      this.lineno = Number(init?.lineno ?? 0);
      this.colno = Number(init?.colno ?? 0);
      this.error = init?.error;
    }
  }

  let inside = false, join;
  class MessagePort extends EventTarget {
    #other = null;
    #started = false;
    #waiting = [];
    #onmessage = null;
    constructor() {
      if (!inside) throw new TypeError('Illegal constructor');
      super();
    }
    static {
      join = (a, b) => {
        a.#other = b;
        b.#other = a;
      };
    }
    // Delivered in a turn of its own, as the task that sent it.
    postMessage(message, options = undefined) {
      const transfer = Array.isArray(options) ? options : options?.transfer ?? [];
      const data = structuredClone(message, { transfer });
      const other = this.#other;
      if (other === null) return;
      const task = current();
      const job = { go: () => {
        enter(task);
        if (other.#other !== null) other.dispatchEvent(new MessageEvent('message', { data }));
      } };
      if (other.#started) post(job);
      else if (other.#waiting.push(job) > WAITING_MAX) {
        other.#waiting.pop();
        throw new DOMException('Too many messages wait for a MessagePort that was not started.', 'QuotaExceededError');
      }
    }
    start() {
      if (this.#started) return;
      this.#started = true;
      for (const job of this.#waiting.splice(0)) post(job);
    }
    close() {
      const other = this.#other;
      this.#other = null;
      this.#waiting.length = 0;
      if (other !== null) other.close();
    }
    get onmessage() {
      return this.#onmessage;
    }
    set onmessage(fn) {
      this.#onmessage = typeof fn === 'function' ? fn : null;
      this.start();
    }
  }
  class MessageChannel {
    #ports;
    constructor() {
      inside = true;
      this.#ports = [new MessagePort(), new MessagePort()];
      inside = false;
      join(...this.#ports);
    }
    get port1() {
      return this.#ports[0];
    }
    get port2() {
      return this.#ports[1];
    }
  }
  return { CloseEvent, ErrorEvent, MessageChannel, MessageEvent, MessagePort };
}
