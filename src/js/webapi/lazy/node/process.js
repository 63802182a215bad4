// node:process, and the global of that name.

const started = native.now();

// What is text in the Worker's env, then what code has set (undefined: deleted). A secret is read when it is asked for.
function environment(env) {
  const own = Object.create(null);
  const of = (name) => {
    if (typeof name !== 'string') return undefined;
    if (name in own) return own[name];
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const names = () => [...new Set([...Object.keys(own), ...Object.keys(env)])].filter((n) => of(n) !== undefined);
  return new Proxy(own, {
    get: (target, name) => of(name),
    has: (target, name) => of(name) !== undefined,
    set(target, name, value) {
      own[name] = `${value}`;
      return true;
    },
    deleteProperty(target, name) {
      own[name] = undefined;
      return true;
    },
    ownKeys: names,
    getOwnPropertyDescriptor: (target, name) => (of(name) === undefined ? undefined
      : { configurable: true, enumerable: true, writable: true, value: of(name) }),
  });
}

function refuse(name) {
  return () => {
    throw new Error(`process.${name}() has no form in a Worker here.`);
  };
}

export function processObject({ env, console }, find) {
  const listeners = new Map();
  const list = (name) => listeners.get(name) ?? [];
  const version = '22.19.0';
  const output = (write, fd) => ({ fd, isTTY: false, writable: true, columns: 80, write(text) {
    write(`${text}`.replace(/\n$/, ''));
    return true;
  } });
  const hrtime = (before = undefined) => {
    const now = native.now();
    const s = Math.floor(now / 1000), ns = Math.round((now % 1000) * 1e6);
    if (before === undefined) return [s, ns];
    const d = (s - before[0]) * 1e9 + ns - before[1];
    return [Math.floor(d / 1e9), d % 1e9];
  };
  hrtime.bigint = () => BigInt(Math.round(native.now() * 1e6));
  const process = {
    title: 'worker', version: `v${version}`, versions: { node: version }, release: { name: 'node' }, arch: 'x64', platform: 'linux', pid: 1, ppid: 0,
    argv: [], argv0: '', execArgv: [], execPath: '', exitCode: undefined, features: {}, config: {},
    env: environment(env), stdout: output((t) => console.log(t), 1), stderr: output((t) => console.error(t), 2), stdin: { fd: 0, isTTY: false },
    cwd: () => '/', umask: () => 18, uptime: () => (native.now() - started) / 1000, hrtime,
    cpuUsage: () => ({ user: 0, system: 0 }), memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
    nextTick(fn, ...args) {
      if (typeof fn !== 'function') throw new TypeError('process.nextTick: the callback is not a function');
      queueMicrotask(() => fn(...args));
    },
    emitWarning: (warning) => console.warn(`${warning?.stack ?? warning}`),
    getBuiltinModule: (name) => find(`${name}`.replace(/^node:/, '')),
    on(name, fn) {
      listeners.set(name, [...list(name), fn]);
      return process;
    },
    once(name, fn) {
      const wrapped = (...args) => {
        process.off(name, wrapped);
        fn(...args);
      };
      return process.on(name, wrapped);
    },
    off(name, fn) {
      const at = list(name).indexOf(fn);
      if (at >= 0) listeners.set(name, list(name).toSpliced(at, 1));
      return process;
    },
    removeAllListeners(name) {
      listeners.delete(name);
      return process;
    },
    emit(name, ...args) {
      for (const fn of list(name)) fn.apply(process, args);
      return list(name).length !== 0;
    },
    listeners: list, listenerCount: (name) => list(name).length, setMaxListeners: () => process, getMaxListeners: () => 0,
  };
  process.addListener = process.on;
  process.removeListener = process.off;
  for (const name of ['abort', 'binding', 'chdir', 'dlopen', 'exit', 'kill', 'reallyExit']) process[name] = refuse(name);
  return process;
}
