// node:async_hooks: AsyncLocalStorage. What runs later runs with the stores of the code that put it
// off: promises, microtasks and timers take them along. The engine tells nobody of an `await`, so
// the bundler writes those of a bundle that imports this module as promises (config/esbuild.c).

let frame = null; // {storage, store, next}, newest first; never changed

function withFrame(kept, fn, self, args) {
  const before = frame;
  frame = kept;
  try {
    return fn.apply(self, args);
  } finally {
    frame = before;
  }
}

function bound(fn) {
  if (typeof fn !== 'function' || frame === null) return fn;
  const kept = frame;
  return function (...args) {
    return withFrame(kept, fn, this, args);
  };
}

let installed = false;

// Without a store in sight nothing is wrapped.
function install(core) {
  if (installed) return;
  installed = true;
  const { then } = Promise.prototype;
  Object.defineProperty(Promise.prototype, 'then', {
    configurable: true, writable: true,
    value: function (onFulfilled, onRejected) {
      if (frame === null) return then.call(this, onFulfilled, onRejected);
      return then.call(this, bound(onFulfilled), bound(onRejected));
    },
  });
  for (const name of ['queueMicrotask', 'setTimeout', 'setInterval', 'setImmediate']) {
    const original = globalThis[name];
    core.define(name, { [name]: (fn, ...args) => original(bound(fn), ...args) }[name]);
  }
}

export function asyncHooks(core) {
  install(core);
  if (!core.isLowered()) {
    core.warn('node:async_hooks: the bundle has async generators or "for await": AsyncLocalStorage loses its store at an await');
  }
  class AsyncLocalStorage {
    #disabled = false;
    #default;
    constructor(options = {}) {
      this.#default = options?.defaultValue;
      this.name = options?.name ?? '';
    }
    static bind(fn) {
      return AsyncResource.bind(fn);
    }
    static snapshot() {
      const kept = frame;
      return (fn, ...args) => withFrame(kept, fn, undefined, args);
    }
    getStore() {
      if (this.#disabled) return undefined;
      for (let f = frame; f !== null; f = f.next) if (f.storage === this) return f.store;
      return this.#default;
    }
    run(store, fn, ...args) {
      this.#disabled = false;
      return withFrame({ storage: this, store, next: frame }, fn, undefined, args);
    }
    exit(fn, ...args) {
      return this.run(undefined, fn, ...args);
    }
    enterWith() {
      throw new Error('asyncLocalStorage.enterWith() has no form in a Worker: use run().');
    }
    disable() {
      this.#disabled = true;
    }
  }

  let lastId = 1;
  class AsyncResource {
    #frame = frame;
    #id = ++lastId;
    constructor(type) {
      if (typeof type !== 'string') throw new TypeError('new AsyncResource(): the type is not a string');
      this.type = type;
    }
    static bind(fn, type = 'bound-anonymous-fn') {
      return new AsyncResource(type).bind(fn);
    }
    bind(fn) {
      const kept = this.#frame;
      return function (...args) {
        return withFrame(kept, fn, this, args);
      };
    }
    runInAsyncScope(fn, self = undefined, ...args) {
      return withFrame(this.#frame, fn, self, args);
    }
    asyncId() {
      return this.#id;
    }
    triggerAsyncId() {
      return 0;
    }
    emitDestroy() {
      return this;
    }
  }
  return {
    AsyncLocalStorage, AsyncResource, executionAsyncId: () => 0, triggerAsyncId: () => 0, executionAsyncResource: () => ({}),
    asyncWrapProviders: {},
    createHook() {
      throw new Error('node:async_hooks: createHook() has no form in a Worker.');
    },
  };
}
