// ctx.container: what a Durable Object of the 1.0 form has of its sandbox.

import { streams } from './body.js';
import { noLocalForm } from './env.js';
import { errorText } from './inspect.js';
import { ERROR, log } from './log.js';
import { policySet } from './policy.js';
import { targetOf } from './rpc.js';
import { asInstance } from './sandbox/calls.js';
import { lifeOf } from './sandbox/life.js';
import { portFetch, portNumber } from './sandbox/ports.js';
import { COLLECT_MAX, Collected, drain, envOf, exitCodeOf, interrupted, killOnAbort, refuseAborted, run,
  signalNumber } from './sandbox/run.js';

const USER = 'sandbox';
const COMBINED = ['/bin/sh', '-c', 'exec "$@" 2>&1', 'sh']; // the words of the command follow

function rawStream(output) {
  const { ReadableStream } = streams();
  return new ReadableStream({
    async pull(controller) {
      let chunk = output.next();
      if (chunk instanceof Promise) chunk = await chunk;
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
    },
    cancel() {
      output.cancel();
    },
  }, { highWaterMark: 0 });
}

async function everything(stream) {
  if (stream === null) return new ArrayBuffer(0);
  const reader = stream.getReader();
  const all = new Collected();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (!all.add(next.value, COLLECT_MAX, { size: 0 })) {
      reader.cancel().catch(() => {});
      throw new Error(`The command wrote more than ${COLLECT_MAX} bytes, which output() does not collect: read stdout.`);
    }
  }
  return all.bytes().slice().buffer;
}

class ExecProcess {
  #running;
  constructor(running, options, stdin) {
    this.#running = running;
    this.pid = running.pid;
    this.isPty = false;
    this.stdin = stdin;
    const keep = (output, how) => {
      if (how !== 'ignore') return rawStream(output);
      drain(output, () => true).catch(() => {});
      return null;
    };
    this.stdout = keep(running.out, options.stdout);
    this.stderr = keep(running.err, options.stderr === 'combined' ? 'ignore' : options.stderr);
    this.exitCode = running.ended.then((end) => {
      if (end.how === 'lost') throw interrupted('exec');
      return exitCodeOf(end);
    });
    this.exitCode.catch(() => {}); // told to whoever asks
  }
  async output() {
    const [stdout, stderr, exitCode] = await Promise.all(
      [everything(this.stdout), everything(this.stderr), this.exitCode]);
    return { stdout, stderr, exitCode };
  }
  kill(signal = 15) {
    this.#running.kill(signalNumber(signal)).catch((e) => log(ERROR, `kill: ${errorText(e)}`));
  }
  resize() {
    throw noLocalForm('resize() of a process without a terminal');
  }
}

function oneOf(name, value, values) {
  if (value !== undefined && !values.includes(value)) {
    throw new TypeError(`exec: ${name} is none of ${values.map((v) => `"${v}"`).join(', ')}`);
  }
}

function stdinOf(how) {
  if (how === 'pipe') {
    const { TransformStream } = streams();
    const { readable, writable } = new TransformStream();
    return { input: readable, stdin: writable };
  }
  return { input: how ?? null, stdin: null };
}

