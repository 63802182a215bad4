// Small modules of Node's.

export function timers({ timerApi, Timeout }) {
  const api = { ...timerApi, Timeout };
  const { setTimeout: later, setInterval: every, setImmediate: soon, clearInterval: stop, scheduler } = timerApi;
  const wait = (place, start) => (...args) => new Promise((resolve, reject) => {
    const signal = args[place]?.signal;
    signal?.throwIfAborted();
    const stopped = () => {
      timerApi.clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = start((value) => {
      signal?.removeEventListener('abort', stopped);
      resolve(value);
    }, ...args);
    signal?.addEventListener('abort', stopped, { once: true });
  });
  api.promises = {
    scheduler,
    setTimeout: wait(2, (done, ms, value) => later(done, ms, value)),
    setImmediate: wait(1, (done, value) => soon(done, value)),
    async *setInterval(ms, value = undefined, options = undefined) {
      const signal = options?.signal;
      signal?.throwIfAborted();
      let wake, due = 0;
      const timer = every(() => {
        due++;
        wake?.();
      }, ms);
      const stopped = () => wake?.();
      signal?.addEventListener('abort', stopped, { once: true });
      try {
        for (;;) {
          signal?.throwIfAborted();
          if (due === 0) {
            await new Promise((resolve) => {
              wake = resolve;
            });
            continue;
          }
          due--;
          yield value;
        }
      } finally {
        stop(timer);
        signal?.removeEventListener('abort', stopped);
      }
    },
  };
  return api;
}

const V4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

function isIPv6(text) {
  const bare = `${text}`.split('%')[0];
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(bare) && URL.canParse(`http://[${bare}]/`);
}

// Addresses can be told apart; nothing is dialled here.
export function net() {
  const isIPv4 = (text) => V4.test(`${text}`);
  const refuse = (name) => function () {
    throw new Error(`node:net has no form in a Worker here: ${name} cannot be used.`);
  };
  const names = ['BlockList', 'Server', 'Socket', 'SocketAddress', 'Stream', 'connect', 'createConnection', 'createServer'];
  return {
    isIPv4, isIPv6, isIP: (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0),
    ...Object.fromEntries(names.map((name) => [name, refuse(name)])),
  };
}

export function os() {
  return {
    EOL: '\n', devNull: '/dev/null', arch: () => 'x64', availableParallelism: () => 1, constants: { signals: {}, errno: {}, priority: {} }, cpus: () => [],
    endianness: () => 'LE', freemem: () => 0, homedir: () => '/', hostname: () => 'localhost', loadavg: () => [0, 0, 0], machine: () => 'x86_64',
    networkInterfaces: () => ({}), platform: () => 'linux', release: () => '', tmpdir: () => '/tmp', totalmem: () => 0, type: () => 'Linux',
    uptime: () => 0, userInfo: () => ({ uid: -1, gid: -1, username: 'worker', homedir: '/', shell: null }), version: () => '',
  };
}

export function tty() {
  const refuse = (name) => class {
    constructor() {
      throw new Error(`node:tty has no form in a Worker here: ${name} cannot be used.`);
    }
  };
  return { isatty: () => false, ReadStream: refuse('ReadStream'), WriteStream: refuse('WriteStream') };
}

export function perfHooks() {
  const { performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure } = globalThis;
  return { performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, constants: {} };
}

export function consoleModule({ console }) {
  return Object.assign(Object.create(console), console, { Console: class Console {
    constructor() {
      return Object.create(console);
    }
  } });
}

export function moduleModule(node, names) {
  const isBuiltin = (name) => names.includes(`${name}`.replace(/^node:/, ''));
  const createRequire = () => (name) => node.require(`${name}`);
  const Module = { builtinModules: names, createRequire, isBuiltin };
  return { ...Module, Module };
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const isView = (name) => (value) => ArrayBuffer.isView(value) && Reflect.get(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag, value) === name;

export function types({ library }, find) {
  const typed = ['BigInt64Array', 'BigUint64Array', 'Float32Array', 'Float64Array', 'Int16Array', 'Int32Array',
    'Int8Array', 'Uint16Array', 'Uint32Array', 'Uint8Array', 'Uint8ClampedArray'];
  return {
    ...library('util').types, isProxy: () => false, isExternal: () => false, isModuleNamespaceObject: () => false,
    isNativeError: (value) => value instanceof Error, isPromise: (value) => value instanceof Promise, isDate: (value) => tag(value) === 'Date',
    isRegExp: (value) => value instanceof RegExp, isMap: (value) => value instanceof Map, isSet: (value) => value instanceof Set,
    isAnyArrayBuffer: (value) => value instanceof ArrayBuffer, isArrayBuffer: (value) => value instanceof ArrayBuffer,
    isAsyncFunction: (value) => tag(value) === 'AsyncFunction', isGeneratorFunction: (value) => /GeneratorFunction$/.test(tag(value)),
    isCryptoKey: (value) => value instanceof CryptoKey, isKeyObject: (value) => value instanceof find('crypto').KeyObject, isArrayBufferView: (value) => ArrayBuffer.isView(value),
    ...Object.fromEntries(typed.map((name) => [`is${name}`, isView(name)])),
  };
}
