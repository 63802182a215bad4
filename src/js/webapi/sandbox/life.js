// The life of an instance's sandbox as its object sees it. The supervisor starts and ends it; here
// is what code is told of it, which hooks run, and when it is put to sleep.
//
//     stopped --start--> running --containerEnded--> stopped
//     Calls that find it stopped share one start and wait for its onStart. Calls that find it
//     running do not wait: those that onStart itself makes are among them.

import { SERVES_AT_ONCE } from '../bases.js';
import { errorText } from '../inspect.js';
import { ERROR, log } from '../log.js';
import { instanceOf } from '../objects.js';
import { enter } from '../task.js';
import { startTimerOf } from '../timers.js';
import { ask, asInstance } from './calls.js';

const UNITS = { s: 1, m: 60, h: 3600 };
const BUSY_AGAIN_MS = 1000; // when something that code did not start still runs

// Seconds of "30s", "5m", "1h" or a number.
export function seconds(expression) {
  if (typeof expression === 'number') return expression;
  if (typeof expression !== 'string') {
    throw new Error(`invalid type for a time expression: ${typeof expression}`);
  }
  const found = /^(\d+)([smh])$/.exec(expression);
  if (found === null) throw new Error(`invalid time expression ${expression}`);
  return Number(found[1]) * UNITS[found[2]];
}

function startArgs(object, options) {
  const args = {};
  const env = options.envVars ?? object.envVars;
  const entrypoint = options.entrypoint ?? object.entrypoint;
  const internet = options.enableInternet;
  if (env !== undefined && env !== null) {
    const pairs = Object.entries(env).filter(([, v]) => v !== undefined && v !== null);
    if (pairs.length !== 0) args.env = Object.fromEntries(pairs.map(([k, v]) => [k, `${v}`]));
  }
  if (entrypoint !== undefined && entrypoint !== null) {
    if (!Array.isArray(entrypoint)) throw new TypeError('entrypoint is not an array of strings');
    args.entrypoint = entrypoint.map((a) => `${a}`);
  }
  if (internet !== undefined) args.internet = !!internet;
  return args;
}

class Life {
  constructor(instance) {
    this.instance = instance;
    this.running = false;
    this.status = { status: 'stopped', lastChange: Date.now() };
    this.starting = null; // promise of the start that is under way
    this.hook = null; // promise of onStart
    this.asked = false; // code asked it to end
    this.processes = new Map(); // number -> Running (run.js)
    this.background = new Map(); // id -> record (process.js)
    this.changes = new Map(); // key -> Changes (watch.js)
    this.watches = 0; // how many there have been
    this.sessions = new Map(); // id -> {timeout} (session.js)
    this.generation = 0;
    this.adopted = 0; // the generation whose running processes are known (process.js)
    this.inflight = 0;
    this.deadline = 0;
    this.timer = null; // it ends with the object's task
    this.sleepAfter = null; // what setSleepAfter said, in seconds
    this.keepAlive = false;
    this.timeouts = {}; // what setContainerTimeouts said
    this.monitors = [];
  }

  // -- starting ---------------------------------------------------------------------------------

