// Modules of Node's that have no form in a Worker here: importing one is told once, and using what
// it exports throws, naming it.

export const ABSENT = new Set([
  'child_process', 'cluster', 'constants', 'dgram', 'dns', 'dns/promises', 'domain', 'fs', 'fs/promises', 'http',
  'http2', 'https', 'inspector', 'inspector/promises', 'path/win32', 'readline', 'readline/promises', 'repl', 'sea', 'sqlite',
  'test', 'tls', 'trace_events', 'v8', 'vm', 'wasi', 'worker_threads',
]);

function member(module, name) {
  const why = () => new Error(`node:${module} has no form in a Worker here: ${name} cannot be used.`);
  return { [name]: function () {
    throw why();
  } }[name];
}

// Names are made when they are asked for: an import of one finds it on the prototype.
export function absent(module, warn = null) {
  if (!ABSENT.has(module)) return undefined;
  warn?.(`node:${module} has no form in a Worker here: what it exports throws when it is used`);
  const members = new Map();
  const names = new Proxy({}, {
    get(target, name) {
      if (typeof name === 'symbol' || name === 'then' || name === '__esModule' || name === 'toJSON') return undefined;
      if (!members.has(name)) members.set(name, name === 'promises' ? absent(`${module}`) : member(module, name));
      return members.get(name);
    },
    has: (target, name) => typeof name === 'string',
  });
  return Object.create(names);
}
