// node:diagnostics_channel.

export function channels() {
  const all = new Map();
  class Channel {
    #subscribers = [];
    constructor(name) {
      this.name = name;
    }
    get hasSubscribers() {
      return this.#subscribers.length !== 0;
    }
    subscribe(fn) {
      this.#subscribers = [...this.#subscribers, fn];
    }
    unsubscribe(fn) {
      const at = this.#subscribers.indexOf(fn);
      if (at >= 0) this.#subscribers = this.#subscribers.toSpliced(at, 1);
      return at >= 0;
    }
    publish(message) {
      for (const fn of this.#subscribers) {
        try {
          fn(message, this.name);
        } catch (e) {
          Promise.reject(e); // reported, and the next one still runs
        }
      }
    }
    runStores(context, fn, self = undefined, ...args) {
      this.publish(context);
      return fn.apply(self, args);
    }
  }
  const channel = (name) => {
    if (!all.has(name)) all.set(name, new Channel(name));
    return all.get(name);
  };
  const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
  class TracingChannel {
    constructor(names) {
      for (const event of EVENTS) this[event] = typeof names === 'string' ? channel(`tracing:${names}:${event}`) : names[event];
    }
    get hasSubscribers() {
      return EVENTS.some((event) => this[event].hasSubscribers);
    }
    subscribe(handlers) {
      for (const event of EVENTS) if (handlers[event]) this[event].subscribe(handlers[event]);
    }
    unsubscribe(handlers) {
      return EVENTS.every((event) => !handlers[event] || this[event].unsubscribe(handlers[event]));
    }
    traceSync(fn, context = {}, self = undefined, ...args) {
      this.start.publish(context);
      try {
        return context.result = fn.apply(self, args);
      } catch (e) {
        context.error = e;
        this.error.publish(context);
        throw e;
      } finally {
        this.end.publish(context);
      }
    }
    tracePromise(fn, context = {}, self = undefined, ...args) {
      const settled = (name, value) => {
        context[name] = value;
        if (name === 'error') this.error.publish(context);
        this.asyncStart.publish(context);
        this.asyncEnd.publish(context);
      };
      const promise = Promise.resolve(this.traceSync(fn, context, self, ...args));
      return promise.then((v) => (settled('result', v), v), (e) => {
        settled('error', e);
        throw e;
      });
    }
  }
  return {
    Channel, TracingChannel, channel, tracingChannel: (names) => new TracingChannel(names),
    hasSubscribers: (name) => all.get(name)?.hasSubscribers ?? false,
    subscribe: (name, fn) => channel(name).subscribe(fn), unsubscribe: (name, fn) => channel(name).unsubscribe(fn),
  };
}
