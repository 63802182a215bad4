// exec and execStream: one command of the shell, its output collected or as a stream of events.

import { aborted, sandboxError } from './errors.js';
import { lifeOf } from './life.js';
import { COLLECT_MAX, Collected, decoder, drain, envOf, exitCodeOf, interrupted, killOnAbort,
  refuseAborted, run, textOf, timeoutOf } from './run.js';
import { Merged } from './output.js';
import { eventStream } from './sse.js';

const RESULT_MAX = 1024 * 1024; // of each output that execStream's last event repeats

// What getSandbox(…, {enableDefaultSession: false}) calls with: no session, a shell of its own.
export const NO_SESSION = '__DISABLE_SESSION__';
// What a command without a session has for an exit status when its time is over, as timeout(1) says.
const TIMEOUT_STATUS = 124;
const OWN_SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash -c "$1"; else exec sh -c "$1"; fi';

// The name under which code sees the default session.
export function defaultSession(instance) {
  return `sandbox-${instance.name ?? 'default'}`;
}

// undefined: the default one.
export function sessionOf(instance, id) {
  if (id === undefined || id === null) return undefined;
  if (typeof id !== 'string' || id.trim() === '') throw new Error('sessionId must not be empty or whitespace');
  return id === defaultSession(instance) ? undefined : id;
}

export function publicSession(instance, session) {
  if (session === NO_SESSION) return undefined;
  return session ?? defaultSession(instance);
}

// The host's "run" for one command line in a session.
export function commandArgs(instance, command, session, options) {
  if (typeof command !== 'string' || command.trim() === '') {
    throw sandboxError('INVALID_COMMAND', 'The command is not a string with something in it.');
  }
  if (command.includes('\0')) throw sandboxError('INVALID_COMMAND', 'The command holds a NUL.');
  const life = lifeOf(instance);
  const args = { cwd: options.cwd, env: envOf(options.env),
    timeout_ms: timeoutOf(options.timeout ?? life.sessions.get(session)?.timeout) };
  if (session === NO_SESSION) {
    args.argv = ['/bin/sh', '-c', OWN_SHELL, 'sh', command];
    args.env = envOf({ ...instance.object.envVars, ...options.env });
  } else {
    args.command = command;
    args.session = session;
  }
  return args;
}

function lateText(stderr, args) {
  return `${stderr}${stderr === '' || stderr.endsWith('\n') ? '' : '\n'}Command timed out after ${args.timeout_ms}ms\n`;
}

function checkEnd(end, operation, args, signal) {
  if (signal?.aborted) throw aborted();
  if (end.how === 'lost') throw interrupted(operation);
  if (end.how === 'timeout') {
    throw sandboxError('COMMAND_EXECUTION_ERROR', `Command timeout after ${args.timeout_ms}ms`,
      { operation: 'command.execute', context: { command: args.command, exitCode: exitCodeOf(end) } });
  }
}

async function collect(running, options) {
  const out = new Collected();
  const err = new Collected();
  let over = false;
  const sink = (mine, other, name) => {
    const text = options.stream && typeof options.onOutput === 'function' ? decoder(options.encoding) : null;
    return (chunk) => {
      if (!mine.add(chunk, COLLECT_MAX, other)) {
        over = true;
        running.killNow();
        running.cancel();
        return false;
      }
      if (text !== null) {
        const data = text(chunk);
        if (data !== '') options.onOutput(name, data);
      }
      return true;
    };
  };
  try {
    await Promise.all([
      drain(running.out, sink(out, err, 'stdout')), drain(running.err, sink(err, out, 'stderr')),
    ]);
  } catch (e) {
    if (!over) {
      running.killNow();
      running.cancel();
      throw e;
    }
  }
  if (over) {
    throw sandboxError('COMMAND_EXECUTION_ERROR',
      `The command wrote more than ${COLLECT_MAX} bytes, which exec() does not collect: use execStream().`);
  }
  return [out, err];
}

