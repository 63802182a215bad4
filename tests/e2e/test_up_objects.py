"""Durable-Object semantics, service bindings, scheduled, waitUntil, request.signal, redeploy."""
import http.client
import json
import threading
import time

import pytest

from conftest import processes_of, wait_for
from daemon import write_worker

CODE = """
import { DurableObject, WorkerEntrypoint, RpcTarget } from "cloudflare:workers";

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => { await scheduler.wait(20); this.ready = true; });
  }
  async who() { return { id: this.ctx.id.toString(), name: this.ctx.id.name ?? null, ready: this.ready }; }
  async echo(value) { return value; }
  async boom() { const e = new RangeError("out of range"); throw e; }
  async slowAdd(n) {
    const before = (await this.ctx.storage.get("n")) ?? 0;
    await this.ctx.storage.put("n", before + n);
    return this.ctx.storage.get("n");
  }
  async fetch(request) { return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`); }
  async tx() {
    try { await this.ctx.storage.transaction(async (t) => { await t.put("a", 1); throw new Error("undo"); }); } catch {}
    await this.ctx.storage.transaction(async (t) => { await t.put("b", 2); });
    await this.ctx.storage.put({ c: new Map([["k", new Date(0)]]), d: new Uint8Array([1, 2]), e: undefined });
    const list = await this.ctx.storage.list({ prefix: "", end: "n" });
    await this.ctx.storage.delete(["c", "d"]);
    return { keys: [...list.keys()], c: [...list.get("c")][0][1].getTime(), d: [...list.get("d")],
             after: [...(await this.ctx.storage.list()).keys()], none: (await this.ctx.storage.get("zzz")) ?? null };
  }
  sql() {
    const s = this.ctx.storage.sql;
    s.exec("CREATE TABLE IF NOT EXISTS p (id INTEGER PRIMARY KEY, name TEXT); DELETE FROM p;");
    s.exec("INSERT INTO p (name) VALUES (?), (?)", "ann", "bob");
    const cursor = s.exec("SELECT * FROM p ORDER BY id");
    return { columns: cursor.columnNames, rows: cursor.toArray(), raw: [...s.exec("SELECT name FROM p").raw()] };
  }
  async counter() { return new Counter(); }
  async hung(ms) { await scheduler.wait(ms); return "late"; }
}
class Counter extends RpcTarget { #n = 0; add(n) { return (this.#n += n); } }

export class Greeter extends WorkerEntrypoint {
  greet(name) { return `hello ${name} from ${this.ctx.props?.who ?? "nobody"} ${this.env.WORD}`; }
  async fetch(request) { return new Response(`entry ${new URL(request.url).pathname}`); }
}

let hanging = 0, aborted = 0, waited = 0, ticks = [];

const tests = {
  ids: async (env) => {
    const a = env.ROOM.idFromName("x"), b = env.ROOM.idFromName("x"), c = env.ROOM.newUniqueId();
    let error; try { env.ROOM.idFromString("00".repeat(32)); } catch (e) { error = e.name; }
    return { same: a.equals(b), hex: a.toString(), back: env.ROOM.idFromString(a.toString()).equals(a),
             name: a.name, unique: c.toString() !== a.toString(), error,
             byName: await env.ROOM.getByName("x").who(), byId: (await env.ROOM.get(c).who()).name };
  },
  rpc: async (env) => {
    const room = env.ROOM.getByName("rpc");
    const value = { map: new Map([[1, { d: new Date(5) }]]), bytes: new Uint8Array([1, 2, 3]), big: 10n, u: undefined };
    const back = await room.echo(value);
    const shared = { x: 1 }; const copy = await room.echo(shared); copy.x = 2;
    let boom; try { await room.boom(); } catch (e) { boom = `${e instanceof RangeError || e.name === "RangeError"} ${e.message}`; }
    let none; try { await room.nothing(); } catch (e) { none = e.message; }
    let proto; try { await room.constructor(); } catch (e) { proto = "refused"; }
    const counter = await room.counter(); await counter.add(2);
    return { d: back.map.get(1).d.getTime(), bytes: [...back.bytes], big: String(back.big), shared: shared.x, boom, none, proto,
             count: await counter.add(3), fetched: await (await room.fetch("https://do/p", { method: "POST", body: "B" })).text() };
  },
  gate: async (env) => {
    const room = env.ROOM.getByName("gate");
    const all = await Promise.all(Array.from({ length: 20 }, () => room.slowAdd(1)));
    return Math.max(...all);
  },
  tx: (env) => env.ROOM.getByName("tx").tx(),
  sql: (env) => env.ROOM.getByName("sql").sql(),
  services: async (env, ctx) => [
    await env.GREET.greet("ann"), await (await env.GREET.fetch("https://x/y")).text(),
    await ctx.exports.Greeter({ props: { who: "me" } }).greet("bob")],
};

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url), name = url.pathname.slice(1);
    if (name === "hang") {
      request.signal.addEventListener("abort", () => { aborted++; });
      hanging++;
      await scheduler.wait(20000);
      return new Response("late");
    }
    if (name === "wait") { ctx.waitUntil(scheduler.wait(300).then(() => { waited++; })); return new Response("now"); }
    if (name === "state") return Response.json({ hanging, aborted, waited, ticks });
    if (name === "echo") return new Response(request.body, { headers: { "x-method": request.method } });
    if (name === "text") return new Response("x".repeat(1234));
    if (name === "drip") {
      const { readable, writable } = new TransformStream();
      const w = writable.getWriter(), e = new TextEncoder();
      ctx.waitUntil((async () => { for (let i = 0; i < 5; i++) { await w.write(e.encode(`${i}\\n`)); await scheduler.wait(200); } await w.close(); })());
      return new Response(readable);
    }
    if (name === "throw") throw new Error("the message stays inside");
    try { return Response.json(await tests[name](env, ctx)); }
    catch (e) { return Response.json({ failed: `${e.name}: ${e.message}` }, { status: 500 }); }
  },
  async scheduled(controller, env, ctx) { ticks.push(controller.cron); },
};
"""


