// Tests of sandboxes from code: each is one function that throws when something is wrong. The C
// test calls run(name) of a Box; `sandbox` is the stub of another.
const sdk = require('@cloudflare/sandbox');
const { Sandbox, Container, getSandbox, getContainer, parseSSEStream, collectFile, streamFile } = sdk;
const { DurableObject } = require('cloudflare:workers');

const hooks = [];
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

class Box extends Sandbox {
  envVars = { FROM_CLASS: 'class' };
  onStart() { hooks.push('start'); }
  onStop(params) { hooks.push(`stop ${params.exitCode} ${params.reason}`); }
  onError(e) { hooks.push(`error ${e.message}`); }
  async run(name, ...args) {
    hooks.length = 0;
    const sandbox = getSandbox(this.env.BOX, 'other');
    await TESTS[name](this, sandbox, ...args);
    return 'ok';
  }
  hooks() { return hooks.splice(0); }
  plain() { return { a: 1 }; }
}
class Sleepy extends Sandbox {
  sleepAfter = 0.2;
  async onActivityExpired() { hooks.push('expired'); await super.onActivityExpired(); }
  onStop() { hooks.push('slept'); }
  async run(name, ...args) { hooks.length = 0; await TESTS[name](this, null, ...args); return 'ok'; }
  hooks() { return hooks.splice(0); }
}
class Raw extends DurableObject {
  async run(name, ...args) { hooks.length = 0; await TESTS[name](this, null, ...args); return 'ok'; }
}

