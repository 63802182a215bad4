"""The file calls of the agent, for the fake host: CALL ARGS…"""
import errno
import json
import os
import shutil
import signal
import stat
import sys


def line(path, name):
    s = os.lstat(path)
    kind = ("directory" if stat.S_ISDIR(s.st_mode) else "symlink" if stat.S_ISLNK(s.st_mode) else
            "file" if stat.S_ISREG(s.st_mode) else "other")
    return json.dumps({"name": name, "type": kind, "size": s.st_size, "mode": s.st_mode & 0o7777,
                       "mtime_ms": s.st_mtime_ns // 1000000})


def entries(path, recursive, hidden, prefix=""):
    for name in sorted(os.listdir(path)):
        if name.startswith(".") and not hidden:
            continue
        yield line(os.path.join(path, name), prefix + name)
        if recursive and os.path.isdir(os.path.join(path, name)):
            yield from entries(os.path.join(path, name), recursive, hidden, prefix + name + "/")


# What a test writes into PATH/says is what the watch says; with "count" it answers with what PATH/says holds.
def watch(path, rest):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.stat(path)
    says = os.path.join(path, "says")
    with open(os.path.join(path, "args"), "w") as f:
        json.dump(rest, f)
    print(json.dumps({"watching": path}), flush=True)
    while "count" in rest:
        signal.sigwait([signal.SIGUSR1])
        with open(says) as f:
            print(f.read(), end="", flush=True)
    fifo = os.open(says, os.O_RDONLY)
    while chunk := os.read(fifo, 65536):
        os.write(1, chunk)


def main(call, path, *rest):
    if call == "read":
        with open(path, "rb") as f:
            shutil.copyfileobj(f, sys.stdout.buffer)
    elif call == "write":
        if "parents" in rest:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            shutil.copyfileobj(sys.stdin.buffer, f)
    elif call == "stat":
        print(line(path, os.path.basename(path)))
    elif call == "list":
        for text in entries(path, "recursive" in rest, "hidden" in rest):
            print(text)
    elif call == "mkdir":
        os.makedirs(path, exist_ok=True) if "recursive" in rest else os.mkdir(path)
    elif call == "delete":
        shutil.rmtree(path) if "recursive" in rest else os.unlink(path)
    elif call == "rename":
        os.rename(path, rest[0])
    elif call == "move":
        shutil.move(path, rest[0])
    elif call == "watch":
        watch(path, rest)
    elif call == "exists":
        return 0 if os.path.lexists(path) else 1
    return 0


try:
    sys.exit(main(*sys.argv[1:]))
except OSError as e:
    sys.stderr.write(f"{errno.errorcode.get(e.errno, 'EIO')}: {sys.argv[2]}: {e.strerror}\n")
    sys.exit(1)
