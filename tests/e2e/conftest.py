"""What every end-to-end test stands on: the built programs where every user can run them, an
ordinary user beside root, TLS origins on loopback, and a way to run the product as its users do.

Each test that takes `user` runs twice when pytest is root: as root, and as an ordinary user.
"""
import os
import pathlib
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from origin import Authority, Origin  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SALLYPORT_BUILD", ROOT / "build"))
EXAMPLES = ROOT / "examples"
WORKERS = pathlib.Path(__file__).parent / "workers"
ACCOUNT = f"sallyport-e2e-{os.getpid()}"
PROGRAMS = ("sallyport", "sallyport-supervisor", "sallyport-sidecar", "sallyport-runtime",
            "sallyport-launcher", "sallyport-agent")


def pytest_generate_tests(metafunc):
    if "user" in metafunc.fixturenames:
        names = ["root", "ordinary"] if os.getuid() == 0 else ["ordinary"]
        metafunc.parametrize("user", names, indirect=True)


@pytest.fixture(scope="session")
def stage():
    """A folder that every user may enter, with the programs in it."""
    with tempfile.TemporaryDirectory(prefix="sallyport-e2e-") as tmp:
        path = pathlib.Path(tmp)
        path.chmod(0o755)
        (path / "bin").mkdir()
        for name in PROGRAMS:
            shutil.copy2(BUILD / name, path / "bin" / name)
            (path / "bin" / name).chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def account():
    """An account like a person's: a home, a name, no rights."""
    if os.getuid() != 0:
        yield pwd.getpwuid(os.getuid())
        return
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    subprocess.run(["useradd", "-m", "-s", "/bin/bash", ACCOUNT], env=env, check=True)
    yield pwd.getpwnam(ACCOUNT)
    subprocess.run(["userdel", "-rf", ACCOUNT], env=env, capture_output=True, check=True)


class User:
    """root or an ordinary user, with a folder to work in."""

    def __init__(self, name, entry, stage_dir):
        self.name = name
        self.uid = entry.pw_uid
        self.gid = entry.pw_gid
        self.home = pathlib.Path(entry.pw_dir)
        self.bin = stage_dir / "bin"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=stage_dir))
        self.work.chmod(0o755)
        # Our own state stands apart: a bind that holds it would be refused.
        self.private = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-xdg-", dir=stage_dir))
        self.own(self.work, self.private)
        self.children = []

    def own(self, *paths):
        for path in paths:
            os.chown(path, self.uid, self.gid)

    def write(self, name, text, mode=0o644):
        path = self.work / name
        for parent in reversed(path.relative_to(self.work).parents):
            folder = self.work / parent
            if not folder.exists():
                folder.mkdir()
                self.own(folder)
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        path.chmod(mode)
        self.own(path)
        return path

    def environment(self, extra=None):
        env = {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
               "HOME": str(self.home), "USER": self.name, "LANG": "C.UTF-8", "TERM": "xterm",
               "XDG_RUNTIME_DIR": str(self.private / "runtime"),
               "SALLYPORT_STATE": str(self.private / "state"),
               "XDG_CACHE_HOME": str(self.work.parent / f".cache-{self.uid}")}
        for folder in (env["XDG_RUNTIME_DIR"], env["SALLYPORT_STATE"], env["XDG_CACHE_HOME"]):
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
                self.own(folder)
        env.update(extra or {})
        return env

    def popen(self, argv, env=None, **kw):
        kw.setdefault("cwd", self.work)
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        if os.getuid() != self.uid:
            kw.update(user=self.uid, group=self.gid, extra_groups=[])
        child = subprocess.Popen([str(a) for a in argv], env=self.environment(env), **kw)
        self.children.append(child)
        return child

    def call(self, argv, timeout=60, env=None, stdin=None, text=True, **kw):
        """Runs to its end. The result has .code, .out, .err and .seconds."""
        start = time.monotonic()
        child = self.popen(argv, env=env, text=text,
                           stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, **kw)
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            pytest.fail(f"{argv} ran over {timeout} s\nstdout: {out}\nstderr: {err}")
        return Result(argv, child.returncode, out, err, time.monotonic() - start)

    def sallyport(self, *argv, **kw):
        return self.call(["sallyport", *argv], **kw)

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()


