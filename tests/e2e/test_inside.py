"""What the sandbox can reach: tried from inside by a hostile program."""
import os
import socket
import threading

import pytest

import app
from conftest import processes_of, wait_for

PROBE = r"""
import ctypes, errno, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def sysc(n, *a):
    r = libc.syscall(n, *a)
    return 'ok' if r >= 0 else errno.errorcode[ctypes.get_errno()]
def sock(f, t, p=0):
    try:
        socket.socket(f, t, p).close(); return 'ok'
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
print('vsock', sock(40, socket.SOCK_STREAM))
print('netfilter', sock(16, socket.SOCK_RAW, 12))
print('route', sock(16, socket.SOCK_RAW, 0))
print('packet', sock(17, socket.SOCK_RAW, 3))
print('raw', sock(2, socket.SOCK_RAW, 1))
print('alg', sock(38, socket.SOCK_SEQPACKET))
print('io_uring', sysc(425, 8, 0))
print('keyctl', sysc(250, 0, -3, 0))
print('add_key', sysc(248, b'user', b'x', b'y', 1, -3))
print('request_key', sysc(249, b'user', b'x', 0, 0))
print('bpf', sysc(321, 0, 0, 0))
print('perf', sysc(298, 0, 0, -1, -1, 0))
print('userfaultfd', sysc(323, 0))
print('ohandle', sysc(304, -1, 0, 0))
print('tiocsti', sysc(16, 0, 0x5412, b'x'))
print('fds', sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1])
print('links', sorted(l for l in os.listdir('/sys/class/net')) if os.path.isdir('/sys/class/net') else
      sorted(l.split(':')[0].strip() for l in open('/proc/net/dev').read().splitlines()[2:]))
for udp in (443, 123, 9):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
    s.connect(('203.0.113.7', udp))
    try:
        s.send(b'x'); s.recv(10); print('udp', udp, 'ok')
    except OSError as e:
        print('udp', udp, errno.errorcode.get(e.errno, type(e).__name__))
print('uid', os.getuid() != 0 or 'root', 'caps', [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0])
"""


def test_system_calls_that_lead_around_the_namespace(user):
    user.write("probe.py", PROBE)
    r = user.sallyport("run", "--", "python3", "probe.py")
    assert r.code == 0, r
    got = dict(line.split(" ", 1) for line in r.out.splitlines() if not line.startswith("udp"))
    assert got["vsock"] in ("EPERM", "EAFNOSUPPORT", "EACCES")
    for name in ("netfilter", "packet", "raw", "alg"):
        assert got[name] != "ok", (name, got)
    assert got["route"] == "ok"
    assert got["io_uring"] == "ENOSYS"
    for name in ("keyctl", "add_key", "request_key", "bpf", "perf", "userfaultfd", "ohandle", "tiocsti"):
        assert got[name] == "EPERM", (name, got)
    assert got["fds"] == "[0, 1, 2]"
    assert got["links"] == "['lo']"
    assert got["uid"].endswith("caps 0000000000000000")
    for line in (l for l in r.out.splitlines() if l.startswith("udp")):
        assert line.endswith("ECONNREFUSED"), line


def test_host_services_are_out_of_reach(user, origin):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0sallyport-e2e-abstract")
    listener.listen(1)
    script = (f"curl -sS -m 5 http://127.0.0.1:{origin.http}/; echo curl $?; "
              "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.connect('\\0sallyport-e2e-abstract')\" "
              "2>/dev/null; echo abstract $?; "
              "ls -d /run/sallyport/*.sock $XDG_RUNTIME_DIR /var/lib /root/.ssh 2>/dev/null; echo end")
    try:
        r = user.sallyport("run", "--", "sh", "-c", script)
    finally:
        listener.close()
    assert "curl 7" in r.out and "abstract 1" in r.out, r
    assert origin.requests == []


