"""Large bodies both ways: whole, streamed, with memory that does not follow their size."""
import os
import subprocess

import pytest

import app
from conftest import processes_of, wait_for
from origin import pattern_sha256

GIB = 1 << 30
ABOVE_IDLE = 32 * 1024  # KiB that sidecar and runtime may each grow


def peak_kib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


@pytest.mark.parametrize("shape", ["length", "chunked"])
def test_a_gibibyte_each_way(user, origin, live, shape):
    run = live("--id", "bulk", "--allow", "plain.example.test", *origin.options("plain.example.test"))
    out, code = run.sh("curl -sS https://plain.example.test/ > /dev/null")
    assert code == 0, out
    pids = {n: processes_of(user, n)[0] for n in ("sallyport-sidecar bulk", "sallyport-runtime")}
    idle = {n: peak_kib(p) for n, p in pids.items()}
    out, code = run.sh(f"curl -sS https://plain.example.test/bytes/{GIB}"
                       f"{'/chunked' if shape == 'chunked' else ''} | sha256sum", timeout=120)
    assert out.split()[0] == pattern_sha256(GIB), out
    upload = f"head -c {GIB} /dev/zero | curl -T -" if shape == "chunked" else \
        f"truncate -s {GIB} zeros && curl -T zeros"
    out, code = run.sh(f"{upload} -sS -o /dev/null -w '%{{http_code}}' https://plain.example.test/up",
                       timeout=120)
    assert out == "200", out
    assert origin.requests[-1]["size"] == GIB
    zeros = subprocess.run(f"head -c {GIB} /dev/zero | sha256sum", shell=True, capture_output=True,
                           text=True, check=True).stdout.split()[0]
    assert origin.requests[-1]["sha256"] == zeros
    for name, pid in pids.items():
        assert peak_kib(pid) - idle[name] < ABOVE_IDLE, name


def test_a_slow_reader_stalls_the_sender(user, origin, live):
    run = live("--allow", "plain.example.test", *origin.options("plain.example.test"))
    run.sh("mkfifo /tmp/pipe; curl -sS https://plain.example.test/bytes/1073741824 > /tmp/pipe & "
           "exec 9< /tmp/pipe; head -c 1000 <&9 > /dev/null")
    wait_for(lambda: origin.streamed > 0, what="the first bytes")
    import time
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        if origin.streamed != last:
            last, since = origin.streamed, time.monotonic()
    assert origin.streamed < 64 << 20, "the sender was not stalled"
    # Meanwhile the gate serves others.
    out, code = run.sh("curl -sS -m 5 -o /dev/null -w '%{http_code}' https://plain.example.test/x")
    assert out == "200"


def test_head_keeps_its_length(user, origin):
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--", "curl", "-sSI", "https://plain.example.test/bytes/4242")
    assert "content-length: 4242" in r.out.lower(), r


def test_expect_100_continue(user, origin):
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--", "sh", "-c", "truncate -s 3000000 zeros; curl -sS -H 'Expect: 100-continue' "
                       "-T zeros https://plain.example.test/up -o /dev/null "
                       "-w '%{http_code} %{time_total}'")
    code, seconds = r.out.split()
    assert code == "200" and float(seconds) < 3, r
    assert origin.requests[-1]["size"] == 3000000


def test_a_cut_body_is_seen_as_cut(user, origin):
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--", "curl", "-sS", "https://plain.example.test/cut")
    assert r.code in (18, 56), r


def test_handlers_read_and_echo_bodies(user, origin):
    import hashlib
    folder = app.write(user)
    data = os.urandom(1 << 20)
    user.write("data", data)
    r = user.sallyport("run", "-c", folder, "--", "sh", "-c",
                       "curl -sS --data-binary @data https://code.example.test/sha256; echo; "
                       "curl -sS --data-binary @data https://code.example.test/echo | sha256sum")
    want = hashlib.sha256(data).hexdigest()
    assert r.out.splitlines()[0] == want and r.out.splitlines()[1].split()[0] == want, r


def test_pipelining_and_keep_alive(user, origin):
    script = ("import socket\n"
              "s=socket.create_connection(('plain.example.test',80))\n"
              "s.sendall(b''.join(b'GET /%d HTTP/1.1\\r\\nHost: plain.example.test\\r\\n\\r\\n'%i for i in range(50)))\n"
              "b=b''\n"
              "while b.count(b'HTTP/1.1 200') < 50:\n"
              "  d=s.recv(65536)\n"
              "  if not d: break\n"
              "  b+=d\n"
              "import re; print(re.findall(rb'\"path\": \"/(\\d+)\"', b)==[b'%d'%i for i in range(50)])\n")
    user.write("pipeline.py", script)
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--", "python3", "pipeline.py")
    assert r.out == "True\n", r
