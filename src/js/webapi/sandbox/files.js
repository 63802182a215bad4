// File calls: the agent does them in a process each; contents travel as the process's descriptors.

import { streams, toBytes } from '../body.js';
import { TextDecoder } from '../encoding.js';
import { enter, owner } from '../task.js';
import { sandboxError } from './errors.js';
import { lifeOf } from './life.js';
import { mimeOf, isTextType } from './mime.js';
import { COLLECT_MAX, Collected, base64, decoder, drain, exitCodeOf, interrupted, run } from './run.js';
import { NO_SESSION } from './exec.js';
import { bytesOf, eventStream } from './sse.js';

const STDERR_MAX = 8192;

const ERRNO = {
  ENOENT: 'FILE_NOT_FOUND', EACCES: 'PERMISSION_DENIED', EPERM: 'PERMISSION_DENIED', EEXIST: 'FILE_EXISTS',
  EISDIR: 'IS_DIRECTORY', ENOTDIR: 'NOT_DIRECTORY', ENOSPC: 'NO_SPACE', EDQUOT: 'NO_SPACE',
  EMFILE: 'TOO_MANY_FILES', ENFILE: 'TOO_MANY_FILES', EBUSY: 'RESOURCE_BUSY', ETXTBSY: 'RESOURCE_BUSY',
  EROFS: 'READ_ONLY', ENAMETOOLONG: 'NAME_TOO_LONG', ELOOP: 'TOO_MANY_LINKS', EMLINK: 'TOO_MANY_LINKS',
  EFBIG: 'FILE_TOO_LARGE', EINVAL: 'VALIDATION_FAILED',
};
const WHAT = {
  read: 'file.read', write: 'file.write', stat: 'file.stat', list: 'directory.list', mkdir: 'directory.create',
  delete: 'file.delete', rename: 'file.rename', move: 'file.move', exists: 'file.stat', watch: 'watch.start',
};

function pathOf(path) {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw sandboxError('VALIDATION_FAILED', 'The path is not a string with something in it.');
  }
  return path;
}

export function fileError(call, path, line) {
  const found = /^(E[A-Z0-9]+): ([\s\S]*)$/.exec(line);
  const code = found === null ? 'FILESYSTEM_ERROR' : ERRNO[found[1]] ?? 'FILESYSTEM_ERROR';
  return sandboxError(code, line === '' ? `${call} ${path} failed` : line, {
    operation: WHAT[call], context: { path, operation: WHAT[call] },
  });
}

export function start(instance, session, call, paths, flags, input) {
  const file = [call, ...paths.map(pathOf), ...flags];
  return run(instance, { file, session: session === NO_SESSION ? undefined : session }, input);
}

export async function errorLine(running) {
  const err = new Collected();
  await drain(running.err, (chunk) => {
    if (err.size < STDERR_MAX) err.add(chunk, Infinity, err);
    return true;
  });
  return decoder()(err.bytes(), true).trim();
}

export async function checkEnd(running, call, path, line) {
  const end = await running.ended;
  if (end.how === 'lost') throw interrupted(call);
  if (exitCodeOf(end) !== 0) throw fileError(call, path, line);
}

// -> the bytes that the call wrote
async function fileCall(instance, session, call, paths, flags = [], input = null) {
  return lifeOf(instance).use(async () => {
    const running = await start(instance, session, call, paths, flags, input);
    const out = new Collected();
    let over = false;
    const [, line] = await Promise.all([
      drain(running.out, (chunk) => {
        over = !out.add(chunk, COLLECT_MAX, { size: 0 });
        if (over) {
          running.killNow();
          running.cancel();
        }
        return !over;
      }),
      errorLine(running).catch(() => ''),
    ]);
    if (over) {
      throw sandboxError('FILE_TOO_LARGE',
        `${paths[0]}: more than ${COLLECT_MAX} bytes are not collected: use readFileStream(), or readFile() with encoding "none"`,
        { operation: WHAT[call], context: { path: paths[0] } });
    }
    await checkEnd(running, call, paths[0], line);
    return out.bytes();
  });
}

