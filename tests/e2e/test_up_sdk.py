"""The Sandbox SDK against real sandboxes: what each call gives, field by field, what it throws, and how servers
inside are reached."""
import http.client

import pytest

from conftest import wait_for
from daemon import write_worker

CODE = r"""
import { DurableObject } from "cloudflare:workers";
import * as sdk from "@cloudflare/sandbox";
import { getContainer, getSandbox, Container, Sandbox, parseSSEStream, proxyToSandbox, switchPort } from "@cloudflare/sandbox";

const told = {};
const tell = (object, ...words) => { (told[object.ctx.id.name] ??= []).push(words); };

export class Box extends Sandbox { envVars = { FROM_CLASS: "class", BOTH: "class" }; }
const SERVER = `
import http.server, threading
gate, seen = threading.Event(), []
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body, **more):
        self.send_response(status)
        for name, value in {"content-length": len(body), **more}.items(): self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
    def slow(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for i in range(3):
            self.wfile.write(b"2\\r\\n%d\\n\\r\\n" % i)
            self.wfile.flush()
            gate.wait(20)
        self.wfile.write(b"0\\r\\n\\r\\n")
    def do_GET(self):
        seen.append(f"{self.path} {self.headers['host']}")
        if self.path == "/go": gate.set()
        if self.path == "/slow": self.slow()
        elif self.path == "/die": self.close_connection = True
        elif self.path == "/first": self.answer(200, seen[0].encode())
        elif self.path == "/moved": self.answer(302, b"", location="http://elsewhere.test/")
        else: self.answer(200, f"{self.path} {self.headers['host']}".encode())
    def chunks(self):
        while (size := int(self.rfile.readline(), 16)) > 0:
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
    def do_POST(self):
        length = self.headers["content-length"]
        data = self.rfile.read(int(length)) if length is not None else b"".join(self.chunks())
        self.answer(200, f"{len(data)} {sum(data) % 65536} {self.headers['x-who']}".encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), H).serve_forever()
`;
export class Web extends Container {
  defaultPort = 8080;
  pingEndpoint = "probe.test/health?1";
  entrypoint = ["python3", "-c", SERVER];
  onStart() { tell(this, "start"); }
  onStop(params) { tell(this, "stop", params); }
  onError(error) { tell(this, "error", `${error.message ?? error}`); }
  told() { return (told[this.ctx.id.name] ?? []).splice(0); }
  async remind(payload, schedule) { tell(this, "remind", payload, schedule); }
  async plan() {
    const a = await this.schedule(3600, "remind", { n: 1 });
    const b = await this.schedule(new Date(Date.now() + 7200000), "remind", "text");
    const list = (await this.listSchedules("remind")).length;
    const c = await this.schedule(0, "remind", "now");
    const errors = [];
    for (const args of [[1, 5], [1, "nothing"], ["x", "remind"]]) await this.schedule(...args).catch((e) => errors.push(e.message));
    await this.scheduleNextAlarm(1);
    return { a, b, c, errors, list, none: (await this.getSchedule("zz")) ?? null };
  }
  async unplan(id) { const s = await this.getSchedule(id); this.deleteSchedules("remind"); return [s, await this.listSchedules("remind")]; }
}
export class Ends extends Web { entrypoint = ["sh", "-c", "sleep 0.2; exit 7"]; }
export class Deaf extends Web { entrypoint = ["sh", "-c", "sleep 100"]; }
export class Sleepy extends Web {
  sleepAfter = 1;
  async onActivityExpired() { tell(this, "expired"); await super.onActivityExpired(); }
}
export class Dozes extends Sandbox { sleepAfter = 1; }
export class Raw extends DurableObject {
  async go(name) { return RAW[name](this.ctx.container); }
}
const text = (bytes) => new TextDecoder().decode(bytes);
const RAW = {
  async exec(c) {
    if (!c.running) c.start({ env: { A: "raw" } });
    const p = await c.exec(["sh", "-c", "read x; echo $x $A $B; pwd; echo err >&2; exit 3"], { stdin: "pipe", env: { B: "b" }, cwd: "/usr" });
    const w = p.stdin.getWriter(); await w.write(new TextEncoder().encode("typed\n")); await w.close();
    const o = await p.output();
    const q = await c.exec(["sh", "-c", "echo a; echo b >&2"], { stderr: "combined", user: "sandbox" });
    const stop = new AbortController();
    const r = await c.exec(["sleep", "100"], { signal: stop.signal }); stop.abort();
    const errors = [];
    for (const options of [{ user: "root" }, { pty: true }, { stdout: "x" }]) await c.exec(["true"], options).catch((e) => errors.push(e.message));
    for (const f of [() => c.getTcpPort(1).connect(), () => c.getTcpPort(0), () => c.interceptOutboundTcp("x"), () => c.snapshotDirectory({}), () => p.resize(1, 1)]) {
      try { f(); errors.push("none"); } catch (e) { errors.push(e.message); }
    }
    return { out: text(o.stdout), err: text(o.stderr), code: o.exitCode, keys: Object.keys(o), pid: typeof p.pid, isPty: p.isPty,
      both: text((await q.output()).stdout), none: q.stderr, aborted: await r.exitCode, errors };
  },
  async port(c) {
    const s = await c.exec(["python3", "-c", SERVER], { stdout: "ignore", stderr: "ignore" });
    const port = c.getTcpPort(8080);
    let r = null;
    while (r === null) {
      r = await port.fetch("http://any.example/p?q=1").catch((e) => { if (!/not listening/.test(e.message)) throw e; return null; });
      if (r === null) await scheduler.wait(20);
    }
    const post = await port.fetch("http://x/", { method: "POST", body: "abc", headers: { "x-who": "raw" } });
    const out = [r.status, await r.text(), await post.text()];
    let none; try { await c.getTcpPort(9).fetch("http://x/"); } catch (e) { none = `${e.message}`; }
    s.kill(9);
    out.push(await s.exitCode);
    const ended = c.monitor().then(() => "ended", (e) => e.message);
    await c.destroy();
    return [...out, none, await ended, c.running];
  },
};

const events = async (stream) => { const all = []; for await (const e of parseSSEStream(stream)) all.push(e); return all; };
const failure = async (f) => {
  try { await f(); } catch (e) {
    return { name: e.name, message: e.message, code: e.code, httpStatus: e.httpStatus, context: e.context,
      known: sdk[e.name] !== undefined && e instanceof sdk[e.name] };
  }
  return "no failure";
};
const http = async (r) => ({ status: r.status, text: await r.text() });
const shape = (value) => {
  if (value === null) return "null";
  if (Array.isArray(value)) return [...new Set(value.map((v) => JSON.stringify(shape(v))))].map((v) => JSON.parse(v));
  if (value instanceof Date) return "Date";
  if (value instanceof ReadableStream) return "stream";
  if (typeof value !== "object") return typeof value;
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined && typeof v !== "function").map(([k, v]) => [k, shape(v)]));
};

const tests = {
  shapes: async ({ box }) => {
    const d = "/workspace/shapes";
    const p = await box.startProcess("echo up; exec sleep 100", { processId: "shaped" });
    await p.waitForLog("up");
    const ended = await box.startProcess("exit 4");
    const exit = await ended.waitForExit();
    const r = {
      exec: await box.exec("true"), process: p, ended: await box.getProcess(ended.id), waitForExit: exit,
      waitForLog: await p.waitForLog(/u(p)/), logs: await p.getLogs(), getProcessLogs: await box.getProcessLogs("shaped"),
      listProcesses: (await box.listProcesses()).filter((x) => x.id === "shaped"), getStatus: await p.getStatus(),
      mkdir: await box.mkdir(d, { recursive: true }), writeFile: await box.writeFile(`${d}/a.txt`, "text"),
      writeStream: await box.writeFile(`${d}/deep/down/b.txt`, new Response("stream").body),
      readFile: await box.readFile(`${d}/a.txt`), readNone: await box.readFile(`${d}/a.txt`, { encoding: "none" }),
      exists: await box.exists(d), rename: await box.renameFile(`${d}/a.txt`, `${d}/b.txt`),
      move: await box.moveFile(`${d}/b.txt`, `${d}/c.txt`), list: await box.listFiles(d, { recursive: true }),
      delete: await box.deleteFile(`${d}/c.txt`), changes: await box.checkChanges(d),
      session: await box.createSession({ id: "shaped" }), deleteSession: await box.deleteSession("shaped"),
      state: await box.getState(), killAll: await box.killAllProcesses(), cleanup: await box.cleanupCompletedProcesses(),
    };
    return Object.fromEntries(Object.entries(r).map(([k, v]) => [k, shape(v)]));
  },
  streams: async ({ box }) => {
    const all = await events(await box.execStream("echo a; sleep 0.05; echo b >&2; exit 3"));
    await (await box.startProcess("echo l; exit 2", { processId: "logged" })).waitForExit();
    const logs = await events(await box.streamProcessLogs("logged"));
    await box.writeFile("/workspace/s.txt", "text");
    const file = await events(await box.readFileStream("/workspace/s.txt"));
    return { exec: all.map((e) => [e.type, shape(e)]), logs: logs.map((e) => [e.type, shape(e)]), file };
  },
  failures: async ({ box }) => {
    await box.exec("mkdir -p /workspace/folder; echo x > /workspace/file");
    const one = await box.startProcess("exec sleep 100", { processId: "one" });
    const p = await box.startProcess("sleep 0.1; exit 9", { processId: "short" });
    const list = {
      timeout: () => box.exec("sleep 100", { timeout: 50 }), empty: () => box.exec(" "),
      encoding: () => box.exec("true", { encoding: "ebcdic" }), aborted: () => box.exec("true", { signal: AbortSignal.abort() }),
      inFlight: () => box.exec("sleep 100", { signal: AbortSignal.timeout(50) }), session: () => box.exec("true", { sessionId: " " }),
      unknown: () => box.killProcess("nobody"), logs: () => box.getProcessLogs("nobody"), stream: () => box.streamProcessLogs("nobody"),
      same: () => box.startProcess("true", { processId: "one" }), spaces: () => box.startProcess("true", { processId: "a b" }),
      late: () => one.waitForLog("never", 20), gone: () => p.waitForLog("never"), port: () => p.waitForPort(9),
      read: () => box.readFile("/workspace/nope"), readFolder: () => box.readFile("/workspace/folder"),
      write: () => box.writeFile("/workspace/file/x", "y"), base64: () => box.writeFile("/workspace/x", "*", { encoding: "base64" }),
      bad: () => box.readFile("/workspace/file", { encoding: "ebcdic" }), remove: () => box.deleteFile("/workspace/folder"),
      removeNone: () => box.deleteFile("/workspace/nope"), mkdir: () => box.mkdir("/workspace/folder"), list: () => box.listFiles("/workspace/file"),
      both: () => box.checkChanges("/workspace", { include: ["a"], exclude: ["b"] }), git: () => box.gitCheckout("not a url"),
      twice: async () => { await box.createSession({ id: "twice" }); await box.createSession({ id: "twice" }); },
      noSession: () => box.deleteSession("nobody"), defaultSession: () => box.deleteSession("sandbox-b1"),
      variable: () => box.setEnvVars({ "A B": "1" }), sleepAfter: () => box.setSleepAfter("soon"),
      waits: () => box.setContainerTimeouts({ portReadyTimeoutMS: 1 }), id: async () => getSandbox(null, "-x"),
    };
    const r = {};
    for (const [name, f] of Object.entries(list)) r[name] = await failure(f);
    await box.killAllProcesses();
    return r;
  },
  noLocalForm: async ({ box, request, env }) => {
    const session = await box.createSession({ id: "refusing" });
    const names = ["exposePort", "unexposePort", "getExposedPorts", "isPortExposed", "validatePortToken", "mountBucket", "unmountBucket",
      "createBackup", "restoreBackup", "createCodeContext", "runCode", "runCodeStream", "listCodeContexts", "deleteCodeContext",
      "terminal", "wsConnect", "callTunnels"];
    const inSession = names.filter((n) => !/Port|wsConnect|callTunnels/.test(n));
    const r = [];
    for (const n of names) r.push([`sandbox.${n}()`, (await failure(() => box[n](1))).message]);
    for (const n of inSession) r.push([`session.${n}()`, (await failure(() => session[n](1))).message]);
    for (const n of ["get", "list", "destroy"]) r.push([`sandbox.tunnels.${n}()`, (await failure(() => box.tunnels[n](1))).message]);
    return { r, proxy: await proxyToSandbox(request, env) };
  },
  environment: async ({ box }) => {
    const echo = "echo $FROM_CLASS-$BOTH-$LATE";
    const r = [(await box.exec(echo)).stdout];
    await box.setEnvVars({ LATE: "set", BOTH: "set" });
    const s = await box.createSession({ id: "env", env: { BOTH: "session", NONE: undefined }, cwd: "/usr" });
    r.push((await box.exec(echo)).stdout, (await s.exec(`${echo}; pwd`)).stdout, (await s.exec(echo, { env: { BOTH: "exec", LATE: undefined } })).stdout);
    await s.setEnvVars({ BOTH: undefined });
    await box.setEnvVars({ LATE: undefined });
    r.push((await s.exec(echo)).stdout, (await box.exec(echo)).stdout);
    return r;
  },
  sessions: async ({ box, env }) => {
    const lone = getSandbox(env.BOX, "b1", { enableDefaultSession: false });
    await box.exec("export KEPT=1; cd /usr");
    const r = [(await box.exec("echo $KEPT; pwd; cd /workspace")).stdout, (await lone.exec("echo [$KEPT]$FROM_CLASS; cd /usr")).stdout];
    const a = await box.exec("true"), b = await lone.exec("true"), c = await box.exec("true", { sessionId: "made-by-name" });
    const s = await box.createSession({ id: "gone" });
    await s.exec("export GONE=1"); await box.deleteSession("gone");
    r.push([a.sessionId, b.sessionId ?? null, c.sessionId], (await s.exec("echo [$GONE]")).stdout);
    r.push((await (await box.getSession("sandbox-b1")).exec("echo $KEPT")).stdout, (await box.exec("exit 5")).exitCode, (await box.exec("echo on")).stdout);
    const slow = await box.createSession({ commandTimeoutMs: 50 });
    r.push((await failure(() => slow.exec("sleep 100"))).message, (await box.startProcess("true")).sessionId, /^session-/.test(slow.id));
    return r;
  },
  exec: async ({ box }) => {
    const seen = [];
    const r = await box.exec("for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done", { stream: true, onOutput: (n, d) => seen.push(`${n} ${d.trim()}`) });
    const bytes = await box.exec("printf '\\377\\0\\1'", { encoding: "base64" });
    const lost = await box.exec("pwd", { cwd: "/nonexistent" });
    const where = await box.exec("pwd", { cwd: "/usr" });
    const stream = await box.execStream("echo begun; exec sleep 321.5");
    const reader = stream.getReader(); await reader.read(); await reader.read(); await reader.cancel();
    let left = 1; for (let i = 0; i < 200 && left !== 0; i++) { left = Number((await box.exec("pgrep -fc '^sleep 321[.]5'")).stdout); if (left) await scheduler.wait(20); }
    return { seen, same: [r.stdout, r.stderr], bytes: bytes.stdout, lost: [lost.success, lost.exitCode, lost.stderr], where: where.stdout, left };
  },
  watch: async ({ box }) => {
    await box.exec("mkdir -p /workspace/w/old /workspace/w/node_modules /workspace/out; echo 1 > /workspace/w/old/a");
    const read = async (options, command, last) => {
      const stream = await box.watch("/workspace/w", options);
      await box.exec(command, { cwd: "/workspace/w" });
      const all = [];
      for await (const e of parseSSEStream(stream)) {
        const line = e.type === "event" ? `${e.eventType} ${e.path}${e.isDirectory ? "/" : ""}` : e.type;
        if (line !== all.at(-1)) all.push(line); // a write may be told of more than once
        if (line.endsWith(last)) break;
      }
      return all;
    };
    const r = [
      await read({}, "echo 2 >> old/a; mkdir node_modules/n; echo n > node_modules/n/x; mv old/a old/b; rm old/b; rmdir old; mkdir end1", "/end1/"),
      await read({}, "mkdir stay; echo 1 > stay/kept; mv stay stayed; mkdir new; echo 3 > new/late; mv new moved; echo 4 > moved/late; mv moved ../out; echo 5 > ../out/moved/late; mkdir end2", "/end2/"),
      await read({ recursive: false }, "mkdir flat; echo x > flat/x; mkdir end3", "/end3/"),
      await read({ include: ["*.ts"] }, "mkdir -p deep/er; echo x > deep/x.js; echo x > deep/er/x.ts", "/x.ts"),
      await read({}, "cd ..; rm -r w", "stopped"),
    ];
    const session = await box.createSession({ id: "watching" });
    await box.writeFile("/workspace/one", "1");
    const [first] = [await session.watch("one")];
    const one = first.getReader();
    const watching = new TextDecoder().decode((await one.read()).value);
    await box.exec("echo 2 > /workspace/one");
    const changed = new TextDecoder().decode((await one.read()).value);
    await one.cancel();
    let left = 1;
    for (let i = 0; i < 200 && left !== 0; i++) { left = Number((await box.exec("pgrep -xc agent || true")).stdout) - 1; if (left) await scheduler.wait(20); }
    return { r, watching: JSON.parse(watching.slice(6)), changed: JSON.parse(changed.slice(6)), left,
      failures: [await failure(() => box.watch("/workspace/nope")), await failure(() => box.watch("/workspace", { include: ["a"], exclude: ["b"] })),
        await failure(() => box.watch("/workspace", { include: ["[a]"] })), await failure(() => box.watch(""))] };
  },
  start: async ({ web }) => {
    await web.startAndWaitForPorts();
    return [await web.getState(), await web.told()];
  },
  fetches: async ({ web, env }) => {
    const get = await http(await web.containerFetch("http://any.example/path?q=1"));
    const again = await http(await web.fetch(new Request("https://any.example/again")));
    const big = await http(await web.containerFetch("http://x/", { method: "POST", body: new Uint8Array(1 << 20).fill(3), headers: { "x-who": "me" } }, 8080));
    const streamed = await http(await web.fetch(new Request("http://x/", { method: "POST", body: new Response("streamed").body, duplex: "half" })));
    const switched = await http(await getContainer(env.WEB, "w1").fetch(switchPort(new Request("http://x/switched"), 8080)));
    return { get, again, big, streamed, switched };
  },
  more: async ({ web }) => {
    const moved = await web.fetch(new Request("http://x/moved", { redirect: "follow" }));
    const none = await http(await web.containerFetch("http://x/", 9));
    const probe = await http(await web.containerFetch("http://x/first"));
    const died = await http(await web.containerFetch("http://x/die"));
    const lost = [];
    for (const early of [true, false]) { // an aborted body is never taken for one that has ended
      const stop = new AbortController();
      const cut = await web.containerFetch(new Request("http://x/slow", { signal: stop.signal }));
      const reader = cut.body.getReader();
      if (!early) await reader.read();
      stop.abort();
      lost.push((await failure(() => reader.read())).name);
    }
    const port = await failure(() => web.containerFetch("http://x/", 70000));
    return { moved: [moved.status, moved.headers.get("location")], none, died, lost, probe, port: port.name };
  },
  plan: ({ web }) => web.plan(),
  told: ({ web, url }) => web.told(),
  unplan: ({ web, url }) => web.unplan(url.searchParams.get("id")),
  stop: async ({ web }) => { await web.stop(); return [await web.getState(), await web.told()]; },
  destroyed: async ({ web }) => { await web.start(); await Promise.all([web.destroy(), web.destroy()]); await web.stop(); return [await web.getState(), await web.told()]; },
  ends: async ({ env }) => { const e = getContainer(env.ENDS, "e1"); await e.start(); return e.getState(); },
  endsTold: async ({ env }) => { const e = getContainer(env.ENDS, "e1"); return [await e.getState(), await e.told()]; },
  deaf: async ({ env }) => {
    const d = getContainer(env.DEAF, "d1");
    const late = await failure(() => d.startAndWaitForPorts(8080, { portReadyTimeoutMS: 60, waitInterval: 20 }));
    const stop = new AbortController(); setTimeout(() => stop.abort(), 30);
    const aborted = await failure(() => d.startAndWaitForPorts({ ports: [8080], cancellationOptions: { abort: stop.signal } }));
    return [late.message, aborted.message, await d.told(), await d.destroy() ?? null];
  },
  sleepy: async ({ env }) => http(await getContainer(env.SLEEPY, "s1").fetch(new Request("http://x/"))),
  sleepyTold: async ({ env }) => { const s = getContainer(env.SLEEPY, "s1"); return [(await s.getState()).status, await s.told()]; },
  rawExec: ({ env }) => env.RAW.getByName("r").go("exec"),
  rawPort: ({ env }) => env.RAW.getByName("r").go("port"),
  abandoned: async ({ env }) => {
    const reader = (await getSandbox(env.DOZES, "d1").watch("/workspace")).getReader();
    await reader.read();
    reader.read().catch(() => {}); // still open when this request is over
    return "left";
  },
  dozes: async ({ env }) => (await getSandbox(env.DOZES, "d1").getState()).status,
  keep: async ({ env }) => {
    const box = getSandbox(env.BOX, "kept");
    await box.setKeepAlive(true); await box.setSleepAfter(1);
    return (await getSandbox(env.BOX, "KEPT", { normalizeId: true }).exec("echo ran")).stdout;
  },
  kept: async ({ env }) => {
    const box = getSandbox(env.BOX, "kept");
    const r = (await box.exec("echo again")).stdout;
    return [r, (await box.getState()).status];
  },
  unkeep: async ({ env }) => { await getSandbox(env.BOX, "kept").setKeepAlive(false); },
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url), name = url.pathname.slice(1);
    const at = { request, env, url, box: getSandbox(env.BOX, "b1"), web: getContainer(env.WEB, "w1") };
    if (name === "slow" || name === "go") return at.web.containerFetch(`http://x/${name}`);
    try { return Response.json((await tests[name](at)) ?? null); }
    catch (e) { return Response.json({ failed: `${e.name}: ${e.message}`, stack: e.stack }, { status: 500 }); }
  },
};
"""

