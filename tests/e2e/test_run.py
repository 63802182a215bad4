"""The first thing a user does: a command runs, its traffic is captured, nothing needs a setting."""
import json
import os
import pathlib
import re
import time

import pytest

import app
from conftest import gate_processes, processes_of, wait_for


def test_exit_status_is_the_commands(user):
    assert user.sallyport("run", "--", "true").code == 0
    assert user.sallyport("run", "--", "sh", "-c", "exit 7").code == 7
    assert user.sallyport("run", "--", "sh", "-c", "kill -9 $$").code == 137
    missing = user.sallyport("run", "--", "no-such-program")
    assert missing.code == 127 and "no-such-program" in missing.err
    user.write("plain.txt", "not a program\n")
    assert user.sallyport("run", "--", "./plain.txt").code == 126


def test_output_streams_stay_apart(user):
    r = user.sallyport("run", "--", "sh", "-c", "echo out; echo err >&2; cat", stdin="from stdin\n")
    assert (r.out, r.err, r.code) == ("out\nfrom stdin\n", "err\n", 0), r


def test_credential_reaches_the_origin_and_not_the_sandbox(user, origin):
    folder = app.write(user)
    search = ("import os,glob\n"
              "needle=os.environ.get('HALF','')+'c2e8-value'\n"
              "hits=[]\n"
              "for pid in [p for p in os.listdir('/proc') if p.isdigit()]:\n"
              "  for f in ('environ','cmdline'):\n"
              "    try:\n"
              "      if needle.encode() in open(f'/proc/{pid}/{f}','rb').read(): hits.append((pid,f))\n"
              "    except OSError: pass\n"
              "skip=('/proc','/sys','/usr','/lib','/lib64','/bin','/sbin','/opt','/dev')\n"
              "for top,dirs,files in os.walk('/'):\n"
              "  if top.startswith(skip): dirs[:]=[]; continue\n"
              "  for f in files:\n"
              "    path=os.path.join(top,f)\n"
              "    try:\n"
              "      if os.path.isfile(path) and needle.encode() in open(path,'rb').read(): hits.append(path)\n"
              "    except OSError: pass\n"
              "print('hits', [h for h in hits if h != ('search',)])\n")
    user.write("search.py", search)
    r = user.sallyport("run", "-c", folder, *origin.options(*app.HOSTS), "--env", "HALF=sec-7f3a9d41",
                       "--", "sh", "-c",
                       "curl -sS https://api.example.test/v1/thing?x=1 && python3 search.py")
    assert r.code == 0, r
    seen = origin.requests[-1]
    assert seen["scheme"] == "https" and seen["path"] == "/v1/thing?x=1"
    assert origin.header("x-auth-token") == [app.SECRET]
    assert origin.header("host") == ["api.example.test"]
    # The origin echoes what it got: that is the only place where the value may be seen.
    first, last = r.out.strip().rsplit("\n", 1)
    assert json.loads(first)["path"] == "/v1/thing?x=1"
    assert last == "hits []"


@pytest.mark.parametrize("url", [
    "http://plain.example.test/a", "https://plain.example.test/b",
    "https://plain.example.test:8443/c", "http://plain.example.test:8080/d",
])
def test_names_are_captured_without_a_setting(user, origin, url):
    r = user.sallyport("run", "--allow", "plain.example.test",
                       *origin.options("plain.example.test", extra_ports=(8443,)),
                       "--resolve", f"plain.example.test:8080:127.0.0.1:{origin.http}",
                       "--", "curl", "-sS", url)
    assert r.code == 0, r
    assert json.loads(r.out)["path"] == url[-2:]


def test_one_address_family_is_enough(user, origin):
    for family in ("-4", "-6"):
        r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                           "--", "curl", "-sS", family, "https://plain.example.test/f")
        assert r.code == 0, r
    six = user.sallyport("run", "--allow", "six.example.test",
                         "--resolve", f"six.example.test:80:[::1]:{origin.http6}",
                         "--", "curl", "-sS", "http://six.example.test/only-v6")
    assert json.loads(six.out)["path"] == "/only-v6", six


def test_ip_literals_are_captured(user, origin):
    r = user.sallyport("run", "--allow", "192.0.2.9", *origin.options("192.0.2.9"), "--",
                       "sh", "-c", "curl -sS http://192.0.2.9/p && curl -sS https://192.0.2.9/s")
    assert r.code == 0, r
    assert [q["path"] for q in origin.requests] == ["/p", "/s"]
    v6 = user.sallyport("run", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                        "http://[2001:db8::9]/")
    assert v6.out in ("502", "520"), v6


def test_denied_is_immediate_and_says_why(user, origin):
    r = user.sallyport("run", "--allow", "plain.example.test", "--", "curl", "-sSi",
                       "https://evil.example.test/")
    assert r.code == 0 and r.seconds < 5, r
    head, body = r.out.replace("\r", "").split("\n\n", 1)
    assert head.startswith("HTTP/1.1 520")
    assert body == "Origin is disallowed"
    decision = re.search(r"^sallyport-decision: (.*)$", head, re.M | re.I).group(1)
    assert decision == 'denied; rule="allowedHosts"; host="evil.example.test"'
    assert origin.requests == []