def test_servers_inside_keep_working_among_themselves(user):
    r = user.sallyport("run", "--", "sh", "-c",
                       "echo in > /tmp/index.html; cd /tmp; python3 -m http.server 9000 --bind 127.0.0.1 2>/dev/null & "
                       "for i in $(seq 50); do curl -s http://localhost:9000/index.html && break; sleep 0.1; done")
    assert r.out == "in\n", r


@pytest.mark.parametrize("attack", [
    "ip link add d0 type dummy", "ip link set lo down", "ip addr add 10.9.8.7/8 dev lo",
    "ip route add default dev lo", "nft flush ruleset", "mount -t tmpfs x /mnt",
    "unshare -Urn ip link set lo up && unshare -Urn curl -m 3 http://198.51.100.1",
])
def test_network_tools_change_nothing(user, origin, attack):
    r = user.sallyport("run", "--allow", "plain.example.test", *origin.options("plain.example.test"),
                       "--", "sh", "-c",
                       f"({attack}) >/dev/null 2>&1; echo attack $?; curl -sS https://plain.example.test/after")
    assert "attack 0" not in r.out, r
    assert '"path": "/after"' in r.out, r
    assert [q["path"] for q in origin.requests] == ["/after"]


def test_policy_files_cannot_be_changed(user):
    app.write(user, folder="proj")
    user.write("proj/.env", "PASSWORD=hunter2\n")
    user.write("proj/.git/config", "[core]\n")
    user.write("proj/.git/hooks/pre-commit.sample", "#!/bin/sh\n")
    user.write("proj/node_modules/keep", "")
    tries = [
        "cat .env", "cat .dev.vars", "echo x > .dev.vars", "echo x > wrangler.jsonc",
        "echo x > src/index.ts", "mv src src2", "mv src/index.ts src/other.ts", "rm wrangler.jsonc",
        "mv .git .git2", "echo x > .git/config", "echo x > .git/hooks/post-checkout", "ln -sf x .env",
        "mv wrangler.jsonc x", "cp wrangler.jsonc y && mv y wrangler.jsonc", "mount -t tmpfs x src",
    ]
    script = "".join(f"({t}) > /tmp/out 2>/dev/null && [ -s /tmp/out -o '{t[:3]}' != 'cat' ] && echo 'BROKE: {t}'; "
                     for t in tries) + "echo fine > new && cat new"
    before = {p: p.read_bytes() for p in (user.work / "proj").rglob("*") if p.is_file()}
    r = user.sallyport("run", "-c", ".", "--", "sh", "-c", script, cwd=user.work / "proj")
    assert "BROKE" not in r.out and "hunter2" not in r.out, r
    after = {p: p.read_bytes() for p in (user.work / "proj").rglob("*") if p.is_file()}
    for path, text in before.items():
        assert after.get(path) == text, path


def test_a_planted_bundler_is_never_run(user, origin):
    app.write(user, folder="proj")
    user.write("proj/node_modules/.bin/esbuild", "#!/bin/sh\ntouch ../planted-ran\nexit 1\n", mode=0o755)
    user.write("proj/esbuild", "#!/bin/sh\ntouch planted-ran\nexit 1\n", mode=0o755)
    r = user.sallyport("run", "-c", ".", "--", "true", cwd=user.work / "proj")
    assert r.code == 0, r
    assert not list(user.work.rglob("planted-ran"))


