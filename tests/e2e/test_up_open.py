"""What is open when a process is killed: output of exec, a shell on a terminal, streams of files, `logs -f`. Each
ends at once with what happened; nothing hangs, nothing is left, and what was not killed goes on."""
import os
import pty
import signal

import pytest

from conftest import gate_processes, processes_of, wait_for
from daemon import read_until, write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {}
let pulled = 0;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const s = getSandbox(env.BOX, "open");
    switch (url.pathname) {
      case "/make": return new Response((await s.exec("echo made")).stdout);
      case "/exec": return new Response(await s.execStream("while :; do echo tick; sleep 0.05; done"));
      case "/read": {
        await s.exec("mkfifo pipe; (while :; do echo bytes; sleep 0.05; done) > pipe &");
        return new Response(await s.readFileStream("/workspace/pipe"));
      }
      case "/write": {
        await s.writeFile("/workspace/written", "before");
        const slow = new ReadableStream({ async pull(c) {
          pulled++; await new Promise((r) => setTimeout(r, 50)); c.enqueue(new TextEncoder().encode("piece")); } });
        try { await s.writeFile("/workspace/written", slow); return new Response("whole"); }
        catch (e) { return new Response(`${e.name}: ${e.message}`, { status: 500 }); }
      }
      case "/pulled": return Response.json(pulled);
      case "/broken": {
        let n = 0;
        const breaks = new ReadableStream({ pull(c) {
          if (n++ < 3) c.enqueue(new TextEncoder().encode("piece")); else c.error(new Error("its own")); } });
        try { await s.writeFile("/workspace/written", breaks); return new Response("whole"); }
        catch (e) { return new Response(e.message, { status: 500 }); }
      }
      case "/logs": {
        await s.startProcess("while :; do echo log; sleep 0.05; done", { processId: "p" });
        return new Response(await s.streamProcessLogs("p"));
      }
    }
    return new Response("ok");
  },
};
"""


class Opened:
    """All that can be open at once, each with its first bytes read."""

    def __init__(self, daemon):
        self.daemon, self.user = daemon, daemon.user
        self.answers = {path: self.curl(path) for path in ("/exec", "/read", "/logs")}
        for child in self.answers.values():
            read_until(child.stdout, b"\n")
        self.answers["/write"] = self.curl("/write")
        wait_for(lambda: daemon.get("/pulled").json > 3, 10, "a file that is written")
        self.exec = self.cli("exec", "open", "--", "sh", "-c", "while :; do echo x; sleep 0.05; done")
        read_until(self.exec.stdout, b"x\n")
        self.logs = self.cli("logs", "-f", "--json", "open")
        assert daemon.cli("exec", "open", "--", "curl", "-s", "https://followed.example.test/").code == 0
        read_until(self.logs.stdout, b"followed.example.test")
        self.terminal, inner = pty.openpty()
        self.shell = self.user.popen(["sallyport", "exec", "open", "--", "/bin/bash", "--norc"], env=daemon.env,
                                     stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)
        self.typed("echo first$((1+1))", b"first2")

    def curl(self, path):
        return self.user.popen(["curl", "-sS", "-N", "-m", "60", "-w", "[%{http_code}]",
                                f"http://127.0.0.1:{self.daemon.port}{path}"])

    def cli(self, *argv):
        return self.user.popen(["sallyport", *argv], env=self.daemon.env)

    def typed(self, line, wanted):
        os.write(self.terminal, line.encode() + b"\n")
        with os.fdopen(os.dup(self.terminal), "rb", 0) as stream:
            read_until(stream, wanted)

    def answers_end(self):
        """{path: (status of curl, the end of what came)}, when each has ended by itself."""
        out = {}
        for path, child in self.answers.items():
            text, _ = child.communicate(timeout=10)
            out[path] = child.returncode, text.decode()[-300:]
        return out

    def commands_end(self):
        """What each command of a shell says at last, when it has ended by itself."""
        assert self.shell.wait(10) == 125
        said = b""
        try:
            while piece := os.read(self.terminal, 4096):
                said += piece
        except OSError:
            pass
        out, err = self.exec.communicate(timeout=10)
        assert self.exec.returncode == 125 and err.count(b"\n") == 1, err
        assert err.strip() in said, said
        return err.decode()

    def commands_go_on(self):
        """Output that comes after this line was made after it."""
        os.set_blocking(self.exec.stdout.fileno(), False)
        while self.exec.stdout.read():
            pass
        read_until(self.exec.stdout, b"x\n")
        self.typed("echo second$((1+1))", b"second2")
        self.logs_go_on()

    def logs_go_on(self):
        self.daemon.get("/make")
        assert self.daemon.cli("exec", "open", "--", "curl", "-s", "https://again.example.test/").code == 0
        read_until(self.logs.stdout, b"again.example.test")

    def close(self):
        for child in (*self.answers.values(), self.exec, self.logs, self.shell):
            if child.poll() is None:
                child.kill()
            child.communicate()
        os.close(self.terminal)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


@pytest.fixture
def daemon(user, up):
    daemon = up(write_worker(user, CODE, bindings={"BOX": "Box"}))
    daemon.get("/make")
    wait_for(lambda: len(processes_of(user, "sallyport-runtime")) == 2, 10, "the spare runtime")
    return daemon


@pytest.fixture
def opened(daemon):
    idle = descriptors(daemon)
    opened = Opened(daemon)
    yield opened
    opened.close()
    if not daemon.killed:
        daemon.get("/make")
        assert daemon.cli("exec", "open", "--", "pkill", "-f", "echo log").code in (0, 1)
        wait_for(lambda: descriptors(daemon) <= idle, 10, f"{idle} descriptors, {descriptors(daemon)} are open")


def row_of(daemon):
    return [r for r in daemon.instances() if r["name"] == "open"][0]


@pytest.mark.parametrize("victim", ["agent", "bubblewrap"])
def test_the_sandbox_is_killed(opened, daemon, victim):
    pid = row_of(daemon)["pid"]
    if victim == "bubblewrap":
        pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    os.kill(pid, signal.SIGKILL)
    answers = opened.answers_end()
    for path in ("/exec", "/read", "/logs"):
        assert answers[path][0] == 0 and "the sandbox ended" in answers[path][1], answers[path]
    assert answers["/write"][1].endswith("[500]") and "OperationInterruptedError" in answers["/write"][1], answers
    assert opened.commands_end() == "sallyport: exec: the sandbox ended\n"
    opened.logs_go_on()


def test_the_sidecar_is_killed(opened, daemon):
    os.kill(row_of(daemon)["sidecar_pid"], signal.SIGKILL)
    opened.commands_go_on()
    for path in ("/exec", "/read", "/logs"):
        stream = opened.answers[path].stdout
        os.set_blocking(stream.fileno(), False)
        while stream.read():
            pass
        read_until(stream, b"\n")
    assert opened.answers["/write"].poll() is None


def test_the_runtime_is_killed(opened, daemon):
    os.kill(row_of(daemon)["runtime_pid"], signal.SIGKILL)
    answers = opened.answers_end()
    assert all(answers[path][0] in (18, 56) for path in ("/exec", "/read", "/logs")), answers
    assert answers["/write"][1].endswith("[503]"), answers
    opened.commands_go_on()
    # what had come of the file takes nobody's place
    r = daemon.cli("exec", "open", "--", "sh", "-c", "cd /workspace; ls -A; cat written")
    assert r.out == "pipe\nwritten\nbefore", r


def test_the_front_door_is_killed(opened, daemon, user):
    os.kill(processes_of(user, "sallyport-sidecar front")[0], signal.SIGKILL)
    answers = opened.answers_end()
    assert all(answers[path][0] in (18, 56) for path in ("/exec", "/read", "/logs")), answers
    assert answers["/write"][0] in (52, 56), answers
    wait_for(lambda: processes_of(user, "sallyport-sidecar front"), 10, "another front door")
    opened.commands_go_on()


def test_the_daemon_is_killed(opened, daemon, user):
    daemon.kill()
    assert all(code in (18, 52, 56) for code, _ in opened.answers_end().values())
    assert "the supervisor went away" in opened.commands_end()
    _, err = opened.logs.communicate(timeout=10)
    assert opened.logs.returncode == 125 and b"went away" in err, err
    wait_for(lambda: not gate_processes(user), 10, "the end of every process of ours")


def test_a_stream_that_breaks_leaves_the_file(daemon):
    daemon.cli("exec", "open", "--", "sh", "-c", "printf before > /workspace/written")
    r = daemon.get("/broken", status=500)
    assert "written" in r.text, r
    r = daemon.cli("exec", "open", "--", "sh", "-c", "cd /workspace; ls -A; cat written")
    assert r.out == "written\nbefore", r
