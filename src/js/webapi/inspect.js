// What console.log prints of a value, in node's manner; bounded in depth, items and length. Getters
// are named, not run: a secret of env does not come out by printing env.

const DEPTH = 3, ITEMS = 100, STRING = 10000, LINE = 76, CAUSES = 8;
const TEXT = 100000; // characters of one value, about: what comes after them is left out

// An error that came over RPC has no stack of the place where it was thrown; the log shows that one.
const origins = new WeakMap();
export function rememberOrigin(copy, original) {
  if (original instanceof Error) origins.set(copy, original);
}

function cutText(text) {
  return text.length > STRING ? `${text.slice(0, STRING)}…` : text;
}

export function errorText(e, depth = 0, seen = []) {
  while (origins.has(e)) e = origins.get(e);
  let name, message, stack, cause;
  try {
    if (typeof e === 'string') return cutText(e);
    if (!(e instanceof Error)) return inspect(e, depth, seen);
    if (seen.includes(e)) return '[Circular]';
    name = cutText(`${e.name}`);
    message = cutText(`${e.message}`);
    stack = `${e.stack ?? ''}`;
    if (e.cause === undefined) cause = '';
    else cause = `\n  [cause]: ${depth < CAUSES ? errorText(e.cause, depth + 1, [...seen, e]) : '…'}`;
  } catch {
    return 'an error that cannot be read';
  }
  const head = message === '' ? name : `${name}: ${message}`;
  return head + native.mapStack(stack) + cause;
}

function quote(text) {
  const cut = cutText(text);
  const q = !cut.includes("'") ? "'" : !cut.includes('"') ? '"' : '`';
  return q + JSON.stringify(cut).slice(1, -1).replaceAll('\\"', '"') + q;
}

function keyText(key) {
  if (typeof key === 'symbol') return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
}

function property(object, key, depth, seen) {
  const d = Object.getOwnPropertyDescriptor(object, key);
  if (d === undefined) return 'undefined';
  if ('value' in d) return inspect(d.value, depth + 1, seen);
  return d.get === undefined ? '[Setter]' : d.set === undefined ? '[Getter]' : '[Getter/Setter]';
}

function wrap(open, parts, close) {
  if (parts.length === 0) return `${open}${close}`;
  const line = `${open} ${parts.join(', ')} ${close}`;
  if (line.length <= LINE && !line.includes('\n')) return line;
  return `${open}\n  ${parts.join(',\n').replaceAll('\n', '\n  ')}\n${close}`;
}

let left = TEXT; // of the value that is shown

function bounded(list, each) {
  const parts = [];
  let n = 0;
  for (const item of list) {
    if (n++ >= ITEMS || left <= 0) break;
    parts.push(each(item));
  }
  return parts;
}

function className(value) {
  let p = Object.getPrototypeOf(value);
  if (p === null) return '[Object: null prototype]';
  for (; p !== null; p = Object.getPrototypeOf(p)) {
    const d = Object.getOwnPropertyDescriptor(p, 'constructor');
    if (typeof d?.value === 'function' && d.value.name !== '') return d.value.name;
  }
  return 'Object';
}

function inspectObject(value, depth, seen) {
  if (value instanceof Error) return errorText(value, depth, seen);
  const name = className(value);
  if (typeof value === 'function') {
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    return `[${isClass ? 'class' : 'Function'}${value.name === '' ? ' (anonymous)' : isClass ? ` ${value.name}` : `: ${value.name}`}]`;
  }
  if (value instanceof Date) return Number.isNaN(+value) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise) return 'Promise { … }';
  if (seen.includes(value)) return '[Circular]';
  if (depth >= DEPTH) return Array.isArray(value) ? '[Array]' : `[${name}]`;
  seen = [...seen, value];
  const inner = (v) => inspect(v, depth + 1, seen);
  if (Array.isArray(value)) {
    const parts = bounded(value, inner);
    if (value.length > ITEMS) parts.push(`… ${value.length - ITEMS} more items`);
    return wrap('[', parts, ']');
  }
  if (value instanceof Map) {
    return wrap(`Map(${value.size}) {`, bounded(value, ([k, v]) => `${inner(k)} => ${inner(v)}`), '}');
  }
  if (value instanceof Set) return wrap(`Set(${value.size}) {`, bounded(value, inner), '}');
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return wrap(`${name}(${value.length}) [`, bounded(value, String), ']');
  }
  if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
  const own = described(value);
  const keys = own === null ? Reflect.ownKeys(value).filter(
    (k) => Object.getOwnPropertyDescriptor(value, k)?.enumerable) : Object.keys(own);
  const parts = bounded(keys, (k) => `${keyText(k)}: ${property(own ?? value, k, depth, seen)}`);
  if (keys.length > ITEMS) parts.push(`… ${keys.length - ITEMS} more`);
  return wrap(name === 'Object' ? '{' : `${name} {`, parts, '}');
}

// Objects of ours keep their state in private fields; this is what they show.
const describers = [];
export function describe(test, facts) {
  describers.push([test, facts]);
}
function described(value) {
  for (const [test, facts] of describers) if (test(value)) return facts(value);
  return null;
}

function inspectValue(value, depth) {
  if (typeof value === 'string') return depth === 0 ? value : quote(value);
  if (value === null) return 'null';
  if (typeof value === 'bigint') return `${value}n`;
  if (Object.is(value, -0)) return '-0';
  return String(value);
}

export function inspect(value, depth = 0, seen = []) {
  if (depth === 0) left = TEXT;
  if (value !== null && (typeof value === 'object' || typeof value === 'function')) {
    try {
      return inspectObject(value, depth, seen);
    } catch {
      return '[an object that cannot be shown]';
    }
  }
  const text = inspectValue(value, depth);
  left -= text.length;
  return text;
}

// console.log('%s is %d', …) and plain lists.
export function format(args) {
  let i = 0;
  let out = '';
  if (typeof args[0] === 'string' && args.length > 1 && args[0].includes('%')) {
    i = 1;
    out = args[0].replace(/%[sdifjoOc%]/g, (m) => {
      if (m === '%%') return '%';
      if (i >= args.length) return m;
      const v = args[i++];
      if (m === '%s') return typeof v === 'string' ? v : inspect(v, 1);
      if (m === '%d') return String(Number(v));
      if (m === '%i') return String(parseInt(v, 10));
      if (m === '%f') return String(parseFloat(v));
      if (m === '%j') return JSON.stringify(v);
      return m === '%c' ? '' : inspect(v, 1);
    });
  }
  for (; i < args.length; i++) {
    const v = args[i];
    out += (i === 0 ? '' : ' ') + (typeof v === 'string' ? v : inspect(v));
  }
  return out;
}