def test_inherited_descriptors_do_not_lead_out(user, tmp_path):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    got = []
    reader = threading.Thread(target=lambda: got.append(peer.recv(100)))
    reader.start()
    script = ("import os, socket, sys\n"
              "for fd in (0, 5):\n"
              "  try:\n"
              "    s=socket.socket(fileno=os.dup(fd)); s.getpeername(); print(fd, 'is a socket')\n"
              "  except OSError: print(fd, 'is none')\n")
    user.write("fd.py", script)
    try:
        r = user.call(["sallyport", "run", "--", "python3", "fd.py"], pass_fds=())
        child = user.popen(["sh", "-c", "exec sallyport run -- python3 fd.py 5<&0"], stdin=client, text=True)
        out, err = child.communicate(timeout=30)
        assert out == "0 is none\n5 is none\n", (out, err)
    finally:
        client.close()
        reader.join(10)
        peer.close()
        server.close()
    folder = os.open("/", os.O_RDONLY)
    try:
        child = user.popen(["sallyport", "run", "--", "ls", "-l", "/proc/self/fd"], stdin=folder, text=True)
        out, err = child.communicate(timeout=30)
    finally:
        os.close(folder)
    assert child.returncode == 125 and "folder" in err and len(err.strip().splitlines()) == 1, (out, err)


def test_a_terminal_is_ours_not_the_hosts(user):
    """Under a terminal: job control, the window's size, and no way to push input into the host's."""
    import pty
    import subprocess
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    name = os.ttyname(slave)
    os.chown(name, user.uid, -1)
    child = user.popen(["sallyport", "run", "--", "sh", "-c", "stty size; tty; ps -o tty= -p $$; sleep 1000"],
                       stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                       preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) if os.isatty(0) else None)
    os.close(slave)
    text = b""
    import select
    import time
    deadline = time.monotonic() + 20
    while text.count(b"\n") < 3 and time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            text += os.read(master, 4096)
    assert b"33 101" in text, text
    assert name.encode() not in text or b"/dev/pts/0" in text, text
    os.write(master, b"\x03")
    assert child.wait(10) == 130
    os.close(master)


def test_a_file_that_redirects_git_ends_the_sandbox(user):
    """A new .git/commondir would have git outside take hooks from a folder of the sandbox's choice."""
    user.write("proj/.git/config", "[core]\n")
    user.write("proj/.git/hooks/pre-commit.sample", "#!/bin/sh\n")
    result = user.sallyport("run", "--", "sh", "-c", "while :; do echo ../evil > .git/commondir; done",
                            cwd=user.work / "proj")
    assert result.code == 125, result
    assert ".git/commondir: the sandbox made it" in result.err, result
    assert not (user.work / "proj/.git/commondir").exists()


def test_home_is_named_and_can_be_written(user):
    r = user.sallyport("run", "--", "sh", "-c", 'cd && pwd && echo "$HOME" && touch here && id -un && echo "$USER"')
    assert r.code == 0, r
    at, home, name, named = r.out.split()
    assert at == home and name == named, r


PRIVILEGED = r"""
import os, struct, ctypes
open('evil', 'w').write('#!/bin/sh\n')
open('setuid', 'w').write('#!/bin/sh\n')
try: os.chmod('setuid', 0o4755)
except OSError: pass
uid, gid = os.getuid(), os.getgid()
libc = ctypes.CDLL(None)
if libc.unshare(0x10000000) == 0:
    open('/proc/self/setgroups', 'w').write('deny')
    open('/proc/self/uid_map', 'w').write('0 %d 1' % uid)
    open('/proc/self/gid_map', 'w').write('0 %d 1' % gid)
    print('root of a namespace')
try: os.setxattr('evil', 'security.capability', struct.pack('<IIIIII', 0x3000001, 0xffffffff, 0, 0xffffffff, 0, 0))
except OSError: pass
try: os.chmod('setuid', 0o4755)
except OSError: pass
"""


def test_no_file_with_rights_is_left_on_the_host(user):
    """A file capability or a set-user-id bit would lend the host's rights to whoever runs the file."""
    user.write("proj/plant.py", PRIVILEGED)
    result = user.sallyport("run", "--", "python3", "plant.py", cwd=user.work / "proj")
    assert result.code == 0 and result.out == "root of a namespace\n", result
    assert (user.work / "proj/setuid").stat().st_mode & 0o6000 == 0
    try:
        # Revision 3 counts in the namespace of its own root only; revision 2 counts on the host.
        kind = os.getxattr(user.work / "proj/evil", "security.capability")[3]
    except OSError:
        kind = None
    assert kind in (None, 3)


