// Modules of Node's, evaluated when one is imported (lazy/node.js).

import { console } from './console.js';
import { crypto } from './crypto.js';
import { env } from './env.js';
import {
  Timeout, clearTimeout, scheduler, setImmediate, setInterval, setTimeout,
} from './timers.js';

let find = null;
let bundle; // the user's: require, isLowered

export function setBundle(value) {
  bundle = value;
}

// undefined: Node has none of that name.
export function nodeModule(name) {
  find ??= native.lazy(4).create({
    console, env, require: (n) => bundle.require(n), isLowered: () => bundle.isLowered(), Timeout, webcrypto: crypto,
    define(global, value) {
      Object.defineProperty(globalThis, global, { configurable: true, writable: true, value });
    },
    libraries: () => native.lazy(5),
    timerApi: {
      clearImmediate: clearTimeout, clearInterval: clearTimeout, clearTimeout, scheduler,
      setImmediate, setInterval, setTimeout,
    },
    warn: (text) => console.warn(text),
  });
  return find(name);
}
