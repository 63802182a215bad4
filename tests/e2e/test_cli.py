"""The commands around a run: what they print, and what they say when they cannot."""
import json
import os
import subprocess

import app
from conftest import wait_for


def ok(result):
    assert result.code == 0, result
    return result


def start(user, live, *options):
    """A sandbox that answers to its id; the id is new each time, for overrides outlive a run."""
    name = f"cli-{os.urandom(4).hex()}"
    box = live("--id", name, *options)
    assert box.sh("true") == ("", 0)
    return name, box


def test_ps_inspect_rm(user, live):
    folder = app.write(user)
    name, box = start(user, live, "-c", folder)
    listed = json.loads(ok(user.sallyport("ps", "--json")).out)
    mine = [i for i in listed if i["id"] == name]
    assert len(mine) == 1 and mine[0]["state"] == "running" and mine[0]["command"][0] == "/bin/bash"
    assert name in ok(user.sallyport("ps")).out
    told = json.loads(ok(user.sallyport("inspect", name)).out)
    assert told["policy"]["class"] == "Box"
    assert "api.example.test" in told["policy"]["allowed"]
    assert app.SECRET not in json.dumps(told)
    ok(user.sallyport("rm", name))
    assert wait_for(lambda: box.child.poll() is not None, what="the end of the run")
    assert user.sallyport("inspect", name).code == 125


def test_an_instance_that_is_not_there(user):
    for words in (["inspect", "nobody"], ["handler", "set", "nobody", "x"], ["allow", "nobody", "x"],
                  ["call", "nobody", "x"], ["logs", "nobody"], ["rm", "nobody"],
                  ["check", "nobody", "https://x.test/"]):
        r = user.sallyport(*words)
        assert r.code == 125 and r.err == "sallyport: instance nobody: not running: no daemon is up: " \
            "`sallyport up` starts it, `sallyport ps` lists what is\n", r


def test_kv_outside_of_any_run(user):
    folder = app.write(user)
    key = os.urandom(4).hex()
    ok(user.sallyport("kv", "put", "keys", f"a-{key}", stdin="one\n"))
    ok(user.sallyport("kv", "put", "KEYS", f"b-{key}", "-c", folder, stdin="two"))
    assert ok(user.sallyport("kv", "get", "keys", f"a-{key}")).out == "one\n"
    assert ok(user.sallyport("kv", "get", "keys", f"b-{key}")).out == "two"
    assert ok(user.sallyport("kv", "ls", "keys", "--prefix", "b-")).out.split().count(f"b-{key}") == 1
    for letter in "ab":
        ok(user.sallyport("kv", "rm", "keys", f"{letter}-{key}"))
    missing = user.sallyport("kv", "get", "keys", f"a-{key}")
    assert missing.code == 125 and "no key" in missing.err
    assert user.sallyport("kv", "put", "keys", "x" * 513, stdin="v").code == 125
    assert user.sallyport("kv", "put", "keys", "x", "--ttl", "5", stdin="v").code == 125


def test_secrets_are_listed_by_name_and_removed(user, live):
    folder = app.write(user)
    name, _ = start(user, live, "-c", folder)
    assert "TOKEN" in ok(user.sallyport("secret", "ls")).out.split()
    ok(user.sallyport("secret", "put", "EXTRA", stdin="v-of-extra"))
    listed = ok(user.sallyport("secret", "ls"))
    assert "EXTRA" in listed.out.split() and "v-of-extra" not in listed.out
    ok(user.sallyport("secret", "rm", "EXTRA"))
    assert "EXTRA" not in user.sallyport("secret", "ls").out.split()
    assert user.sallyport("secret", "rm", "EXTRA").code == 125
    pem = ok(user.sallyport("secret", "put", "PEM", stdin="two\nlines"))
    assert "lines" not in pem.out + pem.err + ok(user.sallyport("secret", "ls")).out
    bad = user.sallyport("secret", "put", "EXTRA", stdin="two\x01lines")
    assert bad.code == 125 and "control byte" in bad.err and "lines" not in bad.err
    assert "EXTRA" not in ok(user.sallyport("secret", "ls")).out.split()
    assert user.sallyport("secret", "put", "EXTRA", stdin="").code == 125


def test_a_secret_without_a_run(user):
    # A runtime folder of its own: other tests of this user may run something.
    r = user.sallyport("secret", "put", "TOKEN", stdin="v",
                       env={"SALLYPORT_SOCKET": str(user.private / "alone" / "control.sock")})
    assert r.code == 125 and "nothing runs" in r.err, r


