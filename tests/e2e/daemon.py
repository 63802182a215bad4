"""A `sallyport up` as its users have it: a Worker's folder, a port, a control socket of its own."""
import contextlib
import http.client
import json
import os
import re
import select
import signal
import subprocess
import time

import pytest

from conftest import wait_for

SERVING = re.compile(r"serving http://([0-9.]+|\[[0-9a-f:]+\]):(\d+)")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            pytest.fail(f"not JSON, status {self.status}: {self.body[:2000]!r}")

    def __repr__(self):
        return f"status {self.status}: {self.body[:2000]!r}"


class Daemon:
    def __init__(self, user, folder, *options, listen="127.0.0.1:0", env=None, through=(), program="sallyport"):
        self.user, self.folder, self.options, self.through = user, folder, options, through
        self.program = program
        self.socket = user.private / "up.sock"
        self.state = user.private / "up-state"
        self.env = {"SALLYPORT_SOCKET": str(self.socket), **(env or {})}
        self.log = user.private / "up.log"
        self.listen = listen
        self.start()

    def argv(self):
        return [*self.through, self.program, "up", "-c", str(self.folder), "--listen", self.listen, "--state",
                str(self.state), *self.options]

    def start(self):
        self.killed = False
        since = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.child = self.user.popen(self.argv(), env=self.env, stdout=log, stderr=log)

        def serving():
            found = SERVING.search(self.said()[since:])
            if found is None and self.child.poll() is not None:
                pytest.fail(f"`up` ended with {self.child.returncode}: {self.said()[since:]}")
            return found

        found = wait_for(serving, 20, "`up` serving")
        self.port = int(found.group(2))

    def said(self):
        return self.log.read_text(errors="replace")

    def ask(self, path, method="GET", body=None, headers=None, timeout=60):
        """One request to the Worker's own fetch()."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            r = connection.getresponse()
            return Answer(r.status, r.headers, r.read())

    def get(self, path, status=200, **kw):
        r = self.ask(path, **kw)
        assert r.status == status, f"{path}: {r!r}\n{self.said()[-3000:]}"
        return r

    def cli(self, *argv, env=None, **kw):
        return self.user.sallyport(*argv, env={**self.env, **(env or {})}, **kw)

    def instances(self):
        r = self.cli("ps", "--json")
        assert r.code == 0, r
        return json.loads(r.out)

    @property
    def pid(self):
        return self.child.pid

    def kill(self):
        """kill -9 of the daemon: all else must end by itself."""
        self.killed = True
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self, timeout=30):
        """SIGTERM; its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                pytest.fail(f"`up` did not end within {timeout} s of SIGTERM: {self.said()[-3000:]}")
        return self.child.returncode


def copy_worker(user, source, packages=None):
    """A Worker of this repository; packages: a node_modules beside it."""
    for path in source.rglob("*"):
        if path.is_file() and "node_modules" not in path.parts:
            user.write(f"{source.name}/{path.relative_to(source)}", path.read_text())
    folder = user.work / source.name
    if packages is not None:
        (folder / "node_modules").symlink_to(packages)
    return folder


def write_worker(user, code, folder="worker", bindings=None, config=None, files=None, packages=None):
    """A Worker's folder as wrangler makes it. bindings: {binding: class}; packages: a node_modules."""
    wrangler = {"name": "e2e", "main": "src/index.ts", "compatibility_date": "2026-04-13",
                "durable_objects": {"bindings": [{"name": n, "class_name": c}
                                                 for n, c in (bindings or {}).items()]}}
    wrangler.update(config or {})
    user.write(f"{folder}/wrangler.jsonc", json.dumps(wrangler, indent=2))
    user.write(f"{folder}/src/index.ts", code)
    for name, text in (files or {}).items():
        user.write(f"{folder}/{name}", text, mode=0o600 if name == ".dev.vars" else 0o644)
    if packages is not None:
        (user.work / folder / "node_modules").symlink_to(packages)
    return user.work / folder


def read_until(stream, wanted, seconds=10):
    """Bytes of a pipe until `wanted` is among them."""
    got, deadline = bytearray(), time.monotonic() + seconds
    while wanted not in got:
        ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            pytest.fail(f"{wanted!r} did not come within {seconds} s: {bytes(got)!r}")
        piece = os.read(stream.fileno(), 65536)
        if not piece:
            pytest.fail(f"the end came before {wanted!r}: {bytes(got)!r}")
        got += piece
    return bytes(got)
