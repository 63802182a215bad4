// What the packages take for timers: without a delay they mean "as soon as this is done", which is
// a microtask here, and may be asked for before there is a request.

export function setTimeout(fn, delay = 0, ...args) {
  if (delay > 0) return globalThis.setTimeout(fn, delay, ...args);
  queueMicrotask(() => fn(...args));
  return undefined;
}

export function clearTimeout(timer) {
  if (timer !== undefined) globalThis.clearTimeout(timer);
}
