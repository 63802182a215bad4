// Modules of Node's, evaluated when one is imported (lazy/node.js).

import { console } from './console.js';
import { crypto } from './crypto.js';
import { env } from './env.js';
import {
  Timeout, clearTimeout, scheduler, setImmediate, setInterval, setTimeout,
} from './timers.js';

let find = null;
let of;

// undefined: Node has none of that name. bundle is what the user's has: require, isLowered.
export function nodeModule(name, bundle = undefined) {
  of = bundle ?? of;
  find ??= native.lazy(4).create({
    console, env, require: (n) => of.require(n), isLowered: () => of.isLowered(), Timeout, webcrypto: crypto,
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