export class RawContainer {
  #instance;
  constructor(instance) {
    this.#instance = instance;
  }
  get images() {
    return {};
  }
  get running() {
    const life = lifeOf(this.#instance);
    return life.running || life.starting !== null;
  }
  start(options = {}) {
    if (this.running) throw new Error('start() cannot be called on a container that is already running.');
    const life = lifeOf(this.#instance);
    const begun = asInstance(this.#instance, () => life.ensure({
      envVars: options.env, entrypoint: options.entrypoint, enableInternet: options.enableInternet === true,
    }));
    begun.catch((e) => log(ERROR, errorText(e)));
    life.begun = begun;
  }
  // Settles when the container has ended; an exit status that is not 0 is an error.
  async monitor() {
    const life = lifeOf(this.#instance);
    if (!this.running) throw new Error('monitor() needs a container that is running.');
    if (life.starting !== null) await life.starting;
    return new Promise((resolve, reject) => {
      life.monitors.push((exitCode, why, asked) => {
        if (asked || (exitCode === 0 && why === '')) resolve();
        else reject(Object.assign(
          new Error(why !== '' ? why : `Container exited with unexpected exit code: ${exitCode}`), { exitCode }));
      });
    });
  }
  async destroy() {
    const life = lifeOf(this.#instance);
    if (life.starting !== null) await life.starting.catch(() => {});
    await life.end('destroy', {});
  }
  signal(number) {
    const life = lifeOf(this.#instance);
    if (!this.running) throw new Error('signal() needs a container that is running.');
    asInstance(this.#instance, () => life.end('stop', { signal: signalNumber(number) }))
      .catch((e) => log(ERROR, `signal: ${errorText(e)}`));
  }
  async exec(argv, options = {}) {
    if (!Array.isArray(argv) || argv.length === 0) throw new TypeError('exec: the command is not an array of strings');
    if (options.pty !== undefined && options.pty !== false) throw noLocalForm('exec() with pty');
    if (options.user !== undefined && options.user !== USER) {
      throw noLocalForm(`exec() with a user other than "${USER}", of whom alone a sandbox knows,`);
    }
    oneOf('stdout', options.stdout, ['pipe', 'ignore']);
    oneOf('stderr', options.stderr, ['pipe', 'ignore', 'combined']);
    refuseAborted(options.signal);
    const { input, stdin } = stdinOf(options.stdin);
    const words = argv.map((a) => `${a}`);
    const running = await lifeOf(this.#instance).use(() => run(this.#instance, {
      argv: options.stderr === 'combined' ? [...COMBINED, ...words] : words, cwd: options.cwd, env: envOf(options.env),
    }, input));
    const unlisten = killOnAbort(options.signal, running);
    running.ended.then(unlisten);
    return new ExecProcess(running, options, stdin);
  }
  getTcpPort(port) {
    portNumber(port);
    const instance = this.#instance;
    return {
      fetch: (input, init = undefined) => lifeOf(instance).use(() => portFetch(instance, port, input, init)),
      connect() {
        throw noLocalForm('getTcpPort().connect()');
      },
    };
  }
  // A destination's requests go to fetcher from the next one on, also before the start.
  interceptOutboundHttp(address, fetcher) {
    return this.#intercept(false, address, fetcher);
  }
  interceptOutboundHttps(address, fetcher) {
    return this.#intercept(true, address, fetcher);
  }
  interceptAllOutboundHttp(fetcher) {
    return this.#intercept(false, '0.0.0.0/0', fetcher); // stands for names and IPv6 too
  }
  async #intercept(tls, address, fetcher) {
    const target = targetOf(fetcher);
    if (target === null) {
      throw new TypeError('interceptOutbound: the fetcher is not a stub of ctx.exports, of a binding or of an object');
    }
    await policySet(this.#instance.object, '$intercept', [tls, `${address}`, target]);
  }
  async setInactivityTimeout(ms) {
    const life = lifeOf(this.#instance);
    ms = Number(ms);
    if (!(ms > 0)) throw new TypeError('setInactivityTimeout: not a positive number of ms');
    life.sleepAfter = ms / 1000;
    life.rearm();
  }
  async setLabels() {} // nobody reads them here
}
for (const name of ['interceptOutboundTcp', 'snapshotDirectory', 'snapshotContainer', 'inspect']) {
  Object.defineProperty(RawContainer.prototype, name, {
    configurable: true, writable: true,
    value: { [name]() {
      throw noLocalForm(`ctx.container.${name}()`);
    } }[name],
  });
}

export function containerOf(instance) {
  instance.container ??= new RawContainer(instance);
  return instance.container;
}
