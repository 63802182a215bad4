"""exec: from code, from a shell, with what goes wrong."""
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import gate_processes, processes_of, wait_for
from daemon import read_until, write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {
  async onStart() { this.ctx.storage.kv.put("starts", (await this.starts()) + 1); }
  async starts() { return this.ctx.storage.kv.get("starts") ?? 0; }
}

const timed = async (fn) => { const t = Date.now(); const r = await fn(); return [r, Date.now() - t]; };

const tests = {
  codes: async (s) => {
    const out = [];
    for (const n of [0, 1, 3, 127, 255]) out.push((await s.exec(`exit ${n}`)).exitCode);
    return out;
  },
  shape: (s) => s.exec("echo out; echo err >&2; exit 3", { env: { A: "b" }, cwd: "/tmp" }),
  place: async (s) => (await s.exec("pwd; echo $A", { env: { A: "b" }, cwd: "/tmp" })).stdout,
  killed: async (s) => (await s.exec("kill -9 $$")).exitCode,
  notFound: (s) => s.exec("no-such-command-anywhere"),
  session: async (s) => {
    await s.exec("cd /tmp; export KEPT=yes; alias x=y");
    const main = (await s.exec("pwd; echo $KEPT")).stdout;
    const session = await s.createSession({ id: "other", env: { OWN: "1" }, cwd: "/usr" });
    await session.exec("cd lib; export KEPT=other");
    const other = (await session.exec("pwd; echo $KEPT $OWN")).stdout;
    const again = (await s.exec("pwd; echo $KEPT $OWN")).stdout;
    await s.setEnvVars({ KEPT: undefined, NEW: "n" });
    const unset = (await s.exec("echo [$KEPT] $NEW")).stdout;
    await s.deleteSession("other");
    return { main, other, again, unset };
  },
  binary: async (s) => {
    const bytes = new Uint8Array(70000).map((_, i) => (i * 7 + (i >> 8)) & 255);
    let text = ""; for (const b of bytes) text += String.fromCharCode(b);
    await s.writeFile("/workspace/bin", btoa(text), { encoding: "base64" });
    const back = await s.readFile("/workspace/bin", { encoding: "base64" });
    const sum = await s.exec("sha256sum < bin | cut -d' ' -f1; wc -c < bin");
    const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))]
      .map((b) => b.toString(16).padStart(2, "0")).join("");
    return { same: back.content === btoa(text), size: sum.stdout.split("\\n")[1], sum: sum.stdout.split("\\n")[0], digest };
  },
  files: async (s) => {
    await s.mkdir("/workspace/a/b", { recursive: true });
    await s.writeFile("/workspace/a/b/f.txt", "grüße\\n");
    await s.renameFile("/workspace/a/b/f.txt", "/workspace/a/g.txt");
    await s.moveFile("/workspace/a/g.txt", "/tmp/g.txt");
    const read = (await s.readFile("/tmp/g.txt")).content;
    const exists = [(await s.exists("/tmp/g.txt")).exists, (await s.exists("/workspace/a/g.txt")).exists];
    const list = (await s.listFiles("/workspace")).files.map((f) => f.name).sort();
    await s.deleteFile("/tmp/g.txt");
    let error = null;
    try { await s.readFile("/tmp/g.txt"); } catch (e) { error = `${e.name}: ${e.message}`; }
    return { read, exists, list, error };
  },
  timeout: (s) => timed(async () => {
    try { return await s.exec("sleep 30.5917", { timeout: 300 }); } catch (e) { return `${e.name}: ${e.message}`; }
  }),
  abort: (s) => timed(async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    try { return await s.exec("sleep 31.5917", { signal: controller.signal }); } catch (e) { return `${e.name}: ${e.message}`; }
  }),
  orphan: (s) => timed(async () => (await s.exec("(sleep 32.5917 &) ; echo parent")).stdout),
  row: (s) => timed(async () => {
    let n = 0;
    for (let i = 0; i < 1000; i++) n += (await s.exec("true")).exitCode === 0 ? 1 : 0;
    return n;
  }),
  together: (s) => timed(async () => {
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => s.exec(`sleep 0.2; echo ${i}`)));
    return all.map((r) => r.stdout.trim());
  }),
  stream: async (s) => {
    const events = [];
    const reader = (await s.execStream("echo one; sleep 0.1; echo two >&2; exit 4")).getReader();
    let text = "";
    for (;;) { const { done, value } = await reader.read(); if (done) break; text += new TextDecoder().decode(value); }
    for (const line of text.split("\\n")) if (line.startsWith("data:")) events.push(JSON.parse(line.slice(5)));
    return events.map((e) => [e.type, e.data, e.exitCode]);
  },
  process: async (s) => {
    const p = await s.startProcess("echo begun; sleep 60", { processId: "mine" });
    let logs; do { await scheduler.wait(10); logs = await s.getProcessLogs("mine"); } while (!logs.stdout.includes("begun"));
    const list = (await s.listProcesses()).map((x) => [x.id, x.status]);
    await s.killProcess("mine");
    let state; do { await scheduler.wait(10); state = (await s.getProcess("mine"))?.status; } while (state === "running");
    return { id: p.id, list, state };
  },
  // what `create` was told to start
  command: async (s) => {
    const { command } = await s.getProcess("command");
    await s.killProcess("command");
    let p; do { await scheduler.wait(10); p = await s.getProcess("command"); } while (p.status === "running");
    return { command, logs: (await p.getLogs()).stdout, status: p.status };
  },
  begin: async (s) => (await s.startProcess("sleep 38.5917", { processId: "kept" })).id,
  finish: async (s) => {
    await s.killProcess("kept");
    let p; do { await scheduler.wait(10); p = await s.getProcess("kept"); } while (p.status === "running");
    await s.exec("true");
    return [p.id, p.command, p.status, await s.starts()];
  },
  longCommand: async (s) => {
    const p = await s.startProcess(`echo ${"ü".repeat(600)}`);
    await p.waitForExit();
    return (await p.getLogs()).stdout.length;
  },
};