const now = () => new Date().toISOString();

export async function stat(instance, session, path) {
  return JSON.parse(decoder()(await fileCall(instance, session, 'stat', [path]), true));
}

// -- reading ------------------------------------------------------------------------------------

function isText(bytes, cut) {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
    return true;
  } catch {
    return false;
  }
}

export async function readFile(instance, session, path, options) {
  const encoding = options?.encoding;
  if (encoding === 'none') return readRaw(instance, session, path);
  if (encoding !== undefined && !['utf-8', 'utf8', 'base64'].includes(encoding)) {
    throw sandboxError('VALIDATION_FAILED', `readFile: unknown encoding "${encoding}": utf-8, base64 or none`);
  }
  const bytes = await fileCall(instance, session, 'read', [path]);
  const text = isText(bytes, false);
  const mimeType = mimeOf(path, text);
  const asText = encoding === undefined ? text && isTextType(mimeType) : encoding !== 'base64';
  return {
    success: true, path, content: asText ? decoder()(bytes, true) : base64(bytes), timestamp: now(),
    encoding: asText ? 'utf-8' : 'base64', isBinary: !asText, mimeType, size: bytes.length,
  };
}

// The bytes as a stream that is pulled: one chunk of the pipe at a time.
function byteStream(instance, running, path) {
  const { ReadableStream } = streams();
  return new ReadableStream({
    async pull(controller) {
      const caller = owner();
      try {
        let chunk = running.out.next();
        if (chunk instanceof Promise) chunk = await chunk;
        if (chunk !== null) {
          controller.enqueue(chunk);
          return;
        }
        await checkEnd(running, 'read', path, await errorLine(running));
        controller.close();
      } finally {
        enter(caller !== null && !caller.over ? caller : instance.task ?? caller);
      }
    },
    cancel() {
      running.killNow();
      running.cancel();
    },
  }, { highWaterMark: 0 });
}

async function readRaw(instance, session, path) {
  const facts = await stat(instance, session, path);
  const running = await lifeOf(instance).use(() => start(instance, session, 'read', [path], [], null));
  return {
    success: true, path, content: byteStream(instance, running, path), size: facts.size,
    mimeType: mimeOf(path, false), timestamp: now(),
  };
}

async function* fileEvents(running, path, size) {
  let next = running.out.next();
  let chunk = next instanceof Promise ? await next : next;
  const text = isTextType(mimeOf(path, true)) && (chunk === null || isText(chunk, true));
  yield { type: 'metadata', mimeType: mimeOf(path, text), size, isBinary: !text, encoding: text ? 'utf-8' : 'base64' };
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let bytesRead = 0;
  while (chunk !== null) {
    bytesRead += chunk.length;
    let data;
    try {
      data = text ? utf8.decode(chunk, { stream: true }) : base64(chunk);
    } catch {
      throw new Error(`${path} is not UTF-8 text after all: read it with readFile() and encoding "none"`);
    }
    if (data !== '') yield { type: 'chunk', data };
    next = running.out.next();
    chunk = next instanceof Promise ? await next : next;
  }
  await checkEnd(running, 'read', path, await errorLine(running));
  yield { type: 'complete', bytesRead };
}

export async function readFileStream(instance, session, path) {
  const facts = await stat(instance, session, path);
  if (facts.type === 'directory') throw fileError('read', path, `EISDIR: ${path}: is a directory`);
  const running = await lifeOf(instance).use(() => start(instance, session, 'read', [path], [], null));
  return eventStream(instance, fileEvents(running, path, facts.size), {
    failed: (e) => ({ type: 'error', error: e.message }),
    cancel() {
      running.killNow();
      running.cancel();
    },
  });
}

// -- writing ------------------------------------------------------------------------------------