TIMED = {"timestamp": "string"}
DONE = {"success": "boolean", "path": "string", **TIMED}
EXEC = {"success": "boolean", "exitCode": "number", "stdout": "string", "stderr": "string", "command": "string",
        "duration": "number", "sessionId": "string", **TIMED}
PROCESS = {"id": "string", "pid": "number", "command": "string", "status": "string", "startTime": "Date", "sessionId": "string"}
ENTRY = {"name": "string", "absolutePath": "string", "relativePath": "string", "type": "string", "size": "number",
         "modifiedAt": "string", "mode": "string",
         "permissions": {"readable": "boolean", "writable": "boolean", "executable": "boolean"}}
SHAPES = {
    "exec": EXEC, "process": PROCESS, "ended": {**PROCESS, "endTime": "Date", "exitCode": "number"},
    "waitForExit": {"exitCode": "number"}, "waitForLog": {"line": "string", "match": ["string"]},
    "logs": {"stdout": "string", "stderr": "string"},
    "getProcessLogs": {"stdout": "string", "stderr": "string", "processId": "string"},
    "listProcesses": [PROCESS], "getStatus": "string", "mkdir": {**DONE, "recursive": "boolean"}, "writeFile": DONE,
    "writeStream": {**DONE, "bytesWritten": "number"},
    "readFile": {**DONE, "content": "string", "encoding": "string", "isBinary": "boolean", "mimeType": "string", "size": "number"},
    "readNone": {**DONE, "content": "stream", "mimeType": "string", "size": "number"},
    "exists": {**DONE, "exists": "boolean"}, "rename": {**DONE, "newPath": "string"}, "move": {**DONE, "newPath": "string"},
    "list": {**DONE, "files": [ENTRY], "count": "number"}, "delete": DONE,
    "changes": {"success": "boolean", "status": "string", "version": "string", **TIMED},
    "session": {"id": "string"}, "deleteSession": {"success": "boolean", "sessionId": "string", **TIMED},
    "state": {"status": "string", "lastChange": "number"}, "killAll": "number", "cleanup": "number",
}
# name -> class, code, HTTP status, words of the message. None: an Error without a code.
FAILURES = {
    "timeout": ("CommandError", "COMMAND_EXECUTION_ERROR", 500, "Command timeout after 50ms"),
    "empty": ("CommandError", "INVALID_COMMAND", 400, "command"),
    "encoding": ("TypeError", None, None, 'Unknown encoding "ebcdic"'),
    "aborted": ("Error", None, None, "Operation was aborted"), "inFlight": ("Error", None, None, "Operation was aborted"),
    "session": ("Error", None, None, "sessionId must not be empty or whitespace"),
    "unknown": ("ProcessNotFoundError", "PROCESS_NOT_FOUND", 404, "nobody"),
    "logs": ("ProcessNotFoundError", "PROCESS_NOT_FOUND", 404, "nobody"),
    "stream": ("ProcessNotFoundError", "PROCESS_NOT_FOUND", 404, "nobody"),
    "same": ("ProcessError", "PROCESS_ERROR", 500, "runs already"),
    "spaces": ("ValidationFailedError", "VALIDATION_FAILED", 400, "processId"),
    "late": ("ProcessReadyTimeoutError", "PROCESS_READY_TIMEOUT", 408,
             'Process did not become ready within 20ms. Waiting for: "never"'),
    "gone": ("ProcessExitedBeforeReadyError", "PROCESS_EXITED_BEFORE_READY", 500,
             'Process exited with code 9 before becoming ready. Waiting for: "never"'),
    "port": ("ProcessExitedBeforeReadyError", "PROCESS_EXITED_BEFORE_READY", 500, "port 9 (HTTP /)"),
    "read": ("FileNotFoundError", "FILE_NOT_FOUND", 404, "/workspace/nope"),
    "readFolder": ("FileSystemError", "IS_DIRECTORY", 400, "/workspace/folder"),
    "write": ("FileSystemError", "NOT_DIRECTORY", 400, "/workspace/file/x"),
    "base64": ("ValidationFailedError", "VALIDATION_FAILED", 400, "base64"),
    "bad": ("ValidationFailedError", "VALIDATION_FAILED", 400, "ebcdic"),
    "remove": ("FileSystemError", "IS_DIRECTORY", 400, "/workspace/folder"),
    "removeNone": ("FileNotFoundError", "FILE_NOT_FOUND", 404, "/workspace/nope"),
    "mkdir": ("FileExistsError", "FILE_EXISTS", 409, "/workspace/folder"),
    "list": ("FileSystemError", "NOT_DIRECTORY", 400, "/workspace/file"),
    "both": ("ValidationFailedError", "VALIDATION_FAILED", 400, "cannot be used together"),
    "git": ("InvalidGitUrlError", "INVALID_GIT_URL", 400, "URL"),
    "twice": ("SessionAlreadyExistsError", "SESSION_ALREADY_EXISTS", 409, "Session 'twice' already exists"),
    "noSession": ("SandboxError", "INTERNAL_ERROR", 500, "Session 'nobody' not found"),
    "defaultSession": ("Error", None, None, "Cannot delete default session 'sandbox-b1'"),
    "variable": ("ValidationFailedError", "VALIDATION_FAILED", 400, "A B"),
    "sleepAfter": ("Error", None, None, "invalid time expression soon"),
    "waits": ("Error", None, None, "portReadyTimeoutMS must be between 10000-600000ms, got 1ms"),
    "id": ("SandboxSecurityError", "INVALID_SANDBOX_ID_HYPHENS", None, "hyphens"),
}


