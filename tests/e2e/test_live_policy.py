"""Policy that changes while the sandbox runs, from the shell and from code."""
import json
import pathlib

import pytest

import app
from conftest import wait_for

KEEP_ALIVE = r"""
import http.client, ssl, sys, json
conn = http.client.HTTPSConnection('plain.example.test', context=ssl.create_default_context())
print('up', flush=True)
for line in sys.stdin:
    conn.request('GET', line.strip())
    r = conn.getresponse()
    body = r.read().decode(errors='replace')
    print(json.dumps({'status': r.status, 'body': body, 'port': conn.sock.getsockname()[1] if conn.sock else None}), flush=True)
"""


class Client:
    """One keep-alive connection inside a sandbox, one request a line."""

    def __init__(self, user, *options):
        user.write("keepalive.py", KEEP_ALIVE)
        self.child = user.popen(["sallyport", "run", *options, "--", "python3", "-u", "keepalive.py"],
                                stdin=-1, stderr=None, text=True, bufsize=1)
        assert self.child.stdout.readline() == "up\n"

    def get(self, path):
        self.child.stdin.write(path + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def close(self):
        self.child.stdin.close()
        self.child.stdin = None
        assert self.child.wait(20) == 0


def ok(result):
    assert result.code == 0, result
    return result


def test_switch_on_an_open_connection(user, origin):
    folder = app.write(user)
    c = Client(user, "-c", folder, "--id", "sw", *origin.options(*app.HOSTS))
    first = c.get("/1")
    assert first["status"] == 200
    ok(user.sallyport("handler", "set", "sw", "noHttp"))
    second = c.get("/2")
    assert second["status"] == 403
    ok(user.sallyport("handler", "rm", "sw"))
    third = c.get("/3")
    assert third["status"] == 200
    assert first["port"] == second["port"] == third["port"]
    assert [r["path"] for r in origin.requests] == ["/1", "/3"]
    ok(user.sallyport("handler", "set", "sw", "allowHosts", "--params",
                      '{"allowedHostnames": ["other.test"]}'))
    assert c.get("/4")["status"] == 403
    ok(user.sallyport("handler", "set", "sw", "allowHosts", "--params",
                      '{"allowedHostnames": ["plain.example.test"]}'))
    assert c.get("/5")["status"] == 200
    ok(user.sallyport("handler", "set", "sw", "noHttp", "--host", "plain.*"))
    assert c.get("/6")["status"] == 403
    ok(user.sallyport("handler", "rm", "sw", "--host", "plain.*"))
    ok(user.sallyport("deny", "sw", "plain.example.test"))
    assert c.get("/7") ["status"] == 520
    ok(user.sallyport("deny", "sw", "plain.example.test", "--remove"))
    assert c.get("/8")["status"] == 200
    c.close()


def test_switch_from_code_with_params(user, origin):
    folder = app.write(user)
    c = Client(user, "-c", folder, "--id", "code", *origin.options(*app.HOSTS))
    assert c.get("/1")["status"] == 200
    r = ok(user.sallyport("call", "code", "lockDown", "[429]"))
    assert json.loads(r.out) == "locked"
    denied = c.get("/2")
    assert denied["status"] == 429 and json.loads(denied["body"]) == {"status": 429}
    c.close()


def test_unknown_handler_changes_nothing(user, origin):
    folder = app.write(user)
    c = Client(user, "-c", folder, "--id", "unk", *origin.options(*app.HOSTS))
    assert c.get("/0")["status"] == 200
    r = user.sallyport("handler", "set", "unk", "nope")
    assert r.code != 0
    assert "Outbound handler method 'nope' not found in outboundHandlers for Box" in r.err
    assert len(r.err.strip().splitlines()) == 1
    assert c.get("/1")["status"] == 200
    for name in ("toString", "__outbound__"):
        assert user.sallyport("handler", "set", "unk", name).code != 0
    c.close()


def test_rotation_is_complete_when_the_command_returns(user, origin):
    folder = app.write(user)
    script = ("import http.client, ssl, threading, time\n"
              "end=time.time()+6\n"
              "counts=[]\n"
              "def pound():\n"
              "  c=http.client.HTTPSConnection('api.example.test', context=ssl.create_default_context())\n"
              "  n=0\n"
              "  while time.time() < end:\n"
              "    c.request('GET', '/r'); r=c.getresponse(); r.read(); n+=1\n"
              "    assert r.status == 200, r.status\n"
              "  counts.append(n)\n"
              "threads=[threading.Thread(target=pound) for _ in range(4)]\n"
              "[t.start() for t in threads]; [t.join() for t in threads]\n"
              "assert len(counts) == 4\n"
              "print(sum(counts))\n")
    user.write("pound.py", script)
    child = user.popen(["sallyport", "run", "-c", str(folder), "--id", "rot",
                        *origin.options(*app.HOSTS), "--", "python3", "pound.py"], text=True)
    wait_for(lambda: len(origin.requests) >= 20, 20, "the first requests")
    for turn in range(5):
        value = f"rotated-{turn}"
        ok(user.sallyport("secret", "put", "TOKEN", stdin=value))
        at = len(origin.requests)
        wait_for(lambda: len(origin.requests) >= at + 40, 10, "requests after the rotation")
        seen = [dict(r["headers"]).get("x-auth-token") for r in origin.requests[at:at + 40]]
        assert len(seen) == 40 and set(seen) == {value}, (turn, seen)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert int(out) > 100


def test_rotation_does_not_wait_for_a_slow_upstream(user, origin):
    """The old request is out and unanswered: the command returns all the same, in bounded time."""
    folder = app.write(user)
    child = user.popen(["sallyport", "run", "-c", str(folder), "--id", "slow", *origin.options(*app.HOSTS),
                        "--", "curl", "-sS", "https://api.example.test/hang"], text=True)
    wait_for(lambda: origin.requests, 20, "the request that hangs")
    put = ok(user.sallyport("secret", "put", "TOKEN", stdin="rotated"))
    assert put.seconds < 4
    assert child.poll() is None
    origin.release.set()
    assert child.communicate(timeout=10)[0] == "late\n"


def test_inspect_and_ps(user, origin):
    folder = app.write(user)
    c = Client(user, "-c", folder, "--id", "seen", *origin.options(*app.HOSTS))
    assert c.get("/1")["status"] == 200
    rows = json.loads(ok(user.sallyport("ps", "--json")).out)
    assert any(row["id"] == "seen" for row in rows)
    assert "seen" in ok(user.sallyport("ps")).out
    assert "plain.example.test" in ok(user.sallyport("inspect", "seen")).out
    line = json.loads(ok(user.sallyport("check", "seen", "--json", "https://API.example.test./x")).out)
    assert (line["host"], line["decision"], line["rule"]) == ("api.example.test", "handler", "outboundByHost")
    c.close()


def test_check_sends_nothing(user, origin):
    folder = app.write(user)
    r = ok(user.sallyport("check", "-c", folder, "--json", "https://api.example.test/", "http://no.test/",
                          "https://x.allowed.test/", "http://a b/"))
    lines = [json.loads(l) for l in r.out.splitlines()]
    assert [(l["decision"], l["rule"]) for l in lines] == [
        ("handler", "outboundByHost"), ("deny", "allowedHosts"), ("allow", "allowedHosts"), ("deny", "url")]
    assert lines[2]["pattern"] == "*.allowed.test"
    assert origin.requests == []


COUNTER = """
import { Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {
  async count() {
    const n = 1 + ((await this.ctx.storage.get("n")) ?? 0);
    await this.ctx.storage.put("n", n);
    return n;
  }
}
"""


@pytest.mark.parametrize("chosen", [True, False])
def test_what_an_object_of_a_run_stores(user, live, chosen):
    """It outlives a run whose id was chosen; of another nothing is left."""
    module = user.write("src/counter.js", COUNTER)
    state = pathlib.Path(user.environment()["SALLYPORT_STATE"])
    for expected in ([1, 2], [3, 4] if chosen else [1, 2]):
        run = live("-c", module, *(["--id", "stores"] if chosen else []))
        name = json.loads(ok(user.sallyport("ps", "--json")).out)[0]["id"]
        assert [json.loads(ok(user.sallyport("call", name, "count")).out) for _ in range(2)] == expected
        assert (state / f"run-{name}").is_dir()
        run.close()
        assert (state / f"run-{name}").exists() == chosen