function equal(got, wanted, what = '') {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what} got ${a}, wanted ${b}`);
}
function ok(value, what) { if (!value) throw new Error(what); }
async function fails(promise, pattern, name) {
  try { await promise; } catch (e) {
    ok(pattern.test(e.message), `the message is "${e.message}"`);
    if (name !== undefined) equal(e.name, name, 'name');
    return e;
  }
  throw new Error(`no failure like ${pattern}`);
}
async function eventsOf(stream) {
  const all = [];
  for await (const e of parseSSEStream(stream)) all.push(e);
  return all;
}
const TESTS = {
  async exec_result(self, sandbox) {
    for (const box of [self, sandbox]) {
      const r = await box.exec('echo out; echo err >&2; exit 3');
      equal(Object.keys(r).sort(), ['command', 'duration', 'exitCode', 'sessionId', 'stderr', 'stdout', 'success', 'timestamp']);
      equal([r.success, r.exitCode, r.stdout, r.stderr, r.command], [false, 3, 'out\n', 'err\n', 'echo out; echo err >&2; exit 3']);
      ok(r.duration >= 0 && !Number.isNaN(Date.parse(r.timestamp)), 'duration and timestamp');
    }
    equal((await self.exec('true')).success, true);
    equal((await self.exec('kill -TERM $$')).exitCode, 143);
    equal((await self.exec('nosuchprogram')).exitCode, 127);
    equal((await self.exec('cat')).stdout, '', 'stdin is empty');
    equal((await self.exec('true')).sessionId, 'sandbox-default');
  },
  async exec_options(self) {
    equal((await self.exec('echo $A-$B', { env: { A: 'x', B: undefined } })).stdout, 'x-\n');
    equal((await self.exec('pwd', { cwd: '/usr' })).stdout, '/usr\n');
    equal((await self.exec("printf '\\377\\0a'", { encoding: 'base64' })).stdout, '/wBh');
    equal((await self.exec("printf '\\344'", { encoding: 'latin1' })).stdout, 'ä');
    equal((await self.exec("printf 'ä€😀'")).stdout, 'ä€😀');
    await fails(self.exec('true', { encoding: 'ebcdic' }), /Unknown encoding "ebcdic"/);
    await fails(self.exec(''), /not a string with something in it/, 'CommandError');
    await fails(self.exec('sleep 10', { timeout: 50 }), /timeout after 50ms/, 'CommandError');
    await fails(self.exec('true', { cwd: '/', sessionId: ' ' }), /must not be empty/);
  },
  async exec_callbacks(self, sandbox) {
    const seen = [];
    const done = [];
    const r = await sandbox.exec('echo a; sleep 0.05; echo b >&2', {
      stream: true, onOutput: (name, data) => seen.push(`${name}:${data}`), onComplete: (x) => done.push(x.exitCode),
    });
    equal(seen, ['stdout:a\n', 'stderr:b\n']);
    equal([r.stdout, r.stderr], ['a\n', 'b\n']);
    equal(done, [0]);
    const errors = [];
    await fails(sandbox.exec('sleep 9', { timeout: 20, onError: (e) => errors.push(e.message) }), /timeout/);
    equal(errors.length, 1);
  },
  async exec_abort(self, sandbox) {
    for (const box of [self, sandbox]) {
      const c = new AbortController();
      const begun = Date.now();
      setTimeout(() => c.abort(), 30);
      await fails(box.exec('sleep 20', { signal: c.signal }), /Operation was aborted/);
      ok(Date.now() - begun < 5000, 'it took too long');
      await fails(box.exec('true', { signal: c.signal }), /Operation was aborted/);
    }
  },
  // A child that holds the pipes outlives its parent, and what it writes does not end it.
  async exec_orphan(self) {
    const mark = `/tmp/sallyport-box-${Date.now()}`;
    const begun = Date.now();
    const r = await self.exec(`(sleep 0.3; echo late; echo late; touch ${mark}; sleep 0.2) & echo now`);
    equal(r.stdout, 'now\n');
    ok(Date.now() - begun < 290, 'it waited for the child');
    for (let i = 0; i < 100 && (await self.exec(`test -e ${mark}`)).exitCode !== 0; i++) await sleep(20);
    equal((await self.exec(`rm ${mark}`)).exitCode, 0, 'the child lived on');
  },
  async exec_large(self) {
    const r = await self.exec('head -c 20000000 /dev/zero | tr "\\0" x');
    equal(r.stdout.length, 20000000);
    const e = await fails(self.exec('head -c 90000000 /dev/zero'), /more than 67108864 bytes.*execStream/, 'CommandError');
    equal(e.code, 'COMMAND_EXECUTION_ERROR');
  },
  async exec_many(self) {
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => self.exec(`echo ${i}`, { sessionId: `many-${i}` })));
    equal(all.map((r) => r.stdout.trim()), Array.from({ length: 50 }, (_, i) => `${i}`));
    for (let i = 0; i < 100; i++) equal((await self.exec('true')).exitCode, 0);
  },
  async stream_events(self, sandbox) {
    const events = await eventsOf(await sandbox.execStream('echo a; sleep 0.05; echo b >&2; exit 4'));
    equal(events.map((e) => e.type), ['start', 'stdout', 'stderr', 'complete']);
    ok(events[0].pid > 1, 'pid');
    equal([events[1].data, events[2].data, events[3].exitCode], ['a\n', 'b\n', 4]);
    equal(events[3].result.stdout, 'a\n');
    ok(events.every((e) => !Number.isNaN(Date.parse(e.timestamp))), 'timestamps');
    const late = await eventsOf(await self.execStream('sleep 9', { timeout: 30 }));
    equal(late[late.length - 1].type, 'error');
    ok(/timeout after 30ms/.test(late[late.length - 1].error), 'the error says why');
  },
  // 100 MiB past a reader that never holds more than a chunk; a cut in a character is no matter.
  async stream_large(self) {
    let bytes = 0;
    for await (const e of parseSSEStream(await self.execStream('head -c 104857600 /dev/zero | tr "\\0" y'))) {
      if (e.type === 'stdout') bytes += e.data.length;
      ok(e.type !== 'complete' || e.result === undefined, 'the last event holds no such output');
    }
    equal(bytes, 104857600);
  },
  async stream_slow_reader(self) {
    const mark = `/tmp/sallyport-slow-${Date.now()}`;
    const reader = (await self.execStream(`head -c 3000000 /dev/zero; touch ${mark}`)).getReader();
    await reader.read();
    await sleep(150);
    equal((await self.exec(`test -e ${mark}`)).exitCode, 1, 'the process waits for the reader');
    while (!(await reader.read()).done);
    equal((await self.exec(`rm ${mark}`)).exitCode, 0);
  },
  async stream_cancel(self) {
    const stream = await self.execStream('echo begun; exec sleep 54.321');
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    for (let i = 0; i < 100 && (await self.exec('pgrep -f "^sleep 54.321"')).exitCode === 0; i++) await sleep(20);
    equal((await self.exec('pgrep -f "^sleep 54.321"')).exitCode, 1, 'the command ended');
  },
  async sessions(self, sandbox) {
    await self.exec('cd /usr; export KEPT=1');
    equal((await self.exec('echo $KEPT; pwd')).stdout, '1\n/usr\n', 'the default session keeps');
    const s = await sandbox.createSession({ id: 'one', env: { E: 'e' }, cwd: '/usr/bin' });
    equal(s.id, 'one');
    const r = await s.exec('echo $E; pwd; export F=f');
    equal([r.stdout, r.sessionId], ['e\n/usr/bin\n', 'one']);
    equal((await (await sandbox.getSession('one')).exec('echo $F')).stdout, 'f\n');
    await s.setEnvVars({ G: "it's", F: undefined });
    equal((await s.exec('echo $G-$F')).stdout, "it's-\n");
    await fails(sandbox.createSession({ id: 'one' }), /Session 'one' already exists/, 'SessionAlreadyExistsError');
    await fails(sandbox.createSession({ id: 'sandbox-default' }), /already exists/, 'SessionAlreadyExistsError');
    await fails(sandbox.createSession({ id: '__DISABLE_SESSION__' }), /reserved/);
    equal((await sandbox.deleteSession('one')).sessionId, 'one');
    await fails(sandbox.deleteSession('one'), /Session 'one' not found/, 'SandboxError');
    await fails(sandbox.deleteSession('sandbox-default'), /Cannot delete default session 'sandbox-default'/);
    equal((await sandbox.exec('pwd', { sessionId: 'one' })).sessionId, 'one', 'a name that is new makes a session');
    await sandbox.exec('export SAME=1', { sessionId: 'sandbox-default' });
    equal((await sandbox.exec('echo $SAME')).stdout, '1\n', 'the default session by its name');
    await sandbox.setEnvVars({ LATE: 'late' });
    equal((await (await sandbox.createSession({ env: { E: 'e' } })).exec('echo $LATE$E$FROM_CLASS')).stdout, 'lateeclass\n');
    await fails(s.setEnvVars({ 'A B': '1' }), /not the name of a variable/);
    await fails(sandbox.setEnvVars({ 'A B': '1' }), /not the name of a variable/, 'ValidationFailedError');
    await fails(s.runCode('1'), /session\.runCode\(\) has no local form/);
    const t = await self.createSession({ commandTimeoutMs: 40 });
    await fails(t.exec('sleep 9'), /timeout after 40ms/);
  },
  async sessionless(self) {
    const lone = getSandbox(self.env.BOX, 'other', { enableDefaultSession: false });
    await lone.exec('cd /usr; export NOT_KEPT=1');
    const r = await lone.exec('echo "[$NOT_KEPT]$FROM_CLASS"; pwd');
    ok(r.stdout.startsWith('[]class\n') && !r.stdout.includes('/usr\n'), r.stdout);
    equal(r.sessionId, undefined);
    const late = await lone.exec('echo out; printf err >&2; sleep 9', { timeout: 200 });
    equal([late.success, late.exitCode, late.stdout, late.stderr],
      [false, 124, 'out\n', 'err\nCommand timed out after 200ms\n']);
  },
  async env_vars(self) {
    await self.setEnvVars({ X: '1', Y: '2' });
    equal((await self.exec('echo $X$Y')).stdout, '12\n');
    await self.setEnvVars({ X: undefined });
    equal((await self.exec('echo [$X]$Y')).stdout, '[]2\n');
    equal(self.envVars, { FROM_CLASS: 'class', Y: '2' });
  },
  async processes(self, sandbox) {
    const p = await sandbox.startProcess('echo ready; sleep 0.2; echo done >&2; exit 5', { processId: 'p1' });
    equal([p.id, p.status, p.command], ['p1', 'running', 'echo ready; sleep 0.2; echo done >&2; exit 5']);
    ok(p.pid > 1 && p.startTime instanceof Date, 'pid and startTime');
    await fails(sandbox.startProcess('true', { processId: 'p1' }), /runs already/);
    equal((await p.waitForLog('rea')).line, 'ready');
    equal((await p.waitForLog(/d(o)ne/)).match[1], 'o');
    equal(await p.waitForExit(), { exitCode: 5 });
    equal([await p.getStatus(), (await sandbox.getProcess('p1')).exitCode], ['failed', 5]);
    equal(await p.getLogs(), { stdout: 'ready\n', stderr: 'done\n' });
    equal(await sandbox.getProcessLogs('p1'), { stdout: 'ready\n', stderr: 'done\n', processId: 'p1' });
    const events = await eventsOf(await sandbox.streamProcessLogs('p1'));
    equal(events.map((e) => e.type).sort(), ['exit', 'stderr', 'stdout']);
    equal(events.find((e) => e.type === 'exit').exitCode, 5);
    equal((await sandbox.listProcesses()).map((x) => [x.id, x.status]), [['p1', 'failed']]);
    equal(await sandbox.getProcess('nope'), null);
    await fails(sandbox.killProcess('nope'), /Process not found: nope/, 'ProcessNotFoundError');
    equal(await sandbox.cleanupCompletedProcesses(), 1);
    equal(await sandbox.listProcesses(), []);
  },
  async process_kill(self) {
    const p = await self.startProcess('exec sleep 30');
    await p.kill();
    equal(await p.waitForExit(5000), { exitCode: 143 });
    equal(await p.getStatus(), 'killed');
    const deaf = await self.startProcess('trap "" TERM; echo deaf; while :; do sleep 1; done');
    await deaf.waitForLog('deaf');
    await deaf.kill();
    equal([await deaf.waitForExit(5000), await deaf.getStatus()], [{ exitCode: 137 }, 'killed']);
    const session = await self.createSession({ id: 'with-processes' });
    const its = await session.startProcess('sleep 30');
    const other = await self.startProcess('sleep 30');
    await self.deleteSession('with-processes');
    equal([await its.waitForExit(5000), await other.getStatus()], [{ exitCode: 137 }, 'running']);
    await self.startProcess('sleep 30');
    equal(await self.killAllProcesses(), 2);
    equal((await self.listProcesses()).every((x) => x.status === 'killed'), true);
    await fails(self.killProcess(p.id, 'SIGNOPE').then(() => self.startProcess('sleep 5', { processId: 'k' }))
      .then((k) => k.kill('SIGNOPE')), /Unknown signal: SIGNOPE/);
    equal(await self.killAllProcesses(), 1);
  },
  async process_waits(self) {
    const p = await self.startProcess('sleep 0.1');
    const e = await fails(p.waitForLog('never', 20), /did not become ready within 20ms\. Waiting for: "never"/, 'ProcessReadyTimeoutError');
    equal([e.code, e.processId, e.timeout], ['PROCESS_READY_TIMEOUT', p.id, 20]);
    const x = await fails(p.waitForLog(/never/), /exited with code 0 before becoming ready/, 'ProcessExitedBeforeReadyError');
    equal(x.exitCode, 0);
    await fails((await self.startProcess('sleep 9', { processId: 'w' })).waitForExit(20), /process exit/);
    equal(await self.killAllProcesses(), 1);
  },
  async process_callbacks(self) {
    const seen = [];
    let started = null;
    const exit = new Promise((resolve) => {
      self.startProcess('echo x; exit 6', {
        onStart: (p) => { started = p.id; }, onOutput: (n, d) => seen.push(n + d), onExit: resolve, processId: 'cb',
      });
    });
    equal(await exit, 6);
    equal([started, seen], ['cb', ['stdoutx\n']]);
  },
  // What a predecessor of this object started is known by its label; what has ended since too.
  async process_left(self) {
    await self.startProcess('sleep 0.3; exit 7', { processId: 'before' });
    await (await self.startProcess('exit 8', { processId: 'ended' })).waitForExit();
  },
  async process_found(self) {
    equal((await self.listProcesses()).map((p) => [p.id, p.command, p.status]),
      [['before', 'sleep 0.3; exit 7', 'running'], ['ended', 'exit 8', 'failed']]);
    equal(await (await self.getProcess('before')).waitForExit(), { exitCode: 7 });
  },
  async process_port(self, sandbox, port) {
    const p = await self.startProcess('sleep 5', { processId: 'srv' });
    await p.waitForPort(port, { interval: 5 });
    await fails(p.waitForPort(1, { interval: 5, timeout: 40, mode: 'tcp' }), /port 1 \(TCP\)/, 'ProcessReadyTimeoutError');
    await fails(p.waitForPort(port, { interval: 5, timeout: 40, status: 204 }), /\(HTTP \/\)/);
    await self.killAllProcesses();
    await fails(p.waitForPort(1), /before becoming ready/, 'ProcessExitedBeforeReadyError');
  },
  async files(self, sandbox, dir) {
    const f = `${dir}/a.txt`;
    equal((await sandbox.writeFile(f, 'hällo\n')).success, true);
    const r = await sandbox.readFile(f);
    equal([r.content, r.encoding, r.isBinary, r.mimeType, r.size, r.path], ['hällo\n', 'utf-8', false, 'text/plain', 7, f]);
    await sandbox.writeFile(`${dir}/b.png`, '/wBh', { encoding: 'base64' });
    const b = await sandbox.readFile(`${dir}/b.png`);
    equal([b.content, b.encoding, b.isBinary, b.mimeType], ['/wBh', 'base64', true, 'image/png']);
    const coded = await sandbox.readFile(f, { encoding: 'base64' });
    equal([coded.content, coded.encoding, coded.isBinary], [btoa('h\xc3\xa4llo\n'), 'base64', true]);
    await sandbox.writeFile(`${dir}/empty`, '');
    equal((await sandbox.readFile(`${dir}/empty`)).content, '');
    await sandbox.writeFile(`${dir}/bytes`, new Uint8Array([0, 255, 10]));
    equal((await sandbox.readFile(`${dir}/bytes`)).content, 'AP8K');
    equal((await sandbox.writeFile(`${dir}/new/folder/stream`, new Response('from a stream').body)).bytesWritten, 13);
    await sandbox.moveFile(`${dir}/new/folder/stream`, `${dir}/stream`);
    await fails(sandbox.deleteFile(`${dir}/new`), /is a directory/, 'FileSystemError');
    await fails(sandbox.writeFile(f, 'a*', { encoding: 'base64' }), /not base64/, 'ValidationFailedError');
    equal((await sandbox.readFile(`${dir}/stream`)).content, 'from a stream');
    equal((await sandbox.exists(f)).exists, true);
    equal((await sandbox.exists(`${dir}/nope`)).exists, false);
    const e = await fails(self.readFile(`${dir}/nope`), /ENOENT/, 'FileNotFoundError');
    equal([e.code, e.httpStatus, e.path], ['FILE_NOT_FOUND', 404, `${dir}/nope`]);
    equal((await fails(self.mkdir(dir), /EEXIST/, 'FileExistsError')).code, 'FILE_EXISTS');
    equal((await fails(self.readFile(dir), /EISDIR/, 'FileSystemError')).code, 'IS_DIRECTORY');
    await fails(sandbox.readFile(`${dir}/nope`), /ENOENT/, 'FileNotFoundError');
    equal((await sandbox.mkdir(`${dir}/x/y`, { recursive: true })).recursive, true);
    await sandbox.renameFile(f, `${dir}/x/c.txt`);
    await sandbox.moveFile(`${dir}/x/c.txt`, `${dir}/x/y/d.txt`);
    const l = await sandbox.listFiles(dir, { recursive: true });
    const d = l.files.find((i) => i.name === 'd.txt');
    equal([d.absolutePath, d.relativePath, d.type, d.size, d.permissions.readable], [`${dir}/x/y/d.txt`, 'x/y/d.txt', 'file', 7, true]);
    ok(/^r[w-][x-]/.test(d.mode) && d.mode.length === 9, d.mode);
    equal(l.count, l.files.length);
    await sandbox.deleteFile(`${dir}/x/y/d.txt`);
    equal((await sandbox.exists(`${dir}/x/y/d.txt`)).exists, false);
    await fails(sandbox.writeFile(f, 'x', { encoding: 'ebcdic' }), /unknown encoding/, 'ValidationFailedError');
    await fails(sandbox.readFile('a\0b'), /not a string with something/);
  },
  async file_streams(self, sandbox, dir) {
    await sandbox.exec(`head -c 300000 /dev/urandom > ${dir}/r.bin; sha256sum < ${dir}/r.bin > ${dir}/sum`);
    const { content, metadata } = await collectFile(await sandbox.readFileStream(`${dir}/r.bin`));
    equal([metadata.size, metadata.isBinary, metadata.encoding, content.length], [300000, true, 'base64', 300000]);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
    const hex = [...hash].map((b) => b.toString(16).padStart(2, '0')).join('');
    equal((await sandbox.readFile(`${dir}/sum`)).content.split(' ')[0], hex);
    await sandbox.exec(`yes 'ä€' | head -c 200000 > ${dir}/t.txt`);
    const t = await collectFile(await sandbox.readFileStream(`${dir}/t.txt`));
    equal([t.metadata.encoding, typeof t.content], ['utf-8', 'string']);
    ok(!t.content.slice(0, -1).includes('\ufffd'), 'no character was cut');
    const raw = await sandbox.readFile(`${dir}/r.bin`, { encoding: 'none' });
    equal([raw.size, (await new Response(raw.content).arrayBuffer()).byteLength], [300000, 300000]);
    const chunks = [];
    for await (const c of streamFile(await sandbox.readFileStream(`${dir}/r.bin`))) chunks.push(c.length);
    ok(chunks.length > 1, 'in pieces');
    await fails(sandbox.readFileStream(`${dir}/nope`), /ENOENT/, 'FileNotFoundError');
    await fails(sandbox.readFileStream(dir), /EISDIR/);
  },
  async watch(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; mkfifo ${path}/says`);
    for (const box of [self, sandbox, await self.createSession({ id: 'watching' })]) {
      const stream = await box.watch(path, { include: ['*.ts', 'b'], recursive: false });
      equal(JSON.parse((await self.readFile(`${path}/args`)).content), ['include', '*.ts', 'b']);
      const events = eventsOf(stream);
      await self.exec(`{ printf '{"path":"/a","event":"create","folder":false}\\n{"path":"/b","ev';
        printf 'ent":"move_to","folder":true}\\n'; } > ${path}/says`);
      const all = await events;
      ok(/^watch-\d+-\d+$/.test(all[0].watchId), all[0].watchId);
      equal(all.map((e) => [e.type, e.path, e.eventType, e.isDirectory]), [['watching', path, undefined, undefined],
        ['event', '/a', 'create', false], ['event', '/b', 'move_to', true], ['stopped', undefined, undefined, undefined]]);
      ok(!Number.isNaN(Date.parse(all[1].timestamp)), 'timestamp');
    }
    const e = await fails(self.watch(`${dir}/nope`), /ENOENT/, 'FileNotFoundError');
    equal([e.code, e.httpStatus], ['FILE_NOT_FOUND', 404]);
    await (await self.watch(path)).cancel();
    equal(JSON.parse((await self.readFile(`${path}/args`)).content), ['recursive', 'exclude', '.DS_Store', '.git', 'node_modules']);
  },
  async watch_options(self, sandbox, dir) {
    for (const [options, pattern] of [[{ include: ['a'], exclude: ['b'] }, /cannot be used together/], [{ include: 'a' }, /array of strings/],
      [{ exclude: [1] }, /array of strings/], [{ include: ['{a,b}'] }, /no pattern/], [{ exclude: [' '] }, /no pattern/],
      [{ exclude: ['a\0'] }, /no pattern/], [{ include: ['x'.repeat(1025)] }, /no pattern/], [{ recursive: 1 }, /boolean/],
      [{ include: Array(129).fill('a') }, /at most 128/]]) {
      equal((await fails(self.watch(dir, options), pattern)).code, 'VALIDATION_FAILED');
      equal((await fails(self.checkChanges(dir, options), pattern)).code, 'VALIDATION_FAILED');
    }
    for (const since of ['', 'x', 'x:', ':1', 'x:-1', 'x:1e3', 'x:9999999999999999', 1, null]) {
      equal((await fails(self.checkChanges(dir, { since }), /expected a version/)).code, 'VALIDATION_FAILED');
    }
  },
  // What it writes comes from inside the sandbox: whatever it is, it ends that watch and its process, no more.
  async watch_hostile(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; mkfifo ${path}/says`);
    const lines = ['{"event":"create"}', 'null', '1', '""', '[]', 'x', '{"path":"/a","event":"boom","folder":true}',
      '{"path":"/a","event":"create","folder":1}', '{"path":{},"event":"create","folder":true}', '{"count":"1"}', '{"count":1}',
      '{"watching":"/again"}', '{"error":"lost"}', '{"__proto__":{"error":"x"}}', '['.repeat(60000), 'x'.repeat(65537), 'x'.repeat(300000)];
    for (const line of lines) {
      const events = eventsOf(await self.watch(path));
      await self.writeFile(`${dir}/line`, line);
      // No end of a line, and no end of the pipe: what is too long is known before it ends.
      const writer = await self.execStream(`exec 3> ${path}/says; cat ${dir}/line >&3; ${line.length > 65536 ? '' : 'echo >&3;'} exec sleep 60`);
      equal((await events).map((e) => e.type), ['watching', 'error'], line.slice(0, 50));
      await writer.cancel();
      for (let i = 0; i < 200 && (await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path}"`)).exitCode === 0; i++) await sleep(10);
      equal((await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path}"`)).exitCode, 1, 'it ended');
    }
    equal({}.error, undefined);
  },
  async watch_cancel(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; mkfifo ${path}/says`);
    for (const box of [self, sandbox]) {
      const reader = (await box.watch(path)).getReader();
      ok(!(await reader.read()).done, 'the first event');
      equal((await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path}"`)).exitCode, 0, 'it runs');
      await reader.cancel();
      for (let i = 0; i < 200 && (await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path}"`)).exitCode === 0; i++) await sleep(10);
      equal((await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path}"`)).exitCode, 1, 'it ended');
    }
  },
  async watch_ends_with_the_sandbox(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; mkfifo ${path}/says`);
    const events = eventsOf(await self.watch(path));
    await self.destroy();
    equal((await events).map((e) => e.type), ['watching', 'stopped']);
  },
  async changes(self, sandbox, dir) {
    const path = `${dir}/w`;
    const count = (text) => self.writeFile(`${path}/says`, text);
    await self.exec(`mkdir ${path}`);
    await count('{"count":"0"}\n');
    const first = await self.checkChanges(path);
    equal([first.success, first.status], [true, 'unchanged']);
    ok(/^watch-\d+-\d+:0$/.test(first.version), first.version);
    equal(JSON.parse((await self.readFile(`${path}/args`)).content), ['recursive', 'count', 'exclude', '.DS_Store', '.git', 'node_modules']);
    const { version } = await self.checkChanges(path, { since: first.version });
    equal(version, first.version);
    await count('{"count":"7"}\n');
    const all = await Promise.all([1, 2, 3].map(() => self.checkChanges(path, { since: first.version })));
    for (const now of all) equal([now.status, now.version], ['changed', first.version.replace(/0$/, '7')]);
    equal((await self.checkChanges(path, { since: 'watch-9-9:1' })).reason, 'restarted');
    equal((await fails(self.checkChanges(path, { since: first.version.replace(/0$/, '8') }), /has not been yet/)).code, 'VALIDATION_FAILED');
    // Other options, another watch; of one that is over a new one says so.
    ok((await self.checkChanges(path, { exclude: ['x'] })).version.split(':')[0] !== version.split(':')[0], 'another');
    await self.exec(`pkill -f "^[^ ]*python3 .* watch ${path}"`);
    const anew = await self.checkChanges(path, { since: first.version });
    equal([anew.status, anew.reason], ['resync', 'expired']);
    // A bad answer ends it, and a new one is asked; two of them are enough.
    await count('{"count":"-1"}\n');
    equal((await fails(self.checkChanges(path), /nothing answers/)).code, 'WATCH_START_ERROR');
    for (let i = 0; i < 200 && (await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path} recursive count exclude .DS"`)).exitCode === 0; i++) await sleep(10);
    equal((await self.exec(`pgrep -f "^[^ ]*python3 .* watch ${path} recursive count exclude .DS"`)).exitCode, 1, 'none is left');
    await fails(self.checkChanges(`${dir}/nope`), /ENOENT/, 'FileNotFoundError');
  },
  // Each place that is asked about costs a process: the one that was asked longest ago goes.
  async changes_have_a_ceiling(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; echo '{"count":"0"}' > ${path}/says`);
    const first = await self.checkChanges(path, { exclude: ['0'] });
    for (let i = 1; i <= 32; i++) await self.checkChanges(path, { exclude: [`${i}`] });
    const running = async () => Number((await self.exec(`pgrep -fc "^[^ ]*python3 .* watch ${path}"`)).stdout);
    for (let i = 0; i < 200 && (await running()) !== 32; i++) await sleep(10);
    equal(await running(), 32);
    equal((await self.checkChanges(path, { exclude: ['0'], since: first.version })).reason, 'expired');
  },
  async watch_keeps_awake(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; mkfifo ${path}/says`);
    hooks.splice(0);
    const stream = await self.watch(path);
    await sleep(500);
    equal(hooks, [], 'a watch keeps it awake');
    await stream.cancel();
    for (let i = 0; i < 200 && hooks.length < 2; i++) await sleep(10);
    equal(hooks.splice(0), ['expired', 'slept']);
  },
  async changes_do_not_keep_awake(self, sandbox, dir) {
    const path = `${dir}/w`;
    await self.exec(`mkdir ${path}; echo '{"count":"0"}' > ${path}/says`);
    await self.checkChanges(path);
    hooks.splice(0);
    for (let i = 0; i < 200 && hooks.length < 2; i++) await sleep(10);
    equal(hooks.splice(0), ['expired', 'slept']);
  },
  async git(self, sandbox, dir) {
    await self.exec(`git init -q -b trunk ${dir}/o; cd ${dir}/o; echo 1 > f; git add f;
      git -c user.name=n -c user.email=e@example.com commit -qm m`);
    const r = await self.gitCheckout(`file://${dir}/o`, { targetDir: `${dir}/clone`, depth: 1 });
    equal([r.success, r.branch, r.targetDir], [true, 'trunk', `${dir}/clone`]);
    equal((await self.readFile(`${dir}/clone/f`)).content, '1\n');
    await fails(self.gitCheckout(`file://${dir}/nope`, { targetDir: `${dir}/c2` }), /./, 'GitRepositoryNotFoundError');
    await fails(self.gitCheckout(`file://${dir}/o`, { targetDir: `${dir}/c3`, branch: 'x' }), /x/, 'GitBranchNotFoundError');
    await fails(self.gitCheckout('--upload-pack=x'), /not an http/, 'InvalidGitUrlError');
  },
  async one_start(self, sandbox) {
    const all = await Promise.all([1, 2, 3].map((i) => self.exec(`echo ${i}`)));
    equal(all.map((r) => r.stdout), ['1\n', '2\n', '3\n']);
    equal(hooks.splice(0), ['start']);
    equal((await self.getState()).status, 'healthy');
  },
  // An error keeps its class and its facts on its way out of a stub.
  async errors_of_stubs(self, sandbox) {
    const e = await fails(sandbox.killProcess('nope'), /not found/, 'ProcessNotFoundError');
    equal([e.code, e.httpStatus, e.processId, e.context, e.remote], ['PROCESS_NOT_FOUND', 404, 'nope', { processId: 'nope' }, true]);
    ok(e instanceof sdk.ProcessNotFoundError && e instanceof sdk.SandboxError, 'its class');
    equal(Object.keys(e.toJSON()).sort(), ['code', 'context', 'documentation', 'httpStatus', 'message', 'name', 'operation',
      'stack', 'suggestion', 'timestamp'].sort());
    equal(sdk.isPlatformTransientError(new Error('x', { cause: { retryable: true } })), true);
    equal(sdk.isPlatformTransientError(e), false);
  },
  async settings(self, sandbox) {
    await fails(self.setSleepAfter('1 day'), /invalid time expression 1 day/);
    await fails(sandbox.setContainerTimeouts({ waitIntervalMS: 1 }), /waitIntervalMS must be between 100-5000ms, got 1ms/);
    await fails(sandbox.setContainerTimeouts({ waitIntervalMS: 'x' }), /must be a valid finite number/);
    equal(await self.getContainerPlacementId(), null);
    const options = { defaultPort: 8080, envVars: { OPTION: '1' }, sleepAfter: 5, enableInternet: false, entrypoint: ['x'] };
    const built = new Container(self.ctx, self.env, options);
    equal(Object.fromEntries(Object.keys(options).map((k) => [k, built[k]])), options, 'options of the constructor');
  },
  async start_fails(self) {
    const e = await fails(self.exec('true'), /could not be started: no room/);
    ok(e.message.startsWith('The sandbox could not be started'), e.message);
    equal(hooks.splice(0), [`error ${e.message}`]);
  },
  async stops(self) {
    await self.exec('true');
    const cut = self.exec('sleep 20');
    const p = await self.startProcess('sleep 20');
    hooks.splice(0);
    await self.destroy();
    await fails(cut, /was interrupted: the sandbox ended/, 'OperationInterruptedError');
    await fails(p.waitForExit(), /interrupted/);
    equal(hooks.splice(0), ['stop 137 runtime_signal']);
    equal((await self.getState()).status, 'stopped');
    equal((await self.exec('echo again')).stdout, 'again\n');
    equal(hooks.splice(0), ['start']);
    await self.stop();
    equal(hooks.splice(0).length, 1);
  },
  async sleeps(self) {
    await self.exec('true');
    hooks.splice(0);
    const p = await self.startProcess('sleep 0.5');
    await p.waitForExit();
    equal(hooks, [], 'a process keeps it awake');
    for (let i = 0; i < 200 && hooks.length < 2; i++) await sleep(10);
    equal(hooks.splice(0), ['expired', 'slept']);
    equal((await self.getState()).status, 'stopped');
  },
  async busy_does_not_sleep(self) {
    await self.exec('true');
    await sleep(500);
    equal(hooks.splice(0), []);
  },
  async container_fetch(self, sandbox, port) {
    const r = await self.containerFetch('/path?q=1', port);
    equal([r.status, await r.text()], [200, 'from inside']);
    const s = await self.containerFetch('https://any.example/x', { method: 'POST', body: 'b' }, port);
    equal(await s.text(), 'from inside');
    await fails(self.containerFetch('/x'), /No port specified/);
    await fails(self.fetch(new Request('http://x/')), /No port configured/);
    const t = await self.fetch(sdk.switchPort(new Request('http://x/y'), port));
    equal(await t.text(), 'from inside');
    const refused = await self.containerFetch('/x', 1);
    equal(refused.status, 500);
    ok(/^Error proxying request to container: .*not listening/.test(await refused.text()), 'nothing listens');
    const named = await self.fetch(new Request(`http://x/proxy/${port}/y`));
    equal(await named.text(), 'from inside');
    self.requiredPorts = [port];
    await self.startAndWaitForPorts();
    equal((await self.getState()).status, 'healthy');
    await fails(self.startAndWaitForPorts(1, { portReadyTimeoutMS: 30, waitInterval: 10 }), /Failed to verify port 1/);
  },
  async raw_container(self) {
    const c = self.ctx.container;
    equal(c.running, false);
    c.start({ env: { A: '1' }, enableInternet: true });
    ok(c.running, 'running at once');
    await fails((async () => c.start())(), /already running/);
    const ended = c.monitor();
    const p = await c.exec(['/bin/sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: 'pipe' });
    const w = p.stdin.getWriter();
    await w.write(new TextEncoder().encode('typed'));
    await w.close();
    const o = await p.output();
    equal([new TextDecoder().decode(o.stdout), new TextDecoder().decode(o.stderr), o.exitCode], ['typed', 'err\n', 3]);
    const q = await c.exec(['sleep', '30'], { stdout: 'ignore' });
    equal(q.stdout, null);
    q.kill();
    equal(await q.exitCode, 143);
    const s = await c.exec(['cat'], { stdin: new Response('streamed').body });
    equal(new TextDecoder().decode((await s.output()).stdout), 'streamed');
    await fails(c.exec(['x'], { pty: true }), /pty has no local form/);
    await fails(c.exec(['x'], { user: 'root' }), /user other than "sandbox".* has no local form/);
    await fails(c.exec(['x'], { stdout: 'inherit' }), /stdout is none of "pipe", "ignore"/, 'TypeError');
    await fails(c.exec(['x'], { signal: AbortSignal.abort() }), /aborted/);
    const both = await c.exec(['sh', '-c', 'echo a; echo b >&2'], { stderr: 'combined', user: 'sandbox' });
    equal([both.stderr, both.isPty, new TextDecoder().decode((await both.output()).stdout)], [null, false, 'a\nb\n']);
    await fails((async () => c.getTcpPort(1).connect())(), /getTcpPort\(\)\.connect\(\) has no local form/);
    await c.destroy();
    await ended;
    equal(c.running, false);
  },
  async refusals(self, sandbox) {
    for (const name of ['exposePort', 'unexposePort', 'getExposedPorts', 'validatePortToken', 'mountBucket', 'createBackup',
      'restoreBackup', 'createCodeContext', 'runCode']) {
      await fails(sandbox[name](1), new RegExp(`sandbox\\.${name}\\(\\) has no local form`));
    }
    await fails((async () => sandbox.wsConnect())(), /sandbox\.wsConnect\(\) has no local form/);
    for (const name of ['get', 'list', 'destroy']) {
      await fails(sandbox.tunnels[name](8080), new RegExp(`sandbox\\.tunnels\\.${name}\\(\\) has no local form`));
    }
    await fails(self.tunnels.get(8080), /sandbox\.tunnels\.get\(\) has no local form/);
    await fails(sandbox.terminal(new Request('http://x/')), /sandbox\.terminal\(\) has no local form/);
    equal(await sdk.proxyToSandbox(new Request('http://box.example/'), self.env), null); // no request is for a preview URL
    await fails((async () => new sdk.CodeInterpreter())(), /CodeInterpreter/);
    equal((await fails((async () => getSandbox(self.env.BOX, ''))(), /1-63/, 'SandboxSecurityError')).code,
      'INVALID_SANDBOX_ID_LENGTH');
    await fails((async () => getSandbox(self.env.BOX, '-x'))(), /hyphens/, 'SandboxSecurityError');
    await fails((async () => getSandbox(self.env.BOX, 'API'))(), /Reserved/, 'SandboxSecurityError');
    await fails((async () => getSandbox(self.env.BOX, 'x'.repeat(64)))(), /1-63/);
    equal(await sandbox.plain(), { a: 1 });
    equal(getContainer(self.env.BOX, 'other').id.toString(), sandbox.id.toString());
    equal(getSandbox(self.env.BOX, 'OTHER', { normalizeId: true }).id.toString(), sandbox.id.toString());
  },
  // The announcement's calls, in its order.
  async announcement(self) {
    const sandbox = getSandbox(self.env.BOX, 'user-1');
    await sandbox.setOutboundHandler('allowHosts', { allowedHostnames: ['github.com', 'npmjs.org'] });
    await sandbox.exec('true');
    await sandbox.setOutboundHandler('noHttp');
  },
};
module.exports = { Box, Sleepy, Raw, default: { fetch: () => new Response('worker') } };
