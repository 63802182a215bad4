// console: to the host's log, a text each, bounded.

import { DEBUG, ERROR, INFO, WARN, log } from './log.js';
import { format, inspect } from './inspect.js';

const TEXT_MAX = 12000;
const counts = new Map();
const times = new Map();
let indent = '';

function write(level, text) {
  if (indent !== '') text = indent + text.replaceAll('\n', `\n${indent}`);
  log(level, text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (cut)` : text);
}

export const console = {
  log: (...args) => write(INFO, format(args)),
  info: (...args) => write(INFO, format(args)),
  debug: (...args) => write(DEBUG, format(args)),
  warn: (...args) => write(WARN, format(args)),
  error: (...args) => write(ERROR, format(args)),
  trace: (...args) => write(DEBUG, `Trace: ${format(args)}${native.mapStack(new Error().stack ?? '')}`),
  dir: (value) => write(INFO, inspect(value)),
  dirxml: (...args) => write(INFO, format(args)),
  table: (value) => write(INFO, inspect(value)),
  assert: (ok, ...args) => {
    if (!ok) write(ERROR, args.length === 0 ? 'Assertion failed' : `Assertion failed: ${format(args)}`);
  },
  count: (label = 'default') => {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write(INFO, `${label}: ${counts.get(label)}`);
  },
  countReset: (label = 'default') => counts.delete(label),
  time: (label = 'default') => times.set(label, native.now()),
  timeLog: (label = 'default', ...args) => {
    const ms = (native.now() - (times.get(label) ?? native.now())).toFixed(3);
    write(INFO, `${label}: ${ms}ms${args.length === 0 ? '' : ` ${format(args)}`}`);
  },
  timeEnd: (label = 'default') => {
    console.timeLog(label);
    times.delete(label);
  },
  group: (...args) => {
    if (args.length !== 0) write(INFO, format(args));
    if (indent.length < 40) indent += '  ';
  },
  groupCollapsed: (...args) => console.group(...args),
  groupEnd: () => {
    indent = indent.slice(2);
  },
  // There is no screen and no profiler to tell.
  clear: () => {}, profile: () => {}, profileEnd: () => {}, timeStamp: () => {},
};
