"""What is wrong is said in one line, with the remedy; nothing is lost, nothing is left behind."""
import os
import re
import socket
import sqlite3
import threading

import pytest

from conftest import gate_processes, processes_of, wait_for
from daemon import write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {
  async keep(value) { await this.ctx.storage.put("kept", value); return "kept"; }
  async fill(n) {
    for (let i = 0; i < n; i++) {
      try { await this.ctx.storage.put(`fill${i}`, "z".repeat(1000000)); }
      catch (e) { return { stored: i, failed: `${e.name}: ${e.message}` }; }
    }
    return { stored: n, failed: null };
  }
  async kept() { return this.ctx.storage.get("kept"); }
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const box = getSandbox(env.BOX, "b");
    try {
      switch (url.pathname) {
        case "/method": return Response.json(await box.noSuchMethod());
        case "/clone": return Response.json(await box.keep(new WeakMap()));
        case "/handler": return Response.json(await box.setOutboundHandler("nope"));
        case "/bucket": return Response.json(await env.FILES.get("x"));
        case "/expose": return Response.json(await box.exposePort(8080, { hostname: "x.test" }));
        case "/keep": return Response.json(await box.keep(url.searchParams.get("v")));
        case "/fill": return Response.json(await box.fill(Number(url.searchParams.get("n"))));
        case "/kept": return Response.json(await box.kept() ?? null);
      }
      return new Response("ok");
    } catch (e) { return Response.json({ name: e.name, message: e.message }, { status: 500 }); }
  },
};
"""


def worker(user, code=CODE, **config):
    return write_worker(user, code, bindings={"BOX": "Box"},
                        config={"r2_buckets": [{"binding": "FILES", "bucket_name": "files"}], **config})


def one_line(r, *words, code=125):
    lines = [l for l in r.err.splitlines() if "no local form" not in l]
    assert r.code == code and len(lines) == 1 and lines[0].startswith("sallyport: "), r
    for word in words:
        assert word in lines[0], r
    return lines[0]


def test_from_code(user, up):
    daemon = up(worker(user))
    said = {path: daemon.get(path, status=500).json for path in
            ("/method", "/clone", "/handler", "/bucket", "/expose")}
    assert "noSuchMethod" in said["/method"]["message"], said
    assert said["/clone"]["name"] == "DataCloneError", said
    assert said["/handler"]["message"] == \
        "Outbound handler method 'nope' not found in outboundHandlers for Box", said
    assert "FILES" in said["/bucket"]["message"], said
    assert "exposePort" in said["/expose"]["message"], said
    assert all("\n" not in s["message"] for s in said.values())
    assert daemon.get("/").text == "ok"


def test_from_a_shell(user, up):
    daemon = up(worker(user))
    one_line(daemon.cli("create", "x", "--class", "Nope"), "Nope")
    one_line(daemon.cli("call", "b", "noSuchMethod"), "noSuchMethod")
    one_line(daemon.cli("exec", "nobody", "--", "true"), "nobody")
    one_line(daemon.cli("rm", "nobody"), "nobody")
    assert daemon.get("/").text == "ok"


def test_a_broken_configuration(user):
    folder = worker(user)
    user.write("worker/wrangler.jsonc", '{\n  "main": "src/index.ts",\n  "name": tru,\n}\n')
    r = user.sallyport("up", "-c", folder, "--listen", "127.0.0.1:0", env={"SALLYPORT_SOCKET": str(user.private / "s")})
    one_line(r, "wrangler.jsonc:3:")
    assert not gate_processes(user)


def test_a_module_that_does_not_load(user):
    folder = worker(user, CODE + "\nthrow new Error('at the start');\n")
    r = user.sallyport("up", "-c", folder, "--listen", "127.0.0.1:0", env={"SALLYPORT_SOCKET": str(user.private / "s")})
    one_line(r, "index.ts:", "at the start")
    assert not gate_processes(user)


def test_a_second_daemon_says_who_has_it(user, up):
    daemon = up(worker(user))
    r = user.sallyport("up", "-c", daemon.folder, "--listen", "127.0.0.1:0", "--state", daemon.state,
                       env=daemon.env)
    one_line(r, str(daemon.pid))
    # on another socket, with the same state
    r = user.sallyport("up", "-c", daemon.folder, "--listen", "127.0.0.1:0", "--state", daemon.state,
                       env={"SALLYPORT_SOCKET": str(user.private / "second.sock")})
    one_line(r, str(daemon.pid))
    assert daemon.get("/").text == "ok"


def newer(path):
    """As one that is to come would leave it."""
    with sqlite3.connect(path) as db:
        before = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA user_version = 99")
    db.close()
    return lambda: sqlite3.connect(path).execute(f"PRAGMA user_version = {before}")


def damaged(path):
    whole = path.read_bytes()
    with open(path, "r+b") as f:
        f.write(os.urandom(200))
    return lambda: path.write_bytes(whole)


@pytest.mark.parametrize("harm, words", [(newer, ("newer", "update")), (damaged, ("damaged", "move it aside"))])
def test_a_state_that_cannot_be_used(user, up, harm, words):
    """One line with the file and the remedy; nothing of it is touched, and all is there once it is mended."""
    daemon = up(worker(user))
    assert daemon.get("/keep?v=before").json == "kept"
    assert daemon.cli("kv", "put", "ns", "key", stdin="value").code == 0
    assert daemon.stop() == 0
    store = daemon.state / "store.db"
    mend, harmed = harm(store), store.read_bytes()
    r = user.sallyport(*daemon.argv()[1:], env=daemon.env)
    one_line(r, str(store), *words)
    assert store.read_bytes() == harmed and not gate_processes(user) and not daemon.socket.exists()
    mend()
    # an object's own file: that object says so, and nothing else is hindered
    [path] = (daemon.state / "objects").rglob("*.db")
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)  # what is in its log is in it
    db.close()
    mend, harmed = harm(path), path.read_bytes()
    daemon.start()
    r = daemon.get("/kept", status=500).json
    assert str(path) in r["message"] and all(word in r["message"] for word in words), r
    assert daemon.get("/keep?v=after", status=500).json["message"] == r["message"]
    assert daemon.cli("kv", "get", "ns", "key").out == "value"
    assert path.read_bytes() == harmed
    assert daemon.stop() == 0
    mend()
    daemon.start()
    assert daemon.get("/kept").json == "before"


def test_a_state_folder_that_is_none(user):
    (user.work / "file").write_text("mine")
    shut = user.private / "shut"
    shut.mkdir()
    shut.chmod(0o555)
    cases = [(user.work / "file", "Not a directory")]
    if os.getuid() != user.uid or user.uid != 0:
        cases.append((shut / "state", "Permission denied"))
    for path, why in cases:
        r = user.sallyport("up", "-c", worker(user), "--listen", "127.0.0.1:0", "--state", path,
                           env={"SALLYPORT_SOCKET": str(user.private / "s")})
        one_line(r, str(path), why, "--state")
        assert not gate_processes(user) and not (user.private / "s").exists()
    assert (user.work / "file").read_text() == "mine"


def test_a_control_socket_that_is_none(user):
    path = user.private / "s"
    path.write_text("mine")
    user.own(path)
    r = user.sallyport("up", "-c", worker(user), "--listen", "127.0.0.1:0", "--state", user.private / "up-state",
                       env={"SALLYPORT_SOCKET": str(path)})
    one_line(r, str(path), "remove it")
    assert path.read_text() == "mine" and not gate_processes(user)


def test_a_port_in_use(user):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        r = user.sallyport("up", "-c", worker(user), "--listen", f"127.0.0.1:{port}", "--state",
                           user.private / "up-state", env={"SALLYPORT_SOCKET": str(user.private / "s")})
        one_line(r, str(port), "--listen")
    assert not gate_processes(user)
    assert not (user.private / "s").exists()


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "300.1.1.1:80"])
def test_a_bad_address(user, listen):
    r = user.sallyport("up", "-c", worker(user), "--listen", listen)
    assert r.code == 2 and "--listen" in r.err and not gate_processes(user), r


def test_a_full_disk(user, up):
    """A ceiling on the size of files stands for the disk: beyond it each write fails as on a full one."""
    daemon = up(worker(user), through=("prlimit", f"--fsize={8 << 20}:"))
    assert daemon.get("/keep?v=before").json == "kept"
    value, failed = "y" * 1000000, None
    for n in range(20):
        r = daemon.cli("kv", "put", "ns", f"key{n}", stdin=value)
        if r.code != 0:
            failed = r
            break
    assert failed is not None and failed.code == 125 and len(failed.err.splitlines()) == 1, failed
    assert re.search("full|disk|I/O|large", failed.err), failed
    # what was there is there, other state can still be written, and so can KV once there is room
    assert daemon.get("/kept").json == "before"
    assert daemon.get("/keep?v=after").json == "kept"
    assert daemon.cli("kv", "get", "ns", "key0").out == value
    for i in range(n):
        r = daemon.cli("kv", "rm", "ns", f"key{i}")
        assert r.code == 0, r
    assert daemon.cli("kv", "put", "ns", "again", stdin=value).code == 0
    assert [daemon.cli("kv", "put", "ns", f"key{i}", stdin=value).code for i in range(n - 1)] == [0] * (n - 1)
    r = daemon.get("/fill?n=20").json
    assert r["failed"] is not None and "\n" not in r["failed"], r
    assert re.search("full|disk|I/O|large", r["failed"]), r
    assert daemon.get("/kept").json == "after"
    # without the ceiling all is there and all can be written again
    assert daemon.stop() == 0
    daemon.through = ()
    daemon.start()
    assert daemon.get("/kept").json == "after"
    assert daemon.cli("kv", "get", "ns", "again").out == value
    assert [daemon.cli("kv", "get", "ns", f"key{i}").out == value for i in range(n - 1)] == [True] * (n - 1)
    assert [daemon.cli("kv", "put", "ns", f"key{i}", stdin=value).code for i in range(20)] == [0] * 20
    assert daemon.get("/fill?n=20").json == {"stored": 20, "failed": None}


def test_deploy_that_fails_leaves_the_old(user, up):
    daemon = up(worker(user))
    user.write("worker/src/index.ts", "export default {\n  fetch() { return new Response('new') }\n  oops\n};\n")
    r = daemon.cli("deploy", "-c", daemon.folder)
    assert r.code == 125 and re.search(r"index\.ts:3:\d+", r.err), r
    assert daemon.get("/").text == "ok"
    user.write("worker/src/index.ts", "const x: any = undefined;\nx.y;\nexport default { fetch() {} };\n")
    r = daemon.cli("deploy", "-c", daemon.folder)
    assert r.code == 125 and re.search(r"index\.ts:2:\d+", r.err), r
    assert daemon.get("/").text == "ok"


LONG = CODE.replace('case "/keep"', 'case "/late": await scheduler.wait(3000); return new Response("late");\n        case "/keep"')


def test_a_deploy_that_does_not_end(user, up):
    """Code that loops or eats memory while it loads ends its own trial; who is being served does not notice."""
    daemon = up(worker(user, LONG))
    runtime = {pid for pid in processes_of(user, "sallyport-runtime")}
    late = []
    thread = threading.Thread(target=lambda: late.append(daemon.get("/late").text))
    thread.start()
    bad = {
        "for (;;) { try { spin(); } catch { } }\nfunction spin() {}\n": (r"index\.ts:\d+:\d+: ", "limit of 3 s"),
        "(async () => { for (;;) await null; })();\n": ("limit while it loaded",),
        "const all = [];\nfor (;;) all.push(new Array(100).fill(1));\n": ("limit while it loaded",),
    }
    for code, words in bad.items():
        user.write("worker/src/index.ts", LONG + code)
        deploy = user.popen(["sallyport", "deploy", "-c", daemon.folder], env=daemon.env, text=True)
        while deploy.poll() is None:
            assert daemon.get("/").text == "ok"
        out, err = deploy.communicate()
        lines = [l for l in err.splitlines() if "no local form" not in l]
        assert deploy.returncode == 125 and len(lines) == 1, err
        assert all(re.search(w, lines[0]) for w in words), err
    thread.join()
    assert late == ["late"]
    user.write("worker/src/index.ts", LONG.replace('Response("ok")', 'Response("better")'))
    assert daemon.cli("deploy", "-c", daemon.folder).code == 0
    assert daemon.get("/").text == "better"
    wait_for(lambda: len(processes_of(user, "sallyport-runtime")) == 2, 10, "one runtime and its spare")
    assert runtime & set(processes_of(user, "sallyport-runtime")), "the runtime that served was replaced"


def test_a_constructor_that_does_not_end(user, up):
    """Objects that are in use are made anew in the new code: one that cannot be leaves all as it was."""
    code = CODE.replace("class Box extends Sandbox {", "class Box extends Sandbox {\n  n = 0;\n  held() { return this.n; }\n"
                        "  hold() { this.n++; return new Promise((r) => setTimeout(() => r(this.n), 4000)); }").replace(
        'case "/keep"', 'case "/held": return Response.json(await box.held());\n        case "/hold": return Response.json(await box.hold());\n        case "/keep"')
    daemon = up(worker(user, code))
    held = []
    thread = threading.Thread(target=lambda: held.append(daemon.get("/hold").json))
    thread.start()
    wait_for(lambda: daemon.get("/held").json == 1, 10, "the object at work")
    user.write("worker/src/index.ts", code.replace("n = 0;", "n = (() => { for (;;); })();"))
    r = daemon.cli("deploy", "-c", daemon.folder)
    one_line(r, "the constructor of Box ran for more than its limit of 1 s", "index.ts:")
    thread.join()
    assert held == [1]
    assert daemon.get("/").text == "ok"


TOO_MUCH = """
import { DurableObject } from "cloudflare:workers";
export class Box extends DurableObject {
  who() { return this.ctx.id.name; }
  text(n) { return "x".repeat(n); }
}
const paths = {
  async name(request, env) { return env.BOX.getByName(await request.text()).who(); },
  async put(request, env) {
    const value = "x".repeat(24 << 20);
    const all = await Promise.allSettled([1, 2, 3, 4].map((i) => env.KV.put(`key${i}`, value)));
    return all.map((p) => p.reason?.message ?? null);
  },
  log() { const text = "y".repeat(16000); for (let i = 0; i < 6000; i++) console.log(text); },
};
export default {
  async fetch(request, env) {
    const path = paths[new URL(request.url).pathname.slice(1)];
    if (path === undefined) return new Response("ok");
    try { return Response.json((await path(request, env)) ?? null); }
    catch (e) { return Response.json(`${e.name}: ${e.message}`, { status: 500 }); }
  },
};
"""


@pytest.fixture
def busy(user, up):
    """What does not fit between the runtime and the daemon fails by itself, whoever sent it: no runtime ends."""
    daemon = up(worker(user, TOO_MUCH, kv_namespaces=[{"binding": "KV", "id": "kv"}]))
    runtimes = wait_for(lambda: len(r := processes_of(user, "sallyport-runtime")) == 2 and set(r), 10, "the spare")
    yield daemon
    assert daemon.get("/").text == "ok"
    assert set(processes_of(user, "sallyport-runtime")) == runtimes, f"a runtime ended: {daemon.said()[-1000:]}"


def test_names_of_objects_have_an_end(busy):
    name = lambda text, status: busy.get("/name", status, method="POST", body=text.encode()).json
    assert name("alice", 200) == "alice"
    # two objects that look the same to whoever reads a name up to its NUL, and what no message can carry
    for bad in ("alice\0", "x" * 1025, "x" * (40 << 20)):
        assert name(bad, 500).startswith("RangeError: The name of an object"), bad[:10]
    assert name("\u00e9" * 512, 200) == "\u00e9" * 512


def test_a_result_that_is_too_large(busy):
    assert busy.get("/name", method="POST", body="alice").json == "alice"
    one_line(busy.cli("call", "alice", "text", f"[{40 << 20}]"), "larger than 25 MiB")


def test_too_much_for_kv_at_once(busy):
    said = busy.get("/put").json
    assert None in said and any("too much at once" in s for s in said if s), said
    assert busy.cli("kv", "get", "kv", f"key{said.index(None) + 1}").out == "x" * (24 << 20)


def test_too_much_for_the_log_at_once(busy):
    busy.get("/log")
    wait_for(lambda: "lines of the log were lost" in busy.said(), 20, "what the log says of itself")