def test_the_gates_own_port_is_closed(user):
    script = ("import socket\n"
              "for host in ('127.0.0.1', '127.9.9.9', '::1'):\n"
              "  try: socket.create_connection((host, 1), 5); print(host, 'open')\n"
              "  except ConnectionRefusedError: print(host, 'refused')\n")
    r = user.sallyport("run", "--", "python3", "-c", script)
    assert r.out.split() == ["127.0.0.1", "refused", "127.9.9.9", "refused", "::1", "refused"], r


def test_the_session_keyring_is_a_new_one(user):
    def join():
        import ctypes
        libc = ctypes.CDLL(None)
        ring = libc.syscall(250, 1, b"session-of-the-host")  # KEYCTL_JOIN_SESSION_KEYRING
        if ring < 0 or libc.syscall(250, 5, ring, 0x3f000000) < 0:  # KEYCTL_SETPERM: who has it sees it
            raise OSError("keyctl")
    r = user.call(["cat", "/proc/keys"], preexec_fn=join)
    assert "session-of-the-host" in r.out, r
    r = user.sallyport("run", "--", "cat", "/proc/keys", preexec_fn=join)
    assert r.code == 0 and "_ses" in r.out and "session-of-the-host" not in r.out, r


def test_the_control_socket_answers_our_namespace_only(user, live):
    """Inside a sandbox the uid can be ours: what differs is the user namespace."""
    import pathlib
    run = live("--id", f"ctl-{user.name}-{os.getpid()}")
    folder = pathlib.Path("/run/sallyport") if user.uid == 0 else user.private
    path = next(folder.rglob(f"run-ctl-{user.name}-{os.getpid()}.sock"))
    ask = ["curl", "-sS", "-m", "10", "--unix-socket", str(path), "http://sallyport/v1/health"]
    assert user.call(ask).code == 0
    r = user.call(["unshare", "-r", *ask])
    assert r.code != 0 and r.out == "", r
    run.close()


def test_a_file_as_descriptor_gives_no_more_than_the_descriptor(user):
    """/proc/self/fd/N opens a file anew: input could be written, a log that is appended to emptied."""
    inside = user.write("folder/file", "").parent
    given = user.write("given.txt", "as it was\n")
    log = user.write("log.txt", "before\n")
    with open(given) as stdin, open(log, "a") as stdout:
        child = user.popen(["sallyport", "run", "--", "sh", "-c",
                            "cat; (echo spoiled > /proc/self/fd/0) 2>/dev/null; "
                            "(: > /proc/self/fd/1) 2>/dev/null; echo end"],
                           stdin=stdin, stdout=stdout, cwd=inside)
        assert child.wait(30) == 0, child.stderr.read()
    assert given.read_text() == "as it was\n"
    assert log.read_text() == "before\nas it was\nend\n"


def test_the_doors_have_no_rights_to_lose(user, live):
    """Whoever takes one over finds no capability, no way to gain one, and a filter."""
    run = live("--id", f"doors-{user.name}-{os.getpid()}")
    run.sh("curl -sS -m 5 -o /dev/null http://127.0.0.1:1/")
    for role in ("sallyport-sidecar", "sallyport-runtime"):
        pids = processes_of(user, role)
        assert pids, role
        for pid in pids:
            with open(f"/proc/{pid}/status") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            assert [int(status[k], 16) for k in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0] * 4, (role, status)
            assert status["NoNewPrivs"] == "1", (role, status)
            assert user.uid != 0 or int(status["CapBnd"], 16) == 0, (role, status)
    wait_for(lambda: all(open(f"/proc/{pid}/status").read().count("Seccomp:\t2") == 1 for role in
                         ("sallyport-sidecar", "sallyport-runtime") for pid in processes_of(user, role)), 10,
             "a filter on each")
    run.close()