// A folder that is not there is the command's failure, as it is of a shell's cd.
async function runIn(instance, args) {
  try {
    return await run(instance, args);
  } catch (e) {
    if (args.cwd === undefined || e.context?.exitCode !== 125 || !e.message.startsWith(`${args.cwd}: `)) throw e;
    return null;
  }
}

async function execute(instance, command, session, options) {
  const started = Date.now();
  const result = (exitCode, stdout, stderr) => ({
    success: exitCode === 0, exitCode, stdout, stderr, command, duration: Date.now() - started,
    timestamp: new Date(started).toISOString(), sessionId: publicSession(instance, session),
  });
  const args = commandArgs(instance, command, session, options);
  const running = await runIn(instance, args);
  if (running === null) return result(1, '', `Failed to change directory to '${args.cwd}'\n`);
  const unlisten = killOnAbort(options.signal, running);
  try {
    const [out, err] = await collect(running, options);
    const end = await running.ended;
    const texts = [textOf(out.bytes(), options.encoding), textOf(err.bytes(), options.encoding)];
    if (session === NO_SESSION && end.how === 'timeout' && !options.signal?.aborted) {
      return result(TIMEOUT_STATUS, texts[0], lateText(texts[1], args));
    }
    checkEnd(end, 'exec', args, options.signal);
    return result(exitCodeOf(end), ...texts);
  } catch (e) {
    throw options.signal?.aborted ? aborted() : e;
  } finally {
    unlisten();
  }
}

export async function exec(instance, session, command, options) {
  options ??= {};
  try {
    refuseAborted(options.signal);
    const result = await lifeOf(instance).use(() => execute(instance, command, session, options));
    if (typeof options.onComplete === 'function') options.onComplete(result);
    return result;
  } catch (e) {
    if (typeof options.onError === 'function' && e instanceof Error) options.onError(e);
    throw e;
  }
}

// The events of a running command: start, stdout and stderr as they come, complete or error.
async function* events(instance, running, session, args, options) {
  const started = Date.now();
  const { command } = options;
  const sessionId = publicSession(instance, session);
  const stamp = (event) => ({ ...event, timestamp: new Date().toISOString(), command, sessionId });
  yield stamp({ type: 'start', pid: running.pid });
  const text = { stdout: decoder(options.encoding), stderr: decoder(options.encoding) };
  const kept = { stdout: '', stderr: '' };
  const merged = new Merged({ stdout: running.out, stderr: running.err });
  const dataEvent = (name, data) => {
    if (kept[name] !== null) kept[name] = kept[name].length + data.length > RESULT_MAX ? null : kept[name] + data;
    return stamp({ type: name, data });
  };
  for (let next = await merged.next(); next !== null; next = await merged.next()) {
    const data = text[next.name](next.chunk);
    if (data !== '') yield dataEvent(next.name, data);
  }
  for (const name of ['stdout', 'stderr']) {
    const rest = text[name](null, true);
    if (rest !== '') yield dataEvent(name, rest);
  }
  const end = await running.ended;
  checkEnd(end, 'execStream', args, options.signal);
  const exitCode = exitCodeOf(end);
  const complete = stamp({ type: 'complete', exitCode });
  if (kept.stdout !== null && kept.stderr !== null) {
    complete.result = {
      success: exitCode === 0, exitCode, stdout: kept.stdout, stderr: kept.stderr, command,
      duration: Date.now() - started, timestamp: new Date(started).toISOString(), sessionId,
    };
  }
  yield complete;
}

// A ReadableStream of server-sent events. Cancelling it ends the command.
export async function execStream(instance, session, command, options) {
  options ??= {};
  refuseAborted(options.signal);
  const life = lifeOf(instance);
  const args = commandArgs(instance, command, session, options);
  const running = await life.use(() => run(instance, args));
  const unlisten = killOnAbort(options.signal, running);
  running.ended.then(unlisten);
  return eventStream(instance, events(instance, running, session, args, { ...options, command }), {
    failed: (e) => ({
      type: 'error', error: e.message, data: e.message, timestamp: new Date().toISOString(), command,
    }),
    cancel() {
      running.kill(15).catch(() => {});
      running.cancel();
    },
  });
}
