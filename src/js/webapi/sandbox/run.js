// Running a process: its descriptors, its end, and the conversions of what it wrote.

import { toBytes } from '../body.js';
import { TextDecoder } from '../encoding.js';
import { btoa } from '../encoding.js';
import { ask } from './calls.js';
import { aborted, sandboxError } from './errors.js';
import { lifeOf } from './life.js';

export const COLLECT_MAX = 64 * 1024 * 1024; // bytes that one call collects of a process's output
const SIGKILL = 9;

const SIGNALS = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGUSR1: 10, SIGUSR2: 12, SIGPIPE: 13,
  SIGALRM: 14, SIGTERM: 15, SIGCHLD: 17, SIGCONT: 18, SIGSTOP: 19, SIGTSTP: 20, SIGWINCH: 28,
};

export function signalNumber(signal, fallback = 15) {
  if (signal === undefined || signal === null) return fallback;
  const number = typeof signal === 'number' ? signal
    : SIGNALS[`${signal}`.toUpperCase()] ?? SIGNALS[`SIG${`${signal}`.toUpperCase()}`] ?? Number(signal);
  if (!Number.isInteger(number) || number < 1 || number > 64) throw new Error(`Unknown signal: ${signal}`);
  return number;
}

// As a shell counts: the status, or 128 + the signal's number.
export function exitCodeOf({ how, number }) {
  return how === 'exit' ? number : 128 + (how === 'timeout' ? SIGKILL : number);
}

// A process that the host started for us.
export class Running {
  constructor(instance, answer) {
    this.instance = instance;
    this.number = answer.value.process;
    this.pid = answer.value.pid;
    this.out = answer.out;
    this.err = answer.err;
    this.how = null;
    this.ended = new Promise((resolve) => {
      this.resolve = resolve;
    });
    lifeOf(instance).processes.set(this.number, this);
  }
  end(how, number) {
    this.how = how;
    this.out?.processEnded();
    this.err?.processEnded();
    this.resolve({ how, number });
  }
  // Whether it keeps the sandbox awake.
  isUsed() {
    return true;
  }
  // A process that has ended already is no error.
  async kill(signal) {
    if (this.how !== null) return;
    await ask(this.instance, 'signal', { process: this.number, signal });
  }
  killNow() {
    this.kill(SIGKILL).catch(() => {});
  }
  cancel() {
    this.out?.cancel();
    this.err?.cancel();
  }
}

function refused(error, command) {
  const found = /^(12[567]): ([\s\S]*)$/.exec(error.message);
  if (found === null) return error;
  const code = { 125: 'COMMAND_EXECUTION_ERROR', 126: 'COMMAND_PERMISSION_DENIED', 127: 'COMMAND_NOT_FOUND' };
  return sandboxError(code[found[1]], found[2], {
    operation: 'command.execute', context: { command, exitCode: Number(found[1]) },
  });
}

export function isSessionThere(error) {
  return /there is one of this name/.test(error.message);
}

// A session that is named and is not there is made.
export async function ensureSession(instance, name) {
  const { sessions } = lifeOf(instance);
  if (name === undefined || sessions.has(name)) return;
  try {
    await ask(instance, 'session', { op: 'create', name });
  } catch (e) {
    if (!isSessionThere(e)) throw e;
  }
  if (!sessions.has(name)) sessions.set(name, { timeout: undefined });
}

// args: those of the host's "run". -> Running
export async function run(instance, args, input = null) {
  let running = null;
  try {
    await ensureSession(instance, args.session);
    await ask(instance, 'run', args, input, (answer) => {
      running = new Running(instance, answer);
    });
  } catch (e) {
    throw refused(e, args.command ?? (args.argv ?? args.file).join(' '));
  }
  return running;
}

export function interrupted(operation) {
  return sandboxError('OPERATION_INTERRUPTED',
    `${operation} was interrupted: the sandbox ended before the command did`,
    { context: { reason: 'runtime_replaced', operation, phase: 'execute', admitted: true, retryable: true } });
}

// env of options: an undefined value is not said.
export function envOf(env) {
  const pairs = Object.entries(env ?? {}).filter(([, v]) => v !== undefined);
  return pairs.length === 0 ? undefined
    : Object.fromEntries(pairs.map(([k, v]) => [k, v === null ? null : `${v}`]));
}

export function timeoutOf(ms) {
  if (ms === undefined || ms === null) return undefined;
  if (typeof ms !== 'number' || !(ms >= 0)) throw new TypeError('timeout is not a number of milliseconds');
  return ms === 0 ? undefined : Math.min(Math.max(1, Math.ceil(ms)), 0x7fffffff);
}

// Kills the process when the signal aborts; returns what undoes the listening.
export function killOnAbort(signal, running) {
  if (signal === undefined || signal === null) return () => {};
  if (signal.aborted) {
    running.killNow();
    return () => {};
  }
  const listener = () => running.killNow();
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

export function refuseAborted(signal) {
  if (signal?.aborted) throw aborted();
}

export class Collected {
  chunks = [];
  size = 0;
  add(chunk, max, other) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    return this.size + other.size <= max;
  }
  bytes() {
    if (this.chunks.length === 1) return this.chunks[0];
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}

// Reads one output to its end. sink(chunk) false: enough.
export async function drain(output, sink) {
  for (;;) {
    let chunk = output.next();
    if (chunk instanceof Promise) chunk = await chunk;
    if (chunk === null) return;
    if (sink(chunk) === false) return;
  }
}

export function base64(bytes) {
  return btoa(native.latin1Decode(bytes));
}

// Text of bytes that come in pieces; a character that is cut in two waits for its rest.
export function decoder(encoding = 'utf8') {
  const name = `${encoding}`.toLowerCase();
  if (name === 'utf8' || name === 'utf-8') {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    return (bytes, last = false) => utf8.decode(bytes ?? new Uint8Array(0), { stream: !last });
  }
  if (name === 'latin1' || name === 'binary') {
    return (bytes) => (bytes === null ? '' : native.latin1Decode(bytes));
  }
  if (name === 'base64') {
    let rest = new Uint8Array(0); // base64 of pieces joins only at multiples of three
    return (bytes, last = false) => {
      const all = new Uint8Array(rest.length + (bytes?.length ?? 0));
      all.set(rest);
      if (bytes) all.set(bytes, rest.length);
      const take = last ? all.length : all.length - (all.length % 3);
      rest = all.slice(take);
      return base64(all.subarray(0, take));
    };
  }
  throw new TypeError(`Unknown encoding "${encoding}": utf8, latin1 or base64.`);
}

// Like decoder, of all bytes at once.
export function textOf(bytes, encoding) {
  return decoder(encoding)(toBytes(bytes), true);
}