@pytest.fixture
def daemon(user, up):
    return up(write_worker(user, CODE, bindings={"BOX": "Box", "WEB": "Web", "ENDS": "Ends", "DEAF": "Deaf", "SLEEPY": "Sleepy", "DOZES": "Dozes",
                                                 "RAW": "Raw"}))


def test_what_each_call_gives(daemon):
    got = daemon.get("/shapes").json
    assert sorted(got) == sorted(SHAPES)
    for name, shape in SHAPES.items():
        assert got[name] == shape, name
    got = daemon.get("/streams").json
    event = {"type": "string", "timestamp": "string", "command": "string", "sessionId": "string"}
    assert got["exec"] == [["start", {**event, "pid": "number"}], ["stdout", {**event, "data": "string"}],
                           ["stderr", {**event, "data": "string"}],
                           ["complete", {**event, "exitCode": "number", "result": EXEC}]]
    log = {"type": "string", "timestamp": "string", "data": "string", "processId": "string", "sessionId": "string"}
    assert got["logs"] == [["stdout", log], ["exit", {**log, "exitCode": "number"}]]
    assert got["file"] == [{"type": "metadata", "mimeType": "text/plain", "size": 4, "isBinary": False, "encoding": "utf-8"},
                           {"type": "chunk", "data": "text"}, {"type": "complete", "bytesRead": 4}]