@pytest.fixture
def daemon(user, up):
    folder = write_worker(user, CODE, bindings={"ROOM": "Room"}, config={
        "vars": {"WORD": "today"}, "triggers": {"crons": ["*/5 * * * *"]},
        "services": [{"binding": "GREET", "service": "e2e", "entrypoint": "Greeter"}]})
    return up(folder)


def test_ids_and_rpc(daemon):
    r = daemon.get("/ids").json
    assert r["same"] and r["back"] and r["unique"] and r["error"] == "TypeError" and r["name"] == "x", r
    assert len(r["hex"]) == 64 and r["byName"] == {"id": r["hex"], "name": "x", "ready": True} and r["byId"] is None, r
    r = daemon.get("/rpc").json
    assert r["d"] == 5 and r["bytes"] == [1, 2, 3] and r["big"] == "10" and r["shared"] == 1, r
    assert r["boom"] == "true out of range" and "nothing" in r["none"] and r["proto"] == "refused", r
    assert r["count"] == 5 and r["fetched"] == "POST /p B", r


def test_gates_transactions_sql(daemon):
    assert daemon.get("/gate").json == 20
    r = daemon.get("/tx").json
    assert r == {"keys": ["b", "c", "d"], "c": 0, "d": [1, 2], "after": ["b"], "none": None}, r
    r = daemon.get("/sql").json
    assert r["columns"] == ["id", "name"] and [x["name"] for x in r["rows"]] == ["ann", "bob"], r
    assert r["raw"] == [["ann"], ["bob"]], r


def test_services(daemon):
    assert daemon.get("/services").json == ["hello ann from nobody today", "entry /y", "hello bob from me today"]