function contentOf(content, encoding) {
  if (typeof content === 'string') {
    if (encoding === undefined || encoding === 'utf-8' || encoding === 'utf8') return content;
    if (encoding === 'base64') {
      try {
        return bytesOf(content);
      } catch {
        throw sandboxError('VALIDATION_FAILED', 'writeFile: the content is not base64.');
      }
    }
    throw sandboxError('VALIDATION_FAILED', `writeFile: unknown encoding "${encoding}": utf-8 or base64`);
  }
  if (content instanceof ArrayBuffer || ArrayBuffer.isView(content)) return toBytes(content);
  if (typeof content?.getReader === 'function') return content;
  if (typeof content?.stream === 'function') return content.stream(); // a Blob
  throw sandboxError('VALIDATION_FAILED', 'writeFile: the content is neither a string nor bytes nor a stream.');
}

export async function writeFile(instance, session, path, content, options) {
  const input = contentOf(content, options?.encoding);
  await fileCall(instance, session, 'write', [path], ['parents'], input === '' ? new Uint8Array(0) : input);
  if (typeof input?.getReader !== 'function') return { success: true, path, timestamp: now() };
  const { size: bytesWritten } = await stat(instance, session, path);
  return { success: true, path, bytesWritten, timestamp: now() };
}

export async function mkdir(instance, session, path, options) {
  const recursive = options?.recursive === true;
  await fileCall(instance, session, 'mkdir', [path], recursive ? ['recursive'] : []);
  return { success: true, path, recursive, timestamp: now() };
}

export async function deleteFile(instance, session, path) {
  if ((await stat(instance, session, path)).type === 'directory') {
    throw fileError('delete', path, `EISDIR: ${path}: is a directory: exec("rm -r …") deletes it`);
  }
  await fileCall(instance, session, 'delete', [path]);
  return { success: true, path, timestamp: now() };
}

export async function renameFile(instance, session, from, to) {
  await fileCall(instance, session, 'rename', [from, to]);
  return { success: true, path: from, newPath: to, timestamp: now() };
}

export async function moveFile(instance, session, from, to) {
  await fileCall(instance, session, 'move', [from, to]);
  return { success: true, path: from, newPath: to, timestamp: now() };
}

// -- looking ------------------------------------------------------------------------------------

export async function exists(instance, session, path) {
  return lifeOf(instance).use(async () => {
    const running = await start(instance, session, 'exists', [path], [], null);
    const [, line] = await Promise.all([drain(running.out, () => true), errorLine(running)]);
    const end = await running.ended;
    if (end.how === 'lost') throw interrupted('exists');
    const code = exitCodeOf(end);
    if (code !== 0 && line !== '') throw fileError('exists', path, line);
    return { success: true, path, exists: code === 0, timestamp: now() };
  });
}

const BITS = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx'];

function fileInfo(root, entry) {
  const mode = entry.mode & 0o777;
  const base = root.endsWith('/') ? root : `${root}/`;
  return {
    name: entry.name.slice(entry.name.lastIndexOf('/') + 1), absolutePath: `${base}${entry.name}`,
    relativePath: entry.name, type: entry.type, size: entry.size,
    modifiedAt: new Date(entry.mtime_ms).toISOString(),
    mode: BITS[mode >> 6] + BITS[(mode >> 3) & 7] + BITS[mode & 7],
    permissions: {
      readable: (mode & 0o400) !== 0, writable: (mode & 0o200) !== 0, executable: (mode & 0o100) !== 0,
    },
  };
}

export async function entriesOf(instance, session, path, recursive, hidden) {
  const flags = [...(recursive ? ['recursive'] : []), ...(hidden ? ['hidden'] : [])];
  const text = decoder()(await fileCall(instance, session, 'list', [path], flags), true);
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
}

export async function listFiles(instance, session, path, options) {
  const entries = await entriesOf(
    instance, session, path, options?.recursive === true, options?.includeHidden === true);
  const files = entries.map((entry) => fileInfo(path, entry));
  return { success: true, path, files, count: files.length, timestamp: now() };
}