def test_what_each_call_throws(daemon):
    got = daemon.get("/failures").json
    assert sorted(got) == sorted(FAILURES)
    for name, (kind, code, status, words) in FAILURES.items():
        e = got[name]
        assert e != "no failure", name
        assert (e["name"], e.get("code"), e.get("httpStatus")) == (kind, code, status), (name, e)
        assert words in e["message"], (name, e)
        assert e["known"] == (status is not None), (name, e)
    assert got["late"]["context"] == {"processId": "one", "command": "exec sleep 100", "condition": '"never"', "timeout": 20}


def test_what_has_no_local_form_says_so_by_its_name(daemon):
    got = daemon.get("/noLocalForm").json
    assert len(got["r"]) == 30
    for name, message in got["r"]:
        assert message.startswith(f"{name} has no local form"), (name, message)
    assert got["proxy"] is None, got


def test_commands_environments_sessions(daemon):
    got = daemon.get("/environment").json
    assert got == ["class-class-\n", "class-set-set\n", "class-session-set\n/usr\n", "class-exec-set\n", "class--set\n",
                   "class-set-\n"], got
    got = daemon.get("/sessions").json
    assert got == ["1\n/usr\n", "[]class\n", ["sandbox-b1", None, "made-by-name"], "[]\n", "1\n", 5, "on\n",
                   "Command timeout after 50ms", "sandbox-b1", True], got
    got = daemon.get("/exec").json
    assert got["seen"] == [f"{n} {c}{i}" for i in (1, 2, 3) for n, c in (("stdout", "o"), ("stderr", "e"))], got
    assert got["same"] == ["o1\no2\no3\n", "e1\ne2\ne3\n"] and got["bytes"] == "/wAB" and got["where"] == "/usr\n", got
    assert got["lost"] == [False, 1, "Failed to change directory to '/nonexistent'\n"] and got["left"] == 0, got


