// Modules of Node's that have no form in a Worker here: importing one is told once, and using what
// it exports throws, naming it. So do parts of the SDK that have no local form.

export const ABSENT = new Set([
  'child_process', 'cluster', 'constants', 'dgram', 'dns', 'dns/promises', 'domain', 'fs', 'fs/promises', 'http',
  'http2', 'https', 'inspector', 'inspector/promises', 'path/win32', 'readline', 'readline/promises', 'repl', 'sea', 'sqlite',
  'test', 'tls', 'trace_events', 'v8', 'vm', 'wasi', 'worker_threads',
]);

function member(module, name) {
  const why = () => new Error(`${module} has no form in a Worker here: ${name} cannot be used.`);
  return { [name]: function () {
    throw why();
  } }[name];
}

// A module that is named whole. Names are made when they are asked for: an import of one finds it on
// the prototype.
export function absentModule(module, warn = null) {
  warn?.(`${module} has no form in a Worker here: what it exports throws when it is used`);
  const members = new Map();
  const names = new Proxy({}, {
    get(target, name) {
      if (typeof name === 'symbol' || name === 'then' || name === '__esModule' || name === 'toJSON') return undefined;
      if (!members.has(name)) members.set(name, name === 'promises' ? absentModule(module) : member(module, name));
      return members.get(name);
    },
    has: (target, name) => typeof name === 'string',
  });
  return Object.create(names);
}

export function absent(name, warn) {
  return ABSENT.has(name) ? absentModule(`node:${name}`, warn) : undefined;
}