def test_the_workers_own_fetch(daemon):
    r = daemon.ask("/text", method="HEAD")
    assert r.status == 200 and r.headers["Content-Length"] == "1234" and r.body == b"", r
    r = daemon.ask("/echo", method="POST", body=b"\0\xff" * 500000)
    assert r.status == 200 and r.body == b"\0\xff" * 500000 and r.headers["x-method"] == "POST"
    chunks = iter([b"one", b"two"])
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("POST", "/echo", body=chunks, headers={"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().read() == b"onetwo"
    connection.request("GET", "/text")  # the same connection
    assert len(connection.getresponse().read()) == 1234
    start = time.monotonic()
    connection.request("GET", "/drip")
    r = connection.getresponse()
    first = r.read1(100)
    assert first.startswith(b"0\n") and time.monotonic() - start < 0.6, "the first chunk waited for the last"
    assert first + r.read() == b"0\n1\n2\n3\n4\n"
    connection.close()
    r = daemon.ask("/throw")
    assert r.status == 500 and b"stays inside" not in r.body, r
    wait_for(lambda: "stays inside" in daemon.said(), 5, "the line in the log")


def test_a_client_that_goes_away_and_work_after_the_answer(daemon):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("GET", "/hang")
    wait_for(lambda: daemon.get("/state").json["hanging"] == 1, 5, "the request in the Worker")
    connection.close()
    wait_for(lambda: daemon.get("/state").json["aborted"] == 1, 5, "request.signal")
    assert daemon.get("/wait").text == "now"
    wait_for(lambda: daemon.get("/state").json["waited"] == 1, 5, "waitUntil")


def test_scheduled(daemon):
    r = daemon.user.call(["curl", "-sSf", "--unix-socket", daemon.socket, "-d", '{"cron": "*/5 * * * *"}',
                          "http://localhost/v1/scheduled"])
    assert r.code == 0, r
    assert daemon.get("/state").json["ticks"] == ["*/5 * * * *"]


def test_redeploy_by_hand_and_by_watch(user, up):
    def code(word):
        return CODE.replace('new Response("late")', f'new Response("late {word}")').replace(
            "await scheduler.wait(20000)", "await scheduler.wait(4000)").replace(
            '"x".repeat(1234)', f'"{word}"')
    folder = write_worker(user, code("old"), bindings={"ROOM": "Room"}, config={"vars": {"WORD": "w"}})
    daemon = up(folder, "--watch")
    assert daemon.get("/text").text == "old"
    late = []
    thread = threading.Thread(target=lambda: late.append(daemon.get("/hang").text))
    thread.start()
    wait_for(lambda: daemon.get("/state").json["hanging"] == 1, 5, "the request in the Worker")
    user.write("worker/src/index.ts", code("new"))
    wait_for(lambda: daemon.get("/text").text == "new", 10, "the new code")
    assert thread.is_alive(), "the request of the old code was to be open still"
    thread.join(20)
    assert late == ["late old"], late
    before = daemon.said()
    user.write("worker/src/index.ts", code("broken") + "\nconst = 1;\n")
    wait_for(lambda: "index.ts:" in daemon.said()[len(before):], 10, "why it was not taken")
    assert daemon.get("/text").text == "new"
    user.write("worker/src/index.ts", code("third"))
    wait_for(lambda: daemon.get("/text").text == "third", 10, "the third")


TICKS = """
const version = "VERSION";
export default {
  fetch(request) {
    if (new URL(request.url).pathname !== "/ticks") return new Response(version);
    return new Response(new ReadableStream({
      async pull(c) { c.enqueue(new TextEncoder().encode(`${version}\\n`)); await scheduler.wait(50); },
    }));
  },
};
"""


def test_the_fifth_deploy_ends_what_the_first_code_is_at(user, up):
    """At most four versions are loaded. What is open in the oldest ends, seen by its client and said in the log."""
    code = lambda n: TICKS.replace("VERSION", f"v{n}")
    folder = write_worker(user, code(1))
    daemon = up(folder)
    runtime = processes_of(user, "sallyport-runtime")
    streams = []

    def tick(r):
        return r.readline().decode().strip()

    for n in range(1, 5):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request("GET", "/ticks")
        streams.append(connection.getresponse())
        assert tick(streams[-1]) == f"v{n}"
        if n == 4:
            user.write("worker/src/index.ts", code(5) + "throw new Error('not yet');")
            assert daemon.cli("deploy", "-c", folder).code == 125
        assert [tick(r) for r in streams] == [f"v{i + 1}" for i in range(n)], "a deploy that fails ends nothing"
        user.write("worker/src/index.ts", code(n + 1))
        r = daemon.cli("deploy", "-c", folder)
        assert r.code == 0, r
        assert daemon.get("/").text == f"v{n + 1}"
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        streams[0].read()
    assert [tick(r) for r in streams[1:]] == ["v2", "v3", "v4"]
    assert "1 request or call that code of version 1 was at: ended" in daemon.cli("logs").out + daemon.said()
    assert set(runtime) & set(processes_of(user, "sallyport-runtime"))
    for r in streams:
        r.close()
