// What changes in a folder: told as it comes (watch), or asked for (checkChanges).

import { enter, owner } from '../task.js';
import { asInstance } from './calls.js';
import { sandboxError } from './errors.js';
import { entriesOf, fileError, start, stat } from './files.js';
import { lifeOf } from './life.js';
import { Collected, decoder, drain, exitCodeOf } from './run.js';
import { eventStream } from './sse.js';

const LINE_MAX = 64 * 1024; // characters of one line of the agent's
const ROOT = '/workspace'; // what relative paths are below
const EXCLUDED = ['.git', 'node_modules', '.DS_Store'];

const VERSION = /^[0-9a-f]{8}-[0-9a-f]{32}$/;

const now = () => new Date().toISOString();

function invalid(message) {
  return sandboxError('VALIDATION_FAILED', message);
}

// -- which names count ----------------------------------------------------------------------------

// * any characters of one name, ** of several, ? one: of one part of a path, or of parts that follow each other.
function globOf(pattern) {
  const text = pattern.replace(/[.+^$()|\\]/g, '\\$&')
    .replace(/\*\*|[*?]/g, (found) => (found === '**' ? '.*' : found === '*' ? '[^/]*' : '[^/]'));
  return new RegExp(`(^|/)${text}(/|$)`);
}

function globsOf(name, patterns) {
  if (patterns === undefined) return [];
  if (!Array.isArray(patterns) || !patterns.every((p) => typeof p === 'string')) {
    throw invalid(`${name} must be an array of strings`);
  }
  const bad = patterns.find((p) => p.trim() === '' || /[[\]{}\0]/.test(p));
  if (bad !== undefined) throw invalid(`${name}: "${bad}" is not a glob of *, **, ? and path separators`);
  return patterns.map(globOf);
}

// -> {wanted(path), skip: names of folders that need not be looked into}
function filterOf(options) {
  const include = globsOf('include', options?.include);
  const exclude = globsOf('exclude', options?.exclude);
  if (include.length !== 0 && exclude.length !== 0) throw invalid('include and exclude cannot be used together.');
  if (options?.recursive !== undefined && typeof options.recursive !== 'boolean') {
    throw invalid('recursive must be a boolean when provided');
  }
  if (include.length !== 0) return { wanted: (path) => include.some((g) => g.test(path)), skip: [] };
  const patterns = exclude.length !== 0 ? options.exclude : EXCLUDED;
  const globs = exclude.length !== 0 ? exclude : globsOf('exclude', EXCLUDED);
  return { wanted: (path) => !globs.some((g) => g.test(path)), skip: patterns.filter((p) => !/[*?/]/.test(p)) };
}

function absolute(path) {
  if (typeof path !== 'string' || path.trim() === '') throw invalid('path is required and must be a non-empty string');
  const whole = path.startsWith('/') ? path : `${ROOT}/${path}`;
  return whole.length > 1 ? whole.replace(/\/+$/, '') : whole;
}

// -- watch ----------------------------------------------------------------------------------------

// What the agent's watch writes, one object a line.
class Lines {
  #running;
  #text = '';
  #decode = decoder();
  waiting = null; // the task that waits for the next
  constructor(running) {
    this.#running = running;
  }
  // null at the end.
  async next() {
    this.waiting = owner();
    try {
      for (;;) {
        const at = this.#text.indexOf('\n');
        if (at >= 0) {
          const line = this.#text.slice(0, at);
          this.#text = this.#text.slice(at + 1);
          return JSON.parse(line);
        }
        if (this.#text.length > LINE_MAX) throw new Error('A line of the watch is too long.');
        let chunk = this.#running.out.next();
        if (chunk instanceof Promise) chunk = await chunk;
        if (chunk === null) return null;
        this.#text += this.#decode(chunk);
      }
    } finally {
      this.waiting = null;
    }
  }
}

// Why it ended; undefined: what was watched is gone.
async function endOf(running, path) {
  const err = new Collected();
  await drain(running.err, (chunk) => err.add(chunk, LINE_MAX, { size: 0 }));
  const end = await running.ended;
  if (end.how === 'lost') return 'The sandbox ended.';
  if (exitCodeOf(end) === 0) return undefined;
  return decoder()(err.bytes(), true).trim() || `The watch of ${path} ended.`;
}

async function* changes(running, lines, path, wanted) {
  yield { type: 'watching', path, watchId: `watch-${running.number}` };
  for (let e = await lines.next(); e !== null; e = await lines.next()) {
    const whole = e.name === '' ? path : `${path === '/' ? '' : path}/${e.name}`;
    if (wanted(e.name === '' ? path.slice(path.lastIndexOf('/') + 1) : e.name)) {
      yield { type: 'event', eventType: e.event, path: whole, isDirectory: e.folder, timestamp: now() };
    }
  }
  const why = await endOf(running, path);
  if (why !== undefined) throw new Error(why);
  yield { type: 'stopped', reason: `${path} is gone.` };
}

// Resolves once it watches. It keeps the sandbox awake while somebody waits for its next event, and
// ends with its stream.
export async function watch(instance, session, path, options) {
  const { wanted, skip } = filterOf(options);
  const whole = absolute(path);
  const flags = [...(options?.recursive === false ? [] : ['recursive']), ...skip.map((name) => `skip=${name}`)];
  const running = await lifeOf(instance).use(() => start(instance, session, 'watch', [whole], flags, null));
  const lines = new Lines(running);
  running.isUsed = () => {
    if (lines.waiting === null) return false;
    if (lines.waiting.over) running.killNow(); // whoever waited is no more
    return !lines.waiting.over;
  };
  const caller = owner();
  const first = await lines.next();
  if (caller !== null && !caller.over) enter(caller);
  if (first === null) throw fileError('watch', whole, await endOf(running, whole) ?? '');
  return eventStream(instance, changes(running, lines, whole, wanted), {
    failed: (e) => ({ type: 'error', error: e.message }),
    cancel() {
      running.killNow();
      running.cancel();
    },
  });
}

// -- checkChanges ---------------------------------------------------------------------------------

// The version is the sandbox's start and a digest of names, sizes and times below the path.
export async function checkChanges(instance, session, path, options) {
  const { wanted } = filterOf(options);
  path = absolute(path);
  const since = options?.since;
  if (since !== undefined && (typeof since !== 'string' || !VERSION.test(since))) {
    throw invalid('since must be a version returned by checkChanges()');
  }
  const facts = await stat(instance, session, path);
  const entries = facts.type === 'directory'
    ? await entriesOf(instance, session, path, options?.recursive !== false, true) : [{ ...facts, name: '' }];
  const lines = entries.filter((e) => wanted(e.name))
    .map((e) => `${e.name}\0${e.type}\0${e.size}\0${e.mtime_ms}\0${e.mode}`).sort();
  const digest = await asInstance(instance, () => globalThis.crypto.subtle.digest(
    'SHA-256', native.utf8Encode(`${JSON.stringify(options?.include ?? options?.exclude ?? null)}\n${lines.join('\n')}`)));
  const hex = [...new Uint8Array(digest).subarray(0, 16)].map((b) => b.toString(16).padStart(2, '0')).join('');
  const version = `${lifeOf(instance).startId}-${hex}`;
  if (since !== undefined && since.split('-')[0] !== version.split('-')[0]) {
    return { success: true, status: 'resync', reason: 'restarted', version, timestamp: now() };
  }
  const status = since === undefined || since === version ? 'unchanged' : 'changed';
  return { success: true, status, version, timestamp: now() };
}
