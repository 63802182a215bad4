// watch() and checkChanges(): the agent's call `watch`, a process each. What it writes comes from inside
// the sandbox: a line has a ceiling, and one that is no event of ours ends the watch.

import { owner } from '../task.js';
import { sandboxError } from './errors.js';
import { checkEnd, errorLine, start } from './files.js';
import { lifeOf } from './life.js';
import { decoder } from './run.js';
import { eventStream } from './sse.js';

const LINE_MAX = 64 * 1024; // a path of 4 KiB, escaped, and the rest
const CHANGES_MAX = 32; // places that one sandbox is asked about; the one asked longest ago goes first
const PATTERNS_MAX = 128;
const PATTERN_MAX = 1024; // bytes, the agent's limit
const ROOT = '/workspace'; // what relative paths are below, in every session
const EXCLUDED = ['.DS_Store', '.git', 'node_modules'];
const EVENTS = ['create', 'modify', 'delete', 'move_from', 'move_to'];
const ASK = 10; // SIGUSR1

function invalid(message, context) {
  return sandboxError('VALIDATION_FAILED', message, { operation: 'watch.start', context });
}

function patternsOf(name, patterns) {
  if (patterns === undefined || patterns === null) return [];
  if (!Array.isArray(patterns) || patterns.some((p) => typeof p !== 'string')) {
    throw invalid(`${name}: expected an array of strings`, { [name]: patterns });
  }
  if (patterns.length > PATTERNS_MAX) throw invalid(`${name}: at most ${PATTERNS_MAX} patterns`, {});
  for (const pattern of patterns) {
    if (pattern.trim() === '' || /[[\]{}\0]/.test(pattern) || native.utf8Encode(pattern).length > PATTERN_MAX) {
      throw invalid(`${name}: "${pattern}" is no pattern of ours: *, **, ? and slashes have a meaning, [ ] { } are refused`,
        { pattern });
    }
  }
  return [...new Set(patterns)].sort();
}

function placeOf(path) {
  if (typeof path !== 'string' || path.trim() === '') throw invalid('path: expected a string with something in it', { path });
  return path.startsWith('/') ? path : `${ROOT}/${path}`;
}

// -> the arguments of the agent's call behind the path
function flagsOf(options, more) {
  const recursive = options?.recursive;
  if (recursive !== undefined && typeof recursive !== 'boolean') {
    throw invalid('recursive: expected a boolean', { recursive });
  }
  const include = patternsOf('include', options?.include);
  const exclude = patternsOf('exclude', options?.exclude);
  if (include.length !== 0 && exclude.length !== 0) {
    throw invalid('include and exclude cannot be used together: say what is wanted, or what is not', {});
  }
  return [...(recursive === false ? [] : ['recursive']), ...more,
    ...(include.length !== 0 ? ['include', ...include] : ['exclude', ...(exclude.length !== 0 ? exclude : EXCLUDED)])];
}