def test_watch(daemon):
    got = daemon.get("/watch").json
    w = "/workspace/w"
    assert got["r"][0] == ["watching", f"modify {w}/old/a", f"move_from {w}/old/a", f"move_to {w}/old/b", f"delete {w}/old/b",
                           f"delete {w}/old/", f"create {w}/end1/"], got["r"][0]
    moves = got["r"][1]  # how soon new folders are watched is chance: what they hold is told of under one name or the other
    assert [line for line in moves if line.endswith("/")] == [
        f"create {w}/stay/", f"move_from {w}/stay/", f"move_to {w}/stayed/", f"create {w}/new/", f"move_from {w}/new/", f"move_to {w}/moved/", f"move_from {w}/moved/", f"create {w}/end2/"], moves
    late = [i for i, line in enumerate(moves) if line.endswith("/late")]
    assert max(late, default=0) < moves.index(f"move_from {w}/moved/"), moves
    assert any(line.endswith("/kept") for line in moves), moves
    assert got["r"][2] == ["watching", f"create {w}/flat/", f"create {w}/end3/"], got["r"][2]
    assert got["r"][3] == ["watching", f"create {w}/deep/er/x.ts"], got["r"][3]
    assert got["r"][4][0] == "watching" and got["r"][4][-1] == "stopped", got["r"][4]
    assert sorted(got["watching"]) == ["path", "type", "watchId"] and got["watching"]["path"] == "/workspace/one", got
    assert sorted(got["changed"]) == ["eventType", "isDirectory", "path", "timestamp", "type"], got
    assert (got["changed"]["eventType"], got["changed"]["path"]) == ("modify", "/workspace/one"), got
    assert got["left"] == 0, "the agent's watch outlived its stream"
    assert [f["name"] for f in got["failures"]] == ["FileNotFoundError", *["ValidationFailedError"] * 3], got["failures"]