export default {
  async fetch(request: Request, env: any) {
    const url = new URL(request.url);
    const s = getSandbox(env.BOX, url.searchParams.get("id") ?? "x");
    const name = url.pathname.slice(1);
    if (name === "bulk") {
      const out = await s.execStream("head -c 104857600 /dev/zero | tr '\\\\0' x");
      return new Response(out);
    }
    try { return Response.json((await tests[name](s)) ?? null); }
    catch (e) { return Response.json({ failed: `${e.name}: ${e.message}` }, { status: 500 }); }
  },
};
"""


@pytest.fixture
def box(user, up):
    return up(write_worker(user, CODE, bindings={"BOX": "Box"}))


def test_codes_signals_shape(box):
    assert box.get("/codes").json == [0, 1, 3, 127, 255]
    r = box.get("/shape").json
    assert (r["exitCode"], r["success"], r["stdout"], r["stderr"]) == (3, False, "out\n", "err\n"), r
    assert r["command"].startswith("echo out") and r["duration"] >= 0 and r["timestamp"].endswith("Z")
    assert box.get("/place").json == "/tmp\nb\n"
    assert box.get("/killed").json == 137
    r = box.get("/notFound").json
    assert r["exitCode"] == 127 and "no-such-command-anywhere" in r["stderr"], r


def test_sessions_keep_place_and_environment(box):
    assert box.get("/session").json == {"main": "/tmp\nyes\n", "other": "/usr/lib\nother 1\n",
                                        "again": "/tmp\nyes\n", "unset": "[] n\n"}


def test_files_and_binary_bytes(box):
    r = box.get("/binary").json
    assert r["same"] and r["size"] == "70000" and r["sum"] == r["digest"], r
    r = box.get("/files").json
    assert r["read"] == "grüße\n" and r["exists"] == [True, False], r
    assert "a" in r["list"] and r["error"] is not None and "/tmp/g.txt" in r["error"], r


def sleepers(seconds):
    """Processes `sleep seconds` anywhere on this machine."""
    return subprocess.run(["pgrep", "-fx", f"sleep {seconds}"], capture_output=True, text=True).stdout.split()


def test_timeout_abort_orphan(box):
    result, ms = box.get("/timeout").json
    assert ms < 3000, (result, ms)
    assert result == "CommandError: Command timeout after 300ms", result
    result, ms = box.get("/abort").json
    assert result == "Error: Operation was aborted" and ms < 3000, (result, ms)
    wait_for(lambda: not sleepers("30.5917") and not sleepers("31.5917"), 5, "the end of what was stopped")
    result, ms = box.get("/orphan").json
    assert result == "parent\n" and ms < 3000 and sleepers("32.5917"), (result, ms)


def test_a_thousand_in_a_row_and_fifty_at_once(box):
    n, ms = box.get("/row", timeout=120).json
    assert n == 1000 and ms < 60000, (n, ms)
    out, ms = box.get("/together").json
    assert out == [str(i) for i in range(50)] and ms < 10000, (out, ms)


def test_streams_and_background(box):
    events = box.get("/stream").json
    assert events[0][0] == "start" and ["stdout", "one\n", None] in events, events
    assert ["stderr", "two\n", None] in events and events[-1][0] == "complete" and events[-1][2] == 4, events
    r = box.get("/process").json
    assert box.get("/longCommand").json == 601
    assert r["id"] == "mine" and ["mine", "running"] in r["list"] and r["state"] != "running", r


def test_new_code_hears_the_end_of_what_the_old_began(box):
    assert box.get("/begin").json == "kept"
    assert box.cli("deploy").code == 0
    assert box.get("/finish").json == ["kept", "sleep 38.5917", "killed", 1]
    assert not sleepers("38.5917")


def private_bytes(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Private_Dirty"):
            return int(line.split()[1]) * 1024


def test_bulk_output_with_a_slow_reader(box, user):
    """100 MiB through execStream, read slowly at first: nobody holds more than a little of it."""
    import http.client
    box.get("/codes")
    pids = [pid for pid, title in gate_processes(user)
            if title.startswith(("sallyport-runtime", "sallyport-supervisor", "sallyport-sidecar"))] + [box.pid]
    before = sum(private_bytes(p) for p in pids)
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=120)
    connection.request("GET", "/bulk")
    r = connection.getresponse()
    assert r.status == 200
    total, most = 0, 0
    while piece := r.read(1 << 20):
        total += piece.count(b"x")
        if total < 20 << 20:
            time.sleep(0.02)
            most = max(most, sum(private_bytes(p) for p in pids) - before)
    connection.close()
    assert total >= 104857600, total
    assert most < 64 << 20, f"{most >> 20} MiB more while a slow reader read"


# ---- from a shell ----

@pytest.fixture
def made(box):
    r = box.cli("create", "shell")
    assert r.code == 0, r
    return box


def test_shell_exec(made, user):
    cli = made.cli
    r = cli("exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert (r.code, r.out, r.err) == (5, "out\n", "err\n"), r
    r = cli("exec", "shell", "--env", "A=b", "--cwd", "/tmp", "--", "sh", "-c", "echo $A $PWD")
    assert r.out == "b /tmp\n", r
    assert cli("exec", "shell", "--", "sh", "-c", "kill -TERM $$").code == 143
    assert cli("exec", "shell", "--", "no-such-command").code == 127
    assert cli("exec", "shell", "--", "/etc/passwd").code == 126
    data = bytes(range(256)) * 4000
    r = cli("exec", "shell", "--", "cat", stdin=data, text=False)
    assert r.code == 0 and r.out == data
    r = cli("exec", "shell", "--", "sh", "-c", "head -c 100000000 /dev/zero", text=False, timeout=60)
    assert r.code == 0 and len(r.out) == 100000000 and not r.out.strip(b"\0")
    # by its id as well
    row = [i for i in made.instances() if i["name"] == "shell"][0]
    assert cli("exec", row["id"], "--", "true").code == 0
    assert json.loads(cli("inspect", "shell").out)["id"] == row["id"]
    assert cli("rm", "shell").code == 0
    assert not [i for i in made.instances() if i["name"] == "shell"]


def test_create_with_a_command(box):
    script = "echo begun; exec sleep 34.5917 # " + "ü" * 200
    r = box.cli("create", "worked", "--", "sh", "-c", script)
    assert r.code == 0 and len(r.out.strip()) == 64, r
    wait_for(lambda: sleepers("34.5917"), 10, "the command")
    row = [i for i in box.instances() if i["name"] == "worked"][0]
    assert row["id"] == r.out.strip() and row["command"] == ["sh", "-c", script] and row["state"] == "running"
    # Once only; without a command it is the same sandbox.
    r = box.cli("create", "worked", "--", "sleep", "35.5917")
    assert r.code == 125 and "`sallyport exec` runs one in it" in r.err and not sleepers("35.5917"), r
    assert box.cli("create", "worked").out.strip() == row["id"]
    # The app's code has it among its own processes.
    r = box.get("/command?id=worked").json
    assert r["command"].startswith("sh -c echo begun; exec sleep 34.5917 # üü") and r["logs"] == "begun\n", r
    assert r["status"] == "killed" and not sleepers("34.5917"), r
    assert box.cli("exec", "worked", "--", "true").code == 0


def test_create_with_a_command_that_is_not_there(box):
    for name, command, status in (("none", "no-such-command", 127), ("text", "/etc/passwd", 126)):
        r = box.cli("create", name, "--", command)
        assert r.code == status and r.out == "" and len(r.err.splitlines()) == 1, r
        assert "the sandbox runs without it" in r.err, r
        assert box.cli("exec", name, "--", "true").code == 0
    assert box.cli("create", "empty", "--", "").code == 125
    assert "empty" not in [i["name"] for i in box.instances()]


def test_a_command_ends_with_its_sandbox(box):
    assert box.cli("create", "short", "--class", "Box", "--", "sleep", "36.5917").code == 0
    wait_for(lambda: sleepers("36.5917"), 10, "the command")
    assert box.cli("rm", "short").code == 0
    assert not sleepers("36.5917")
    r = box.cli("create", "short", "--", "sleep", "37.5917")
    assert r.code == 0 and sleepers("37.5917"), r
    row = [i for i in box.instances() if i["name"] == "short"][0]
    assert row["command"] == ["sleep", "37.5917"]


def test_shell_exec_that_is_interrupted(made, user):
    child = user.popen(["sallyport", "exec", "shell", "--", "sleep", "33.5917"], env=made.env)
    wait_for(lambda: sleepers("33.5917"), 10, "the command")
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    wait_for(lambda: not sleepers("33.5917"), 10, "the end of the command")


def test_shell_exec_in_a_run(user):
    child = user.popen(["sallyport", "run", "--id", "r1", "--", "sh", "-c", "echo up; cat"], stdin=subprocess.PIPE)
    read_until(child.stdout, b"up\n")
    r = user.sallyport("exec", "r1", "--", "sh", "-c", "echo inside; pwd; exit 9")
    assert (r.code, r.out) == (9, f"inside\n{user.work}\n"), r
    child.stdin.close()
    child.stdin = None
    assert child.wait(10) == 0


def test_call_and_logs(made, user):
    r = made.cli("call", "shell", "exec", '["echo from-call"]')
    assert r.code == 0 and json.loads(r.out)["stdout"] == "from-call\n", r
    follow = user.popen(["sallyport", "logs", "-f", "--json", "shell"], env=made.env)
    made.cli("exec", "shell", "--", "curl", "-s", "https://followed.example.test/")
    read_until(follow.stdout, b"followed.example.test")
    follow.send_signal(signal.SIGINT)
    assert follow.wait(10) == -signal.SIGINT
    lines = [line for line in made.cli("logs", "shell").out.splitlines() if "followed.example.test" in line]
    assert lines and all(line.split()[1] == "shell" for line in lines), lines  # by name, as it was made


def test_a_dead_agent_ends_its_sandbox_alone(made, user):
    assert made.cli("create", "other").code == 0
    pid = [i for i in made.instances() if i["name"] == "shell"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [i["name"] for i in made.instances() if i["state"] == "running"] == ["other"], 10,
             "the end of one sandbox")
    assert made.cli("exec", "other", "--", "true").code == 0
    # the next use makes a new one
    assert made.get("/codes?id=shell").json == [0, 1, 3, 127, 255]