class Lines {
  #output;
  #rest = new Uint8Array(0);
  constructor(output) {
    this.#output = output;
  }
  // Text without its end; null: no more.
  async next() {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end > LINE_MAX || (end < 0 && this.#rest.length > LINE_MAX)) {
        throw new Error(`what the watch said is longer than ${LINE_MAX} bytes`);
      }
      if (end >= 0) {
        const line = decoder()(this.#rest.subarray(0, end), true);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const next = this.#output.next();
      const chunk = next instanceof Promise ? await next : next;
      if (chunk === null) return null;
      const all = new Uint8Array(this.#rest.length + chunk.length);
      all.set(this.#rest);
      all.set(chunk, this.#rest.length);
      this.#rest = all;
    }
  }
}

// -> what the line says, of the members that docs/agent-protocol.md lists
function parse(line) {
  let said;
  try {
    said = JSON.parse(line);
  } catch {
    said = null;
  }
  if (said !== null && typeof said === 'object') {
    for (const key of ['watching', 'error', 'stopped']) {
      if (typeof said[key] === 'string') return { kind: key, text: said[key] };
    }
    if (typeof said.count === 'string' && /^\d{1,15}$/.test(said.count)) {
      return { kind: 'count', count: Number(said.count) };
    }
    if (EVENTS.includes(said.event) && typeof said.path === 'string' && typeof said.folder === 'boolean') {
      return { kind: 'event', event: said.event, path: said.path, folder: said.folder };
    }
  }
  throw new Error('what the watch said is no event');
}

// A watch that is established, or why there is none.
class Watch {
  constructor(life, running) {
    this.id = `watch-${++life.watches}-${Date.now()}`;
    this.running = running;
    this.lines = new Lines(running.out);
    this.root = '';
    this.reader = owner(); // the task that reads, or did last
  }
  end() {
    this.running.killNow();
    this.running.cancel();
  }
  async next() {
    this.reader = owner();
    const line = await this.lines.next();
    return line === null ? null : parse(line);
  }
  async #established(path) {
    const first = await this.next();
    if (first === null) await checkEnd(this.running, 'watch', path, await errorLine(this.running));
    if (first?.kind !== 'watching') {
      throw sandboxError('WATCH_START_ERROR', `watch ${path}: ${first?.text ?? 'it ended at once'}`,
        { operation: 'watch.start', context: { path } });
    }
    this.root = first.text;
  }
  static async start(instance, session, path, flags) {
    const watch = new Watch(lifeOf(instance), await start(instance, session, 'watch', [path], flags, null));
    try {
      await watch.#established(path);
      return watch;
    } catch (e) {
      watch.end();
      throw e;
    }
  }
}

async function* events(watch) {
  yield { type: 'watching', path: watch.root, watchId: watch.id };
  for (;;) {
    const said = await watch.next();
    if (said === null) {
      yield { type: 'stopped', reason: 'the process that watched has ended' };
      return;
    }
    if (said.kind === 'event') {
      yield { type: 'event', eventType: said.event, path: said.path, isDirectory: said.folder,
        timestamp: new Date().toISOString() };
    } else if (said.kind === 'stopped') {
      yield { type: 'stopped', reason: said.text };
      return;
    } else {
      throw new Error(said.text ?? 'what the watch said is no event');
    }
  }
}

// A ReadableStream of server-sent events. Cancelling it ends what watches. The sandbox does not sleep
// while it is open, unless who read it is over: then nobody will any more.
export async function watch(instance, session, path, options) {
  const place = placeOf(path);
  const flags = flagsOf(options, []);
  const begun = await lifeOf(instance).use(() => Watch.start(instance, session, place, flags));
  begun.running.isUsed = () => {
    const used = begun.reader === null || !begun.reader.over;
    if (!used) begun.end();
    return used;
  };
  return eventStream(instance, events(begun), {
    failed(e) {
      begun.end();
      return { type: 'error', error: e.message };
    },
    cancel() {
      begun.end();
    },
  });
}

// -- what changed -------------------------------------------------------------------------------

// A watch that counts, and is asked. It does not keep the sandbox awake, and ends when it was not
// asked for ten minutes.
class Changes {
  #turn = Promise.resolve();
  constructor(instance, session, path, flags) {
    this.watch = null;
    this.ready = this.#start(instance, session, path, flags);
  }
  async #start(...args) {
    this.watch = await Watch.start(...args);
    this.watch.running.isUsed = () => false;
  }
  get over() {
    return this.watch !== null && this.watch.running.how !== null;
  }
  end() {
    this.ready.then(() => this.watch.end(), () => {});
  }
  // -> how much happened until now; null: it is over. One after another.
  count() {
    const mine = this.#turn.then(() => this.#ask());
    this.#turn = mine.catch(() => {});
    return mine;
  }
  async #ask() {
    await this.watch.running.kill(ASK);
    try {
      const said = await this.watch.next();
      if (said?.kind === 'count') return said.count;
    } catch {
      // no answer of ours
    }
    this.watch.end();
    return null;
  }
}

function forget(life, key, changes) {
  if (life.changes.get(key) === changes) life.changes.delete(key);
  changes.end();
}

// -> {changes, count, created}
async function changesOf(instance, session, path, flags) {
  const life = lifeOf(instance);
  const key = JSON.stringify([path, flags]);
  let changes = life.changes.get(key);
  const created = changes === undefined || changes.over;
  if (created) changes = new Changes(instance, session, path, flags);
  life.changes.delete(key);
  life.changes.set(key, changes); // the last in the order of the map
  if (life.changes.size > CHANGES_MAX) forget(life, ...life.changes.entries().next().value);
  let count = null;
  try {
    await changes.ready;
    count = await changes.count();
  } finally {
    if (count === null) forget(life, key, changes);
  }
  return { changes, count, created };
}

// -> {id, count}
function versionOf(since) {
  const found = typeof since === 'string' ? /^([^\0]+):(\d{1,15})$/.exec(since) : null;
  if (found === null) throw invalid('since: expected a version that checkChanges() returned', { since });
  return { id: found[1], count: Number(found[2]) };
}

export async function checkChanges(instance, session, path, options) {
  const since = options?.since === undefined ? null : versionOf(options.since);
  const place = placeOf(path);
  const flags = flagsOf(options, ['count']);
  return lifeOf(instance).use(async () => {
    let now = await changesOf(instance, session, place, flags);
    if (now.count === null) now = await changesOf(instance, session, place, flags); // it is over: anew
    if (now.count === null) {
      throw sandboxError('WATCH_START_ERROR', `checkChanges ${place}: nothing answers`,
        { operation: 'watch.start', context: { path: place } });
    }
    const { id } = now.changes.watch;
    const answer = (status, more = {}) => ({ success: true, status, ...more, version: `${id}:${now.count}`,
      timestamp: new Date().toISOString() });
    if (since === null) return answer('unchanged');
    if (since.id !== id) return answer('resync', { reason: now.created ? 'expired' : 'restarted' });
    if (since.count > now.count) {
      throw invalid('since: a version that has not been yet', { since: options.since, currentVersion: `${id}:${now.count}` });
    }
    return answer(since.count === now.count ? 'unchanged' : 'changed');
  });
}