def test_own_keys_only(user, origin):
    folder = app.write(user)
    r = user.sallyport("run", "-c", folder, "--", "curl", "-sS", "-o", "/dev/null", "-w",
                       "%{http_code}", "http://constructor/", "http://__proto__.example.test/")
    assert r.out.startswith("520"), r


def test_sni_and_host_must_agree(user, origin):
    r = user.sallyport("run", "--allow", "*.example.test", *origin.options("a.example.test", "b.example.test"),
                       "--", "curl", "-sSi", "-H", "Host: b.example.test", "https://a.example.test/")
    assert "HTTP/1.1 421" in r.out, r
    assert origin.requests == []


def test_without_sni_the_host_is_the_address(user, origin):
    """No SNI: a Host that names another place would be judged by a name that nobody proved."""
    r = user.sallyport("run", "--allow", "*", *origin.options("a.example.test", "192.0.2.7"),
                       "--", "sh", "-c",
                       "curl -sSi -H 'Host: a.example.test' https://192.0.2.7/; curl -sSi https://192.0.2.7/ok")
    assert r.out.count("HTTP/1.1 421") == 1, r
    assert [q["path"] for q in origin.requests] == [], r


def test_upstream_certificate_is_verified(user, authority):
    from origin import Origin
    bad = {"expired": dict(start=-10, days=5), "wrong name": dict(names=["x.invalid"]),
           "self-signed": dict(names=["a.example.test"], self_signed=True)}
    for what, how in bad.items():
        with Origin(authority, authority.issue(**how)) as o:
            r = user.sallyport("run", "--allow", "a.example.test", *o.options("a.example.test"),
                               "--", "curl", "-sSi", "https://a.example.test/")
            assert "HTTP/1.1 526" in r.out, (what, r)
            assert o.requests == [], what


def test_private_addresses_are_refused(user, origin):
    for host in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "0x7f.1",
                 "198.18.0.1"):
        r = user.sallyport("run", "--", "curl", "-sSi", "--connect-to", "::192.0.2.1:",
                           f"http://{host}:{origin.http}/")
        assert "HTTP/1.1 502" in r.out and "sallyport-error: address" in r.out, (host, r)
    assert origin.requests == []


def test_start_is_fast(user):
    user.sallyport("run", "--", "true")
    best = min(user.sallyport("run", "--", "true").seconds for _ in range(5))
    assert best < 1, f"a sandbox took {best} s at its best"


def test_inject_without_code(user, origin):
    r = user.sallyport("run", "--allow", "*.example.test", *origin.options("api.example.test"),
                       "--secret", "KEY", "--inject", "api.example.test: X-Api-Key: Bearer ${KEY}",
                       "--", "sh", "-c",
                       "curl -sS -H 'x-api_key: mine' -H 'X-API-KEY: mine' https://api.example.test/; "
                       "curl -sS http://api.example.test/; env",
                       env={"KEY": "k-1234567"})
    assert r.code == 0, r
    assert origin.header("x-api-key", 0) == ["Bearer k-1234567"]
    assert origin.header("x-api_key", 0) == []
    assert origin.header("x-api-key", 1) == []
    assert "k-1234567" not in r.out.split("\n", 2)[2]


def test_no_connection_comes_from_itself(user, origin):
    """AnyIP without a preferred source makes a few in 10,000 connect to themselves."""
    script = (
        "import socket,sys\n"
        "own=0\n"
        "for i in range(int(sys.argv[1])):\n"
        "  s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')\n"
        "  s.connect(('203.0.113.5', 8081))\n"
        "  own += s.getsockname() == s.getpeername()\n"
        "  s.close()\n"
        "print('own', own)\n")
    user.write("connect.py", script)
    r = user.sallyport("run", "--", "python3", "connect.py", "100000", timeout=240)
    assert r.out == "own 0\n", r


def test_two_sandboxes_do_not_trust_each_other(user, origin):
    script = ("cat /etc/cloudflare/certs/cloudflare-containers-ca.crt; "
              "echo | openssl s_client -connect plain.example.test:443 -servername plain.example.test "
              "-showcerts 2>/dev/null | grep -E 'Verify return code|issuer='")
    a, b = (user.sallyport("run", "--id", i, "--allow", "*.example.test", "--", "sh", "-c", script)
            for i in ("one", "two"))
    for r in (a, b):
        assert "Verify return code: 0 (ok)" in r.out, r
    pem = [r.out.split("-----END CERTIFICATE-----")[0] for r in (a, b)]
    assert pem[0] != pem[1]
    user.write("other.pem", pem[0] + "-----END CERTIFICATE-----\n")
    r = user.sallyport("run", "--allow", "*.example.test", "--", "curl", "-sS", "--cacert", "other.pem",
                       "--capath", "/nonexistent", "https://plain.example.test/")
    assert r.code == 60, r