def test_http_into_the_sandbox(daemon):
    state, told = daemon.get("/start").json
    assert state["status"] == "healthy" and told == [["start"]], (state, told)
    got = daemon.get("/fetches").json
    assert got["get"]["status"] == 200 and got["get"]["text"] == "/path?q=1 any.example", got
    assert got["again"]["text"] == "/again any.example", got
    assert got["big"] == {"status": 200, "text": f"{1 << 20} {3 * (1 << 20) % 65536} me"}, got
    assert got["streamed"]["text"] == f"8 {sum(b'streamed')} None" and got["switched"]["text"] == "/switched x", got
    got = daemon.get("/more").json
    assert got["moved"] == [302, "http://elsewhere.test/"], got
    assert got["died"] == {"status": 500, "text": "Container suddenly disconnected, try again"}, got
    assert got["probe"]["text"] == "/health?1 probe.test", got
    assert got["lost"] == ["AbortError", "AbortError"], got
    assert got["none"]["status"] == 500 and got["port"] == "TypeError", got
    assert got["none"]["text"].startswith("Error proxying request to container: the container is not listening on port 9"), got


def test_a_body_from_inside_is_passed_on_as_it_comes(daemon):
    daemon.get("/start")
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("GET", "/slow")
    r = connection.getresponse()
    assert r.read1(100) == b"0\n"  # the server writes no more before it is told to
    assert daemon.get("/go").text == "/go x"
    assert r.read() == b"1\n2\n"
    connection.close()