def test_check_of_a_folder_needs_no_sandbox(user):
    folder = app.write(user)
    r = ok(user.sallyport("check", "-c", folder, "--json", "https://api.example.test/",
                          "https://a.allowed.test/", "http://evil.test/", "http://a b/"))
    lines = [json.loads(line) for line in r.out.splitlines()]
    assert [(d["decision"], d["rule"]) for d in lines] == [
        ("handler", "outboundByHost"), ("allow", "allowedHosts"), ("deny", "allowedHosts"), ("deny", "url")]
    assert lines[1]["pattern"] == "*.allowed.test" and lines[1]["host"] == "a.allowed.test"
    people = ok(user.sallyport("check", "-c", folder, "--deny", "api.*", "https://api.example.test/"))
    assert people.out.startswith("deny") and 'deniedHosts "api.*"' in people.out


def test_logs_tell_what_was_decided(user, live, origin):
    folder = app.write(user)
    name, box = start(user, live, "-c", folder, *origin.options(*app.HOSTS))
    box.sh("curl -sS https://api.example.test/x?secret=query -o /dev/null; curl -sS http://evil.test/")
    out = wait_for(lambda: "evil.test" in (text := ok(user.sallyport("logs", name)).out) and text,
                   what="the second event")
    assert "handler 200 GET https://api.example.test:443/x by outboundByHost" in out
    assert "deny 520 GET http://evil.test:80/ by allowedHosts" in out
    assert "secret=query" not in out and app.SECRET not in out
    events = [json.loads(line) for line in ok(user.sallyport("logs", "--json", name)).out.splitlines()]
    assert {e["decision"] for e in events if "decision" in e} == {"handler", "deny"}
    follow = user.popen(["sallyport", "logs", "-f", "--json", name], text=True)
    box.sh("curl -sS http://later.test/ -o /dev/null")
    assert any(json.loads(follow.stdout.readline()).get("host") == "later.test" for _ in range(len(events) + 1))
    follow.terminate()


def test_a_log_file_has_the_same_lines(user, origin):
    log = user.work / "egress.jsonl"
    ok(user.sallyport("run", "--log", log, "--bind", f"{user.work}:/w:ro", "--deny", "*", "--",
                      "curl", "-sS", "http://evil.test/p?q", "-o", "/dev/null"))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(e["host"], e["path"], e["status"], e["rule"]) for e in events] == [
        ("evil.test", "/p", 520, "deniedHosts")]


def test_editing_dev_vars_rotates(user, live, origin):
    folder = app.write(user)
    _, box = start(user, live, "-c", folder, *origin.options(*app.HOSTS))
    box.sh("curl -sS https://api.example.test/ -o /dev/null")
    assert origin.header("x-auth-token") == [app.SECRET]
    user.write("app/.dev.vars", "TOKEN=edited-value\n")

    def rotated():
        box.sh("curl -sS https://api.example.test/ -o /dev/null")
        return origin.header("x-auth-token") == ["edited-value"]

    wait_for(rotated, what="the edited secret")


def test_the_callers_environment_does_not_come_along(user):
    r = ok(user.sallyport("run", "--env", "GIVEN", "--env", "SET=here", "--secret", "HIDDEN", "--", "env",
                          env={"GIVEN": "given", "HIDDEN": "hidden-value", "OTHER": "other-value"}))
    names = dict(line.split("=", 1) for line in r.out.splitlines() if "=" in line)
    assert names["GIVEN"] == "given" and names["SET"] == "here"
    assert "OTHER" not in names and "HIDDEN" not in names and "hidden-value" not in r.out


def test_doctor_is_content_here(user):
    r = ok(user.sallyport("doctor"))
    assert all(line.split()[0] in ("ok", "warn") for line in r.out.splitlines())
    for line in ok(user.sallyport("doctor", "--json")).out.splitlines():
        assert json.loads(line)["result"] in ("ok", "warn")


def test_help_and_version(user):
    assert ok(user.sallyport("version")).out.startswith("sallyport ")
    assert "run" in ok(user.sallyport("help")).out
    assert "--allow GLOB" in ok(user.sallyport("run", "--help")).out
    # The command's own --help is the command's.
    assert "Usage: " in ok(user.sallyport("run", "env", "--help")).out
    assert subprocess.run([user.bin / "sallyport"], capture_output=True, check=False).returncode == 2