def test_no_file_holds_the_ca_key(user, origin, live):
    """While it runs: no key in a file that this run could have written, none that a door holds open."""
    marks = (b"PRIVATE KEY", b"\x02\x01\x01\x04\x20")  # PEM; RFC 5915: version 1, 32 bytes
    own = [user.work, user.private, user.work.parent / f".cache-{user.uid}"]
    own += [p for p in (pathlib.Path("/run/sallyport"), pathlib.Path("/var/cache/sallyport"))
            if user.name == "root" and p.exists()]
    began = time.time()
    run = live("--id", "keyless", "--allow", "*.example.test", *origin.options("plain.example.test"))
    out, _ = run.sh("curl -sS -o /dev/null -w '%{http_code}' https://plain.example.test/")
    assert out == "200"
    seen = 0
    for path in (p for top in own for p in top.rglob("*") if p.is_file() and not p.is_symlink()):
        seen += 1
        if path.stat().st_mtime >= began - 1:
            text = path.read_bytes()
            assert not any(m in text for m in marks), path
    assert seen > 0
    inside, _ = run.sh("find / -xdev -newermt '-1 minute' -type f -size -4M 2>/dev/null | "
                       "xargs -r grep -alF 'PRIVATE KEY' 2>/dev/null; "
                       "grep -rlF 'PRIVATE KEY' /run /etc/cloudflare /tmp /var/tmp $HOME 2>/dev/null")
    assert inside.strip() == ""
    sidecar, = processes_of(user, "sallyport-sidecar keyless")
    held = [os.readlink(f"/proc/{sidecar}/fd/{fd}") for fd in os.listdir(f"/proc/{sidecar}/fd")]
    assert any("socket:" in h for h in held)
    assert [h for h in held if h.startswith("/") and h != "/dev/null" and "memfd" not in h
            and "secretmem" not in h] == [], held


def test_per_instance_credential(user, origin):
    folder = app.write(user)
    for name in ("alice", "bob"):
        put = user.sallyport("kv", "put", "keys", name, stdin=f"key-of-{name}")
        assert put.code == 0, put
    for name in ("alice", "bob"):
        r = user.sallyport("run", "-c", folder, "--id", name, *origin.options(*app.HOSTS), "--",
                           "curl", "-sS", "https://keyed.example.test/")
        assert r.code == 0, r
        assert origin.header("x-auth-token") == [f"key-of-{name}"]


def test_handler_answers_by_itself(user, origin):
    folder = app.write(user)
    r = user.sallyport("run", "-c", folder, "--", "curl", "-sSi", "https://teapot.example.test/")
    assert "HTTP/1.1 418" in r.out and "x-made-by: handler" in r.out, r
    assert r.out.endswith("hello from teapot.example.test"), r


def test_handler_failures_do_not_leak(user, origin):
    folder = app.write(user)
    for path in ("throw", "nothing"):
        r = user.sallyport("run", "-c", folder, "--", "curl", "-sSi",
                           f"https://code.example.test/{path}")
        assert "HTTP/1.1 500" in r.out and "Handler failed" in r.out, r
        assert "the message stays outside" not in r.out
    assert "the message stays outside" in r.err or "the message stays outside" in \
        user.sallyport("run", "-c", folder, "--", "curl", "-sS", "https://code.example.test/throw").err


def test_events_tell_what_happened(user, origin):
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--log", "events.jsonl", "--id", "told", "--", "sh", "-c",
                       "curl -sS 'https://plain.example.test/p?secret=1'; curl -sS http://no.test/")
    assert r.code == 0, r
    lines = [json.loads(l) for l in (user.work / "events.jsonl").read_text().splitlines()]
    by_host = {l["host"]: l for l in lines if l.get("host")}
    ok, denied = by_host["plain.example.test"], by_host["no.test"]
    assert (ok["decision"], ok["status"], ok["path"], ok["scheme"], ok["instance"]) == (
        "allow", 200, "/p", "https", "told")
    assert (denied["decision"], denied["rule"], denied["status"]) == ("deny", "allowedHosts", 520)


def test_nothing_is_left_behind(user, origin):
    mounts = len(open("/proc/self/mounts").readlines())
    r = user.sallyport("run", "--id", "gone", "--", "sh", "-c", "setsid sleep 1000 & echo hi > file")
    assert r.code == 0, r
    wait_for(lambda: gate_processes(user) == [], 5, "the end of every process")
    assert len(open("/proc/self/mounts").readlines()) == mounts
    left = [p for p in (user.private / "runtime").rglob("*") if not p.is_dir()]
    assert left == []
    assert os.stat(user.work / "file").st_uid == user.uid


def test_environment_fits_the_sandbox(user):
    r = user.sallyport("run", "--env", "MINE=1", "--", "sh", "-c",
                       'env; touch "$HOME/can-write" && echo home is there',
                       env={"TERM": "xterm-256color", "NOT_PASSED": "x"})
    got = dict(line.split("=", 1) for line in r.out.splitlines() if "=" in line)
    assert r.code == 0 and "home is there" in r.out, r
    assert got["TERM"] == "xterm-256color" and got["MINE"] == "1"
    assert "NOT_PASSED" not in got
    assert got["HOME"] == ("/home/sandbox" if user.name == "root" else str(user.home))
    assert str(user.bin) not in got["PATH"], "a folder that is not there inside"
