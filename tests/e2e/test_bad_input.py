"""Nonsense from the operator: one line with the reason, the right status, nothing started."""
import pytest

import app
from conftest import gate_processes


def one_line(result, *words, code=None):
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, result
    assert lines[0].startswith("sallyport: "), result
    for word in words:
        assert word in lines[0], (word, result)
    assert result.code == code if code is not None else result.code in (2, 125), result


def nothing_runs(user):
    return gate_processes(user) == []


def test_syntax_error_has_file_line_column(user):
    folder = app.write(user, module="export class Box {\n  allowedHosts = [;\n}\n")
    one_line(user.sallyport("run", "-c", folder, "--", "true"), "index.ts:2:19", code=125)
    assert nothing_runs(user)


def test_error_at_load_names_the_typescript_line(user):
    folder = app.write(user, module=app.MODULE + "\n\nconst x: any = null;\nx.boom();\n")
    line = (app.MODULE + "\n\nconst x: any = null;\n").count("\n") + 1
    one_line(user.sallyport("run", "-c", folder, "--", "true"), f"index.ts:{line}:", code=125)
    assert nothing_runs(user)


def test_missing_class(user):
    folder = app.write(user)
    one_line(user.sallyport("run", "-c", folder, "--class", "Nope", "--", "true"), "Nope", "Box")


def test_broken_wrangler_has_file_line_column(user):
    folder = app.write(user)
    user.write("app/wrangler.jsonc", '{\n  "main": "src/index.ts",\n  "name": tru,\n}\n')
    one_line(user.sallyport("run", "-c", folder, "--", "true"), "wrangler.jsonc:3:", code=125)


@pytest.mark.parametrize("options,words", [
    (["--allow", "a b"], ["a b"]),
    (["--id", "../x"], ["id"]),
    (["--id", "x" * 65], ["id"]),
    (["--inject", "nonsense"], ["HOST: HEADER: VALUE"]),
    (["--resolve", "nonsense"], ["HOST:PORT:ADDR"]),
    (["--bind", "/"], ["/"]),
    (["--bind", "/no/such/folder"], ["/no/such/folder"]),
    (["--secret", "NOT_SET_ANYWHERE"], ["NOT_SET_ANYWHERE"]),
    (["--frobnicate"], ["--frobnicate"]),
    (["-c", "/no/such/config"], ["/no/such/config"]),
    (["--upstream-ca", "/etc/hostname"], ["/etc/hostname"]),
    (["--log", "/no/such/dir/log"], ["/no/such/dir/log"]),
    (["--writable", ".git/hoks"], ["--writable", ".git/hooks"]),
    (["--writable", "/etc/.git/hooks"], ["--writable", "in a bind"]),
    (["--mask", "./x"], ["--mask"]),
])
def test_options(user, options, words):
    one_line(user.sallyport("run", *options, "--", "true"), *words)
    assert nothing_runs(user)


def test_secret_with_a_newline(user):
    inject = ["--inject", "a.test: X-Key: ${S}"]
    r = user.sallyport("run", "--secret", "S=env:V", *inject, "--", "true", env={"V": "top\nsecret"})
    one_line(r, "S", "newline")
    assert "top" not in r.err
    r = user.sallyport("run", "--secret", "S=env:V", "--", "true", env={"V": "top\x01secret"})
    one_line(r, "S", "control byte")
    assert "top" not in r.err


def test_bind_that_holds_our_state(user):
    for folder in (user.private, user.private / "state"):
        one_line(user.sallyport("run", "--bind", str(folder), "--", "true"), "state")


BASE = 'import { Sandbox } from "@cloudflare/sandbox";\n'


@pytest.mark.parametrize("code, words", [
    (BASE + "let i = 0; for (;;) i++;\nexport class A extends Sandbox {}\n", ("bad.ts:", "the module's own code", "limit of 3 s")),
    (BASE + "export class A extends Sandbox { constructor(...a: any[]) { super(...a); for (;;); } }\n",
     ("start the instance", "CPU limit")),
    ("export class A {}\n", ("class", "extends Sandbox")),
])
def test_module_that_does_not_start(user, code, words):
    user.write("bad.ts", code)
    one_line(user.sallyport("run", "-c", "bad.ts", "--", "true", timeout=40), *words)
    one_line(user.sallyport("check", "-c", "bad.ts", "https://a.test/", timeout=40), words[-1])
    assert nothing_runs(user)


def test_current_folder_that_is_closed_or_gone(user):
    closed = "mkdir -p closed && cd closed && chmod 0 . && exec sallyport run -- true"
    one_line(user.call(["sh", "-c", closed]), "closed", "Permission denied", code=125)
    gone = "mkdir gone && cd gone && rmdir ../gone && exec sallyport run -- true"
    one_line(user.call(["sh", "-c", gone]), "current folder", "cd to one", code=125)
    assert nothing_runs(user)


def test_no_command(user):
    one_line(user.sallyport("run"), code=2)
    one_line(user.sallyport("frob"), "frob", code=2)


def test_unknown_instance(user):
    one_line(user.sallyport("handler", "set", "nobody", "x"), "nobody", code=125)


def test_version_and_help(user):
    assert user.sallyport("version").out.startswith("sallyport ")
    assert "run" in user.sallyport("--help").out


def test_doctor(user):
    r = user.sallyport("doctor")
    assert "bubblewrap" in r.out, r


def test_a_missing_kernel_feature(user):
    """A namespace that allows no user namespaces below it, as a hardened host would."""
    r = user.call(["unshare", "-Ur", "sh", "-c",
                   "echo 0 > /proc/sys/user/max_user_namespaces && exec sallyport run -- true"],
                  env={"SALLYPORT_SOCKET": str(user.private / "own.sock")})
    one_line(r, "user namespace", "sallyport doctor", code=125)
    assert nothing_runs(user)
    assert not (user.private / "own.sock").exists()
