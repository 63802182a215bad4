"""examples/announcement as its README has it: open for the set-up, locked down after it, tokens outside."""
import json

import pytest

from conftest import EXAMPLES
from daemon import copy_worker
from origin import Origin
from test_clients import private_registry, registry, registry_host

HOSTS = ("github.com", "my-internal-vcs.dev")


@pytest.fixture
def worker(user):
    """The example, which installs from the registry that npm has on this machine."""
    folder = copy_worker(user, EXAMPLES / "announcement")
    text = (folder / "wrangler.jsonc").read_text()
    assert '["npmjs.org"]' in text
    user.write("announcement/wrangler.jsonc", text.replace('["npmjs.org"]', json.dumps([registry_host()])))
    return folder


def npm_options():
    return [*private_registry(), "--allow", registry_host(), "--env", f"npm_config_registry={registry()}",
            "--env", "npm_config_update_notifier=false"]


def test_open_for_the_set_up_then_locked_down(worker, up):
    daemon = up(worker, *npm_options())
    out = daemon.get("/?user=alice", timeout=120).json
    assert out["install"]["exitCode"] == 0 and out["install"]["success"], out["install"]
    assert out["install"]["command"] == "npm install --no-audit --no-fund"
    assert out["open"]["stdout"] == "example.com 403\nexample.org 520\n", out["open"]
    assert out["work"]["stdout"].strip() == "true", out["work"]
    assert out["closed"]["exitCode"] != 0 and "403" in out["closed"]["stderr"], out["closed"]
    r = daemon.cli("exec", "alice", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", registry())
    assert r.out == "403", r
    # Another user's sandbox is another one: nothing of what alice's has been told holds for it.
    assert daemon.cli("create", "bob").code == 0
    r = daemon.cli("exec", "bob", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", registry())
    assert r.out == "200", r
    rows = daemon.instances()
    assert sorted(r["name"] for r in rows) == ["alice", "bob"], rows
    assert len({r["id"] for r in rows}) == 2 and all(len(r["id"]) == 64 for r in rows), rows


def test_tokens_that_no_sandbox_holds(worker, up, authority):
    with Origin(authority, authority.issue(HOSTS)) as origin:
        daemon = up(worker, *origin.options(*HOSTS))

        def token(name, host):
            r = daemon.cli("exec", name, "--", "curl", "-sS", f"https://{host}/")
            assert r.code == 0 and r.out.startswith("{"), r
            return origin.header("x-auth-token")

        alice = daemon.cli("create", "alice").out.strip()
        assert daemon.cli("kv", "put", "announcement-keys", alice, stdin="key-of-alice").code == 0
        assert token("alice", "github.com") == ["demo-secret-51c07e"]
        assert token("alice", "my-internal-vcs.dev") == ["key-of-alice"]
        assert daemon.cli("handler", "set", "alice", "noHttp").code == 0
        assert token("alice", "github.com") == ["demo-secret-51c07e"]
        assert daemon.cli("secret", "put", "SECRET", stdin="another").code == 0
        assert token("alice", "github.com") == ["another"]
        assert daemon.cli("create", "bob").code == 0
        before = len(origin.requests)
        r = daemon.cli("exec", "bob", "--", "curl", "-sS", "https://my-internal-vcs.dev/")
        assert r.out == "no key for this sandbox\n" and len(origin.requests) == before, r
        env = daemon.cli("exec", "alice", "--", "sh", "-c", "env; cat /proc/*/environ", timeout=30)
        assert "demo-secret" not in env.out and "key-of-alice" not in env.out, env