class Result:
    def __init__(self, argv, code, out, err, seconds):
        self.argv, self.code, self.out, self.err, self.seconds = argv, code, out, err, seconds

    def __repr__(self):
        return f"{self.argv}\nstatus {self.code}\nstdout: {self.out}\nstderr: {self.err}"


@pytest.fixture
def user(request, stage, account):
    entry = pwd.getpwnam("root") if request.param == "root" else account
    someone = User(request.param, entry, stage)
    yield someone
    someone.end()
    shutil.rmtree(someone.work)
    shutil.rmtree(someone.private)


@pytest.fixture(scope="session")
def authority(stage):
    return Authority(stage)


@pytest.fixture
def origin(authority):
    with Origin(authority) as it:
        yield it


def gate_processes(user):
    """(pid, title) of every process of ours that was started from this test run's programs."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            exe = os.readlink(entry / "exe").removesuffix(" (deleted)")
            title = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
        except OSError:
            continue
        if exe.startswith(str(user.bin)):
            found.append((int(entry.name), title))
    return found


def processes_of(user, title):
    return [pid for pid, text in gate_processes(user) if text.startswith(title)]


class Live:
    """A `sallyport run` whose command is a shell that we feed line by line."""

    def __init__(self, user, *options, env=None):
        self.user = user
        self.child = user.popen(["sallyport", "run", *options, "--", "/bin/bash", "--norc"],
                                env=env, stdin=subprocess.PIPE, text=True, bufsize=1,
                                stderr=open(user.private / "live.err", "ab"))
        self.count = 0
        self.sh(":")  # the sandbox is up

    def sh(self, script, timeout=30):
        """Runs the script inside; its standard output and exit status."""
        self.count += 1
        mark = f"=={self.count}=="
        self.child.stdin.write(f"{script}\nstatus=$?; echo; echo {mark}$status\n")
        self.child.stdin.flush()
        lines = []
        deadline = time.monotonic() + timeout
        while True:
            if time.monotonic() > deadline:
                pytest.fail(f"{script!r} ran over {timeout} s: {lines}")
            line = read_line(self.child.stdout, deadline)
            if line is None:
                pytest.fail(f"the sandbox ended in {script!r}: {lines}")
            if line.startswith(mark):
                return "".join(lines).rstrip("\n"), int(line[len(mark):])
            lines.append(line)

    def close(self):
        if self.child.poll() is None:
            self.child.stdin.close()
            self.child.stdin = None
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                pytest.fail("the run did not end when its command did")
        return self.child.returncode


def read_line(stream, deadline):
    """One line as text, or None at the end. Reads the descriptor itself: no buffer hides a line."""
    line = bytearray()
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            pytest.fail(f"the sandbox said nothing in time; so far: {bytes(line)!r}")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            return None
        line += byte
    return line.decode(errors="replace")


@pytest.fixture
def live(user):
    runs = []

    def start(*options, env=None):
        run = Live(user, *options, env=env)
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.close()


def install(source, folder):
    """The node_modules of a Worker of ours, as its lock file pins them."""
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(source / name, folder / name)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder,
                   check=True)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def npm_packages(stage):
    """hono, aws4fetch, jose."""
    return install(WORKERS / "hono", stage / "npm")


@pytest.fixture(scope="session")
def example_packages(stage):
    """TypeScript, Cloudflare's types, and ours as `npm install --install-links` puts them."""
    packages = install(EXAMPLES / "announcement", stage / "npm-types")
    shutil.copytree(ROOT / "types", packages / "sallyport")
    return packages


@pytest.fixture
def hono_worker(user, npm_packages):
    """The Worker of workers/hono in a folder of the user's."""
    from daemon import copy_worker
    return copy_worker(user, WORKERS / "hono", npm_packages)


@pytest.fixture
def up(user):
    """Starts daemons; at the end each that was not killed is told to stop and ends with 0; none leaves a process."""
    from daemon import Daemon
    daemons = []

    def start(folder, *options, **kw):
        daemons.append(Daemon(user, folder, *options, **kw))
        return daemons[-1]

    yield start
    for daemon in daemons:
        code = daemon.stop()
        assert daemon.killed or code == 0, f"status {code}: {daemon.said()[-3000:]}"
    wait_for(lambda: not gate_processes(user), 10, "the end of every process of ours")


def wait_for(condition, seconds=10, what="the condition"):
    """Waits for a condition with a deadline; the value that it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)
