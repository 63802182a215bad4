// The host's log, for the shim's own words.

import { current } from './task.js';

export const ERROR = 0, WARN = 1, INFO = 2, DEBUG = 3;

export function log(level, text) {
  const instance = current === null ? null : current.instance;
  native.log(level, instance === null ? 0 : instance.number, text);
}

export function logWarn(text) {
  log(WARN, text);
}