def test_the_life_of_a_container(daemon):
    daemon.get("/start")
    state, told = daemon.get("/stop").json
    assert state["status"] == "stopped" and told == [["stop", {"exitCode": 143, "reason": "runtime_signal"}]], (state, told)
    state, told = daemon.get("/destroyed").json
    assert state["status"] == "stopped", state
    assert told == [["start"], ["stop", {"exitCode": 137, "reason": "runtime_signal"}]], told
    assert daemon.get("/ends").json["status"] == "running"
    wait_for(lambda: daemon.get("/endsTold").json[0]["status"] == "stopped_with_code", 10, "the end of the main process")


def test_a_container_that_ends_tells_its_status(daemon):
    daemon.get("/ends")
    told = []

    def ended():
        state, words = daemon.get("/endsTold").json
        told.extend(words)
        return state if len(told) == 2 else None

    state = wait_for(ended, 10, "onStop")
    assert told == [["start"], ["stop", {"exitCode": 7, "reason": "exit"}]], told
    assert state["status"] == "stopped_with_code" and state["exitCode"] == 7, state


def test_a_port_on_which_nothing_listens(daemon):
    late, aborted, told, _ = daemon.get("/deaf").json
    assert late == "Failed to verify port 8080 is available after 60ms: the container is not listening on it", late
    assert aborted == "Container request aborted.", aborted
    assert told == [["start"], ["error", late]], told


