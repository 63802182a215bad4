"""A sandbox on a terminal: job control, raw programs, window size, and the user's settings after it."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pytest

from conftest import wait_for


class Terminal:
    """The user's terminal with a `sallyport run` on it; we are the person in front."""

    def __init__(self, user, *argv, size=(31, 97), **instead):
        self.outer, inner = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(inner)
        self.inner = inner
        self.seen = b""

        def own_session():
            os.setsid()
            fcntl.ioctl(inner, termios.TIOCSCTTY, 0)

        os.fchown(inner, user.uid, user.gid)
        ends = {"stdin": inner, "stdout": inner, "stderr": inner, **instead}
        self.child = user.popen(["sallyport", "run", *argv], preexec_fn=own_session, **ends)

    def resize(self, rows, columns):
        fcntl.ioctl(self.outer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, part, seconds=15):
        """Reads until part has come since the last expect."""
        deadline = time.monotonic() + seconds
        while part not in self.seen:
            ready, _, _ = select.select([self.outer], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                pytest.fail(f"{part!r} did not come; so far: {self.seen!r}")
            self.seen += os.read(self.outer, 4096)
        self.seen = self.seen.split(part, 1)[1]

    def type(self, keys):
        os.write(self.outer, keys)

    def end(self, seconds=15):
        """The exit status; the terminal must be as it was."""
        status = self.child.wait(seconds)
        assert termios.tcgetattr(self.inner) == self.before
        return status

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.outer)
        os.close(self.inner)


@pytest.fixture
def terminal(user):
    opened = []

    def start(*argv, **kw):
        opened.append(Terminal(user, *argv, **kw))
        return opened[-1]

    yield start
    for t in opened:
        t.close()


def test_it_is_a_terminal_of_its_own(terminal):
    t = terminal("--", "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size && echo mine > /dev/tty")
    t.expect(b"31 97\r\nmine\r\n")
    assert t.end() == 0


def test_window_size_follows(terminal):
    t = terminal("--", "bash", "--norc", "-c", "trap 'stty size' WINCH; trap 'exit 7' INT; echo ready; while :; do read -t 1; done")
    t.expect(b"ready\r\n")
    t.resize(40, 120)
    t.expect(b"40 120\r\n")
    t.type(b"\x03")
    assert t.end() == 7


def test_interrupt_reaches_the_command_alone(terminal):
    t = terminal("--", "python3", "-c",
                 "import time\ntry:\n  print('ready', flush=True)\n  time.sleep(60)\nexcept KeyboardInterrupt:\n  print('caught'); raise SystemExit(5)")
    t.expect(b"ready\r\n")
    t.type(b"\x03")
    t.expect(b"caught\r\n")
    assert t.end() == 5


def test_job_control(terminal):
    t = terminal("--", "bash", "--norc", "--noediting", "-i")
    t.expect(b"$ ")
    t.type(b"cat\n")
    t.expect(b"cat\r\n")
    t.type(b"through\n")
    t.expect(b"through\r\nthrough\r\n")
    t.type(b"\x1a")
    t.expect(b"Stopped")
    t.expect(b"$ ")
    t.type(b"fg\n")
    t.expect(b"fg\r\ncat\r\n")
    t.type(b"again\n")
    t.expect(b"again\r\nagain\r\n")
    t.type(b"\x04")
    t.expect(b"$ ")
    t.type(b"exit 3\n")
    assert t.end() == 3


def test_raw_programs(user, terminal):
    user.write("poem.txt", "".join(f"line {i}\n" for i in range(1, 200)))
    t = terminal("--", "less", "poem.txt")
    t.expect(b"line 30")
    t.type(b"G")
    t.expect(b"line 199")
    t.type(b"q")
    assert t.end() == 0
    t = terminal("--", "vi", "-u", "NONE", "poem.txt")
    t.expect(b"line 1")
    t.type(b"ddiFIRST\x1b:wq\r")
    assert t.end() == 0
    assert (user.work / "poem.txt").read_text().startswith("FIRSTline 2\n")


def test_stopped_and_continued_from_outside(terminal):
    t = terminal("--", "cat")
    t.type(b"one\n")
    t.expect(b"one\r\none\r\n")
    os.kill(t.child.pid, signal.SIGTSTP)
    wait_for(lambda: open(f"/proc/{t.child.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T",
             10, "the stop")
    assert termios.tcgetattr(t.inner) == t.before, "a stopped run leaves the terminal as it was"
    os.kill(t.child.pid, signal.SIGCONT)
    wait_for(lambda: termios.tcgetattr(t.inner) != t.before, 10, "raw mode")
    t.type(b"two\n")
    t.expect(b"two\r\n")
    t.type(b"\x04")
    assert t.end() == 0


def test_a_pipe_beside_the_terminal_stays_a_pipe(user, terminal):
    t = terminal("--", "sh", "-c", "readlink /proc/self/fd/0; tty < /dev/tty")
    t.expect(b"/dev/")
    assert t.end() == 0
    r = user.sallyport("run", "--", "sh", "-c", "test -t 0 || test -t 1 || echo none; cat", stdin="piped")
    assert (r.code, r.out) == (0, "none\npiped")


def test_an_interrupt_without_a_terminal_inside(user):
    """The terminal signals the whole foreground group; only the command may take it."""
    child = user.popen(["sallyport", "run", "--", "sh", "-c",
                        "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"],
                       text=True, start_new_session=True)
    assert child.stdout.readline() == "ready\n"
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=15)
    assert (child.returncode, out, err) == (9, "caught\n", "")


def test_terminal_comes_back_when_the_start_fails(terminal):
    t = terminal("--", "no-such-program")
    t.expect(b"no-such-program")
    assert t.end() == 127


def test_input_from_a_pipe_and_output_on_a_terminal(terminal):
    ours, theirs = os.pipe()
    os.write(theirs, b"from a pipe\n")
    os.close(theirs)
    t = terminal("--", "sh", "-c", "cat; test ! -t 0 && test -t 1 && test -t 2 && echo mine > /dev/tty", stdin=ours)
    os.close(ours)
    t.expect(b"from a pipe\r")
    t.expect(b"mine\r")
    assert t.end() == 0


def test_what_is_piped_on_is_written_as_ever(terminal):
    ours, theirs = os.pipe()
    t = terminal("--", "sh", "-c", "echo ready; read x", stdout=theirs)
    os.close(theirs)
    assert os.read(ours, 100) == b"ready\n"
    os.close(ours)
    assert termios.tcgetattr(t.inner)[1] & termios.OPOST, "lines of the next in the pipe would be a staircase"
    t.type(b"x\n")
    assert t.end() == 0
