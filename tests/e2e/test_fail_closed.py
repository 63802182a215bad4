"""Processes that die, handlers that run away: nothing passes unjudged, service comes back."""
import json
import os
import signal
import subprocess
import time

import pytest

import app
from conftest import gate_processes, processes_of, wait_for

POUND = r"""
import http.client, ssl, sys, time, json
ctx = ssl.create_default_context()
end = time.time() + float(sys.argv[1])
conn = None
while time.time() < end:
    for host in ('plain.example.test', 'denied.example.test'):
        t = time.time()
        try:
            conn = http.client.HTTPSConnection(host, context=ctx, timeout=10)
            conn.request('GET', '/' + host)
            r = conn.getresponse(); r.read()
            print(json.dumps([host, r.status, time.time() - t]), flush=True)
        except Exception as e:
            print(json.dumps([host, type(e).__name__, time.time() - t]), flush=True)
"""


@pytest.mark.parametrize("victim", ["sallyport-sidecar crash", "sallyport-runtime"])
def test_killed_under_load(user, origin, victim):
    user.write("pound.py", POUND)
    child = user.popen(["sallyport", "run", "--id", "crash", "--allow", "plain.example.test",
                        *origin.options("plain.example.test", "denied.example.test"), "--",
                        "sh", "-c", "cat /etc/cloudflare/certs/*.crt > before.pem; python3 pound.py 6; "
                        "curl -sS https://plain.example.test/last"], text=True)
    wait_for(lambda: len(origin.requests) > 10, 20, "the first requests")
    for _ in range(2):
        before = len(origin.requests)
        pid = processes_of(user, victim)[0]
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        wait_for(lambda: len(origin.requests) > before + 5, 3, "service after the kill")
        assert time.monotonic() - killed < 2
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    rows = [json.loads(l) for l in out.splitlines() if l.startswith("[")]
    assert all(r["path"] != "/denied.example.test" for r in origin.requests)
    assert {r[1] for r in rows if r[0] == "denied.example.test"} <= {
        520, 503, "RemoteDisconnected", "ConnectionResetError", "SSLEOFError", "SSLError", "SSLZeroReturnError",
        "BrokenPipeError", "ConnectionRefusedError"}
    assert max(r[2] for r in rows) < 2.5, "a client waited"
    # The same CA after it: the last curl trusts it with the bundle of the start.
    assert '"path": "/last"' in out


@pytest.mark.parametrize("kind", ["while", "await", "regexp", "memory"])
def test_a_runaway_handler_ends_alone(user, origin, live, kind):
    folder = app.write(user)
    run = live("-c", folder, *origin.options(*app.HOSTS))
    out, code = run.sh("curl -sS -o /dev/null -w '%{http_code}' https://plain.example.test/")
    assert out == "200", out
    start = time.monotonic()
    out, code = run.sh(f"curl -sS -m 20 -o /dev/null -w '%{{http_code}}' https://code.example.test/{kind}")
    assert out in ("500", "503"), out
    assert time.monotonic() - start < 10
    # The spare is warm: service is back before a client that asks at once would notice.
    out, code = run.sh("a=$(date +%s%N); for i in $(seq 1 200); do c=$(curl -sS -m 2 -o /dev/null "
                       "-w '%{http_code}' https://plain.example.test/); [ $c = 200 ] && break; done; "
                       "echo $c $((($(date +%s%N) - a) / 1000000))", timeout=30)
    status, ms = out.split()[-2:]
    assert status == "200" and int(ms) < 200, out
    # The policy of before holds in the successor.
    out, code = run.sh("curl -sS -o /dev/null -w '%{http_code}' https://no.test/")
    assert out == "520", out


def test_policy_survives_the_runtime(user, origin, live):
    folder = app.write(user)
    run = live("-c", folder, "--id", "kept", *origin.options(*app.HOSTS))
    assert run.sh("true")[1] == 0
    assert user.sallyport("handler", "set", "kept", "noHttp").code == 0
    assert user.sallyport("secret", "put", "TOKEN", stdin="after-put").code == 0
    for pid in processes_of(user, "sallyport-runtime"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: run.sh("curl -sS -m 2 -o /dev/null -w '%{http_code}' "
                            "https://plain.example.test/")[0] == "403", 5, "the stored policy")
    assert user.sallyport("handler", "rm", "kept").code == 0
    out, _ = run.sh("curl -sS https://api.example.test/")
    assert origin.header("x-auth-token") == ["after-put"]


def test_the_spare_has_the_secrets_of_the_moment(user, origin, live):
    folder = app.write(user)
    run = live("-c", folder, *origin.options(*app.HOSTS))
    run.sh("curl -sS https://api.example.test/")
    both = wait_for(lambda: (lambda pids: len(pids) == 2 and pids)(processes_of(user, "sallyport-runtime")), 10,
                    "the spare")
    assert user.sallyport("secret", "put", "TOKEN", stdin="rotated").code == 0

    def ticks(pid):
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[19]), pid
    os.kill(min(ticks(pid) for pid in both)[1], signal.SIGKILL)
    wait_for(lambda: run.sh("curl -sS -m 2 -o /dev/null -w '%{http_code}' https://api.example.test/")[0] == "200", 5,
             "service by the spare")
    assert origin.header("x-auth-token") == ["rotated"]


def test_supervisor_killed_ends_everything(user, origin):
    # Seconds that no other process of this machine sleeps for.
    first, second = f"sleep {90_000_000 + os.getpid()}", f"sleep {95_000_000 + os.getpid()}"
    child = user.popen(["sallyport", "run", "--id", "orphan", "--", "sh", "-c",
                        f"setsid {first} & echo started; {second}"], text=True)
    assert child.stdout.readline() == "started\n"

    def commands():
        out = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
        return {line for line in out.splitlines() if line in (first, second)}
    wait_for(lambda: commands() == {first, second}, 5, "both commands")
    child.kill()
    child.wait()
    wait_for(lambda: not gate_processes(user) and not commands(), 5, "the end of every process")


def test_sigterm_ends_the_command(user):
    child = user.popen(["sallyport", "run", "--", "sh", "-c",
                        "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done"], text=True)
    assert child.stdout.readline() == "ready\n"
    child.terminate()
    out, _ = child.communicate(timeout=10)
    assert out == "bye\n" and child.returncode == 3