def test_an_idle_container_sleeps(daemon):
    assert daemon.get("/sleepy").json["status"] == 200
    told = []

    def asleep():
        state, words = daemon.get("/sleepyTold").json
        told.extend(words)
        return state == "stopped" and len(told) == 3

    wait_for(asleep, 15, "its sleep")
    assert [w[0] for w in told] == ["start", "expired", "stop"], told


def test_a_watch_that_nobody_reads_any_more_keeps_nothing_awake(daemon):
    assert daemon.get("/abandoned").json == "left"
    wait_for(lambda: daemon.get("/dozes").json == "stopped", 15, "its sleep")


def test_schedules(daemon):
    got = daemon.get("/plan").json
    assert got["a"]["type"] == "delayed" and got["a"]["delayInSeconds"] == 3600 and got["a"]["payload"] == {"n": 1}, got
    assert sorted(got["b"]) == ["callback", "payload", "taskId", "time", "type"] and got["b"]["type"] == "scheduled", got
    assert got["errors"] == ["Callback must be a string (method name)", "this.nothing is not a function",
                             "Invalid schedule type. 'when' must be a Date or number of seconds"], got
    assert got["list"] == 2 and got["none"] is None, got
    told = []
    wait_for(lambda: told.extend(daemon.get("/told").json) or told, 10, "what is due")
    assert [told[0][:2], told[0][2]["taskId"]] == [["remind", "now"], got["c"]["taskId"]], told
    one, rest = daemon.get(f"/unplan?id={got['b']['taskId']}").json
    assert one == got["b"] and rest == [], (one, rest)


def test_ctx_container(daemon):
    got = daemon.get("/rawExec").json
    assert (got["out"], got["err"], got["code"]) == ("typed raw b\n/usr\n", "err\n", 3), got
    assert got["keys"] == ["stdout", "stderr", "exitCode"] and got["pid"] == "number" and got["isPty"] is False, got
    assert got["both"] == "a\nb\n" and got["none"] is None and got["aborted"] == 137, got
    errors = got["errors"]
    for words, message in zip(["user other than", "pty", "stdout is none of", "getTcpPort().connect()", "Invalid port number",
                               "interceptOutboundTcp()", "snapshotDirectory()", "resize()"], errors, strict=True):
        assert words in message, errors
    status, text, post, killed, none, ended, running = daemon.get("/rawPort").json
    assert (status, text, post, killed) == (200, "/p?q=1 any.example", f"3 {sum(b'abc')} raw", 137)
    assert "the container is not listening" in none and ended == "ended" and running is False, (none, ended, running)


def test_what_was_set_on_a_sandbox_holds_after_a_restart(daemon):
    assert daemon.get("/keep").json == "ran\n"
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.get("/kept").json == ["again\n", "healthy"]  # in a new sandbox, kept alive as the old one was
    daemon.get("/unkeep")  # now it sleeps after the second that was set before
    wait_for(lambda: daemon.instances() == [] or all(i.get("state") != "running" for i in daemon.instances()), 10, "its sleep")