  // Nothing to wait for when it runs.
  ensure(options = {}) {
    if (this.starting !== null) return this.starting;
    if (this.running) return null;
    this.starting = this.#begin(options).finally(() => {
      this.starting = null;
    });
    return this.starting;
  }
  async #begin(options) {
    try {
      await ask(this.instance, 'start', startArgs(this.instance.object, options));
    } catch (e) {
      const error = new Error(`The sandbox could not be started: ${e.message}`, { cause: e });
      await this.tellError(error);
      throw error;
    }
    if (!this.running) this.started(true);
    await this.hook;
  }
  started(anew) {
    if (this.running) return;
    this.running = true;
    this.asked = false;
    this.generation++;
    this.#change(this.instance.object?.[SERVES_AT_ONCE] ? 'healthy' : 'running');
    this.renew();
    if (!anew) return;
    const hook = this.#hook('onStart', []);
    this.hook = hook;
    hook.catch(() => {}).finally(() => {
      if (this.hook === hook) this.hook = null;
    });
    if (this.starting === null) {
      hook.catch((e) => log(ERROR, `onStart: ${errorText(e)}`)); // nobody waits for it
    }
  }
  // Other events of the object wait for the hook.
  #hook(name, args) {
    return asInstance(this.instance, async () => {
      const object = this.instance.object;
      if (typeof object?.[name] !== 'function') return;
      let failure = null;
      const run = async () => {
        try {
          await object[name](...args);
        } catch (e) {
          failure = { e };
        }
      };
      await (object.ctx?.blockConcurrencyWhile?.(run) ?? run());
      if (failure !== null) throw failure.e;
    });
  }
  async tellError(error) {
    try {
      await this.#hook('onError', [error]);
    } catch {
      // what the hook throws replaces nothing: the error itself goes to the caller
    }
  }
  #change(status, exitCode) {
    this.status = { status, lastChange: Date.now() };
    if (exitCode !== undefined) this.status.exitCode = exitCode;
  }
  healthy() {
    if (this.running) this.#change('healthy');
  }

  // -- ending -----------------------------------------------------------------------------------

  async end(op, args) {
    this.asked = true;
    if (this.running) this.#change('stopping');
    await ask(this.instance, op, args);
  }
  ended(exitCode, why) {
    if (!this.running) return;
    this.running = false;
    this.sessions.clear();
    for (const number of [...this.processes.keys()]) this.processEnded(number, 'lost', 0);
    this.#disarm();
    const asked = this.asked;
    if (asked) this.#change('stopped');
    else this.#change('stopped_with_code', exitCode);
    for (const tell of this.monitors.splice(0)) tell(exitCode, why, asked);
    this.#endHooks(exitCode, why, asked).catch((e) => log(ERROR, `onStop: ${errorText(e)}`));
  }
  async #endHooks(exitCode, why, asked) {
    if (why !== '' && !asked) await this.tellError(new Error(why));
    await this.#hook('onStop', [{ exitCode, reason: asked ? 'runtime_signal' : 'exit' }]);
  }
  processEnded(number, how, code) {
    const running = this.processes.get(number);
    if (running === undefined) return;
    this.processes.delete(number);
    running.end(how, code);
    if (running.isUsed()) this.renew();
  }

  // -- sleeping ---------------------------------------------------------------------------------

  // Runs fn as a use of the sandbox: it is not idle meanwhile.
  async use(fn) {
    this.inflight++;
    try {
      const start = this.ensure();
      if (start !== null) await start;
      return await fn();
    } finally {
      this.inflight--;
      this.renew();
    }
  }
  sleepMs() {
    return (this.sleepAfter ?? seconds(this.instance.object?.sleepAfter ?? '10m')) * 1000;
  }
  renew() {
    if (!this.running || this.keepAlive) return;
    this.deadline = native.now() + this.sleepMs();
    if (this.timer === null || this.timer.closed) this.#arm(this.deadline);
  }
  // A shorter time counts at once.
  rearm() {
    this.#disarm();
    this.renew();
  }
  #arm(due) {
    const wait = Math.min(Math.max(due - native.now(), 0), 0x7fffffff);
    this.timer = startTimerOf(this.instance.task, () => this.#due(), wait, []);
  }
  #disarm() {
    this.timer?.cancel();
    this.timer = null;
  }
  #due() {
    this.timer = null;
    if (!this.running || this.keepAlive) return;
    if (this.#used()) this.deadline = native.now() + this.sleepMs();
    if (native.now() < this.deadline) {
      this.#arm(this.deadline);
      return;
    }
    this.#expire().catch((e) => log(ERROR, `onActivityExpired: ${errorText(e)}`));
  }
  #used() {
    return this.inflight !== 0 || [...this.processes.values()].some((p) => p.isUsed());
  }
  async #expire() {
    if (!(await this.#idle())) {
      if (this.running && this.timer === null) this.#arm(native.now() + Math.max(this.sleepMs(), BUSY_AGAIN_MS));
      return;
    }
    if (!this.running || native.now() < this.deadline) {
      this.renew();
      return;
    }
    try {
      await this.instance.object.onActivityExpired();
    } finally {
      this.renew();
    }
  }
  // Whether nothing runs inside that code did not start. Not knowing is no.
  async #idle() {
    try {
      return (await ask(this.instance, 'idle', {})).value.idle === true;
    } catch {
      return false;
    }
  }

  // -- what is kept over a restart of the runtime -----------------------------------------------

  setKeepAlive(on) {
    this.keepAlive = on;
    this.#keep('keepAliveEnabled', on);
    this.rearm();
  }
  setSleepAfter(expression) {
    const value = seconds(expression);
    if (!(value > 0)) throw new Error(`invalid time expression ${expression}`);
    this.sleepAfter = value;
    this.#keep('sleepAfter', expression);
    this.rearm();
  }
  setTimeouts(timeouts) {
    this.timeouts = { ...this.timeouts, ...timeouts };
    this.#keep('containerTimeouts', this.timeouts);
  }
  #keep(key, value) {
    this.instance.object.ctx.storage.kv.put(key, value);
  }
  // What was set on a Sandbox holds for each of its sandboxes and each of its objects in memory.
  restore() {
    const { object } = this.instance;
    if (!object?.[SERVES_AT_ONCE]) return;
    try {
      const { kv } = object.ctx.storage;
      this.keepAlive = kv.get('keepAliveEnabled') === true;
      const sleepAfter = kv.get('sleepAfter');
      if (sleepAfter !== undefined) this.sleepAfter = seconds(sleepAfter);
      this.timeouts = kv.get('containerTimeouts') ?? {};
    } catch (e) {
      log(ERROR, `keepAlive, sleepAfter and timeouts could not be restored: ${errorText(e)}`);
    }
  }
}

export function lifeOf(instance) {
  if (!instance.life) {
    instance.life = new Life(instance);
    instance.life.restore();
  }
  return instance.life;
}

// -- what the host tells ------------------------------------------------------------------------

function told(number, fn) {
  const instance = instanceOf(number);
  if (instance === undefined || instance === null) return;
  enter(instance.task ?? null);
  fn(lifeOf(instance));
}

export function processEnded(number, process, how, code) {
  told(number, (life) => life.processEnded(process, how, code));
}

export function containerStarted(number, anew) {
  told(number, (life) => life.started(anew));
}

export function containerEnded(number, status, why) {
  told(number, (life) => life.ended(status, why));
}
