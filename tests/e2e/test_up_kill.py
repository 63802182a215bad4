"""kill -9 of each process under load: nothing passes unjudged, what was stored is there again."""
import os
import pathlib
import signal
import threading
import time

import pytest

from conftest import gate_processes, processes_of, wait_for
from daemon import write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {
  allowedHosts = ["plain.example.test"];
  async count() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    this.ctx.storage.kv.put("n2", n);
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n INTEGER)");
    this.ctx.storage.sql.exec("INSERT INTO t VALUES (?)", n);
    return n;
  }
  async counts() {
    return [await this.ctx.storage.get("n"), this.ctx.storage.kv.get("n2"),
            this.ctx.storage.sql.exec("SELECT max(n) AS m FROM t").one().m];
  }
}
Box.outboundHandlers = { noHttp: async () => new Response(null, { status: 403 }) };

export class Clock {
  constructor(ctx, env) { this.ctx = ctx; this.env = env; }
  async set(ms) { await this.ctx.storage.setAlarm(Date.now() + ms); return this.ctx.storage.getAlarm(); }
  async rang() { return (await this.ctx.storage.get("rang")) ?? 0; }
  async alarm(info) { await this.ctx.storage.put("rang", (await this.rang()) + 1); }
}

const POUND = `while :; do for h in plain denied; do
  curl -s -m 10 -o /dev/null -w "$h %{http_code}\\\\n" https://$h.example.test/$h || true; done; done`;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const box = getSandbox(env.BOX, url.searchParams.get("id") ?? "b");
    switch (url.pathname) {
      case "/count": return Response.json(await box.count());
      case "/counts": return Response.json(await box.counts());
      case "/pound": await box.startProcess(POUND, { processId: "pound" }); return new Response("started");
      case "/log": return Response.json(await box.getProcessLogs("pound"));
      case "/get": return new Response((await box.exec(
        "curl -s -m 10 -o /dev/null -w '%{http_code}' https://plain.example.test/get")).stdout);
      case "/lock": await box.setOutboundHandler("noHttp"); return new Response("locked");
      case "/alarm": return Response.json(await env.CLOCK.getByName("c").set(Number(url.searchParams.get("ms"))));
      case "/rang": return Response.json(await env.CLOCK.getByName("c").rang());
    }
    return new Response("ok");
  },
};
""".replace("export class Clock {", 'import { DurableObject } from "cloudflare:workers";\nexport class Clock extends DurableObject {').replace(
    "  constructor(ctx, env) { this.ctx = ctx; this.env = env; }\n", "")
HOSTS = ("plain.example.test", "denied.example.test")


@pytest.fixture
def daemon(user, up, origin):
    return up(write_worker(user, CODE, bindings={"BOX": "Box", "CLOCK": "Clock"}), *origin.options(*HOSTS))


def denied_passed(origin):
    return [r for r in origin.requests if r["path"] == "/denied"]


class Callers:
    """Clients of the Worker that never stop; a failed connection is tried again."""

    def __init__(self, daemon, path):
        self.daemon, self.path, self.stop, self.seen = daemon, path, False, []
        self.threads = [threading.Thread(target=self.go, daemon=True) for _ in range(4)]
        for t in self.threads:
            t.start()

    def go(self):
        while not self.stop:
            try:
                r = self.daemon.ask(self.path, timeout=20)
                self.seen.append((r.status, r.text))
            except OSError as e:
                self.seen.append((0, type(e).__name__))
                time.sleep(0.02)

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join(30)
        return self.seen


@pytest.mark.parametrize("victim", ["sallyport-runtime", "sallyport-sidecar"])
def test_a_door_is_killed_under_load(daemon, user, origin, victim):
    daemon.get("/pound")
    wait_for(lambda: len(origin.requests) > 5, 20, "requests of the sandbox")
    callers = Callers(daemon, "/count")
    for _ in range(2):
        for pid in processes_of(user, victim):
            os.kill(pid, signal.SIGKILL)
        before = len(origin.requests)
        answered = len([s for s in callers.seen if s[0] == 200])
        wait_for(lambda: len(origin.requests) > before + 3, 10, "requests of the sandbox after the kill")
        wait_for(lambda: len([s for s in callers.seen if s[0] == 200]) > answered + 3, 10, "answers after the kill")
    seen = callers.end()
    assert {s for s, _ in seen} <= {200, 503, 500, 0}, {s for s, _ in seen}
    assert not denied_passed(origin)
    log = daemon.get("/log").json["stdout"]
    assert "plain 200" in log and "denied 520" in log and "denied 200" not in log, log
    # every count that was answered had been written: the last is at least as high as any that was told
    told = max(int(text) for status, text in seen if status == 200)
    n, kv, sql = daemon.get("/counts").json
    assert n >= told and kv >= told and sql >= told, (n, kv, sql, told)


def test_the_daemon_is_killed_under_load(daemon, user, origin):
    daemon.get("/lock?id=locked")
    daemon.get("/alarm?ms=2500")
    daemon.get("/pound")
    wait_for(lambda: len(origin.requests) > 5, 20, "requests of the sandbox")
    callers = Callers(daemon, "/count")
    wait_for(lambda: len([s for s in callers.seen if s[0] == 200]) > 20, 20, "answers")
    inside = [i["pid"] for i in daemon.instances() if i["state"] == "running"]
    daemon.kill()
    wait_for(lambda: not gate_processes(user), 5, "the end of every process of ours")
    seen = callers.end()
    wait_for(lambda: not [p for p in inside if pathlib.Path(f"/proc/{p}").exists()], 5, "the end of every sandbox")
    quiet = len(origin.requests)
    time.sleep(0.5)
    assert len(origin.requests) == quiet and not denied_passed(origin)
    daemon.start()
    told = max(int(text) for status, text in seen if status == 200)
    n, kv, sql = daemon.get("/counts").json
    assert n >= told and kv >= told and sql >= told, (n, kv, sql, told)
    assert daemon.get("/get?id=locked").text == "403"
    assert daemon.get("/get?id=free").text == "200"
    wait_for(lambda: daemon.get("/rang").json == 1, 20, "the alarm that was set before the kill")
    assert not denied_passed(origin)


def test_an_agent_is_killed_under_load(daemon, user, origin):
    daemon.get("/pound?id=a")
    daemon.get("/pound?id=b")
    wait_for(lambda: len(origin.requests) > 5, 20, "requests of the sandboxes")
    pid = [i["pid"] for i in daemon.instances() if i["name"] == "a"][0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [i["name"] for i in daemon.instances() if i["state"] == "running"] == ["b"], 10, "its end")
    before = len(origin.requests)
    wait_for(lambda: len(origin.requests) > before + 3, 10, "requests of the other sandbox")
    assert daemon.get("/get?id=a").text == "200"
    assert not denied_passed(origin)


def test_sigterm_drains(daemon, user):
    """An answer that has begun is finished; then all is gone and the status is 0."""
    daemon.get("/get")
    callers = Callers(daemon, "/count")
    wait_for(lambda: len([s for s in callers.seen if s[0] == 200]) > 20, 20, "answers")
    assert daemon.stop() == 0
    seen = callers.end()
    assert {s for s, _ in seen} <= {200, 0}, {s for s, _ in seen}
    assert not {text for s, text in seen if s == 0} - {"ConnectionRefusedError", "RemoteDisconnected",
                                                       "ConnectionResetError"}
    assert not gate_processes(user)
    assert not daemon.socket.exists()
