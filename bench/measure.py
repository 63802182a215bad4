"""What the measurements share: processor time, memory and pinning of processes, and the load generator."""
import pathlib
import re
import subprocess
import sys


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def pin(pids, core):
    for pid in pids:
        subprocess.run(["taskset", "-acp", str(core), str(pid)], check=True, capture_output=True)


def children_of(pid):
    out = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    table = [tuple(map(int, line.split())) for line in out.stdout.splitlines()]
    found, grown = {pid}, True
    while grown:
        more = {c for c, p in table if p in found} - found
        found |= more
        grown = bool(more)
    return found


def pss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    get = lambda key: int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))
    return {"pss": get("Pss"), "private": get("Private_Dirty") + get("Private_Clean")}


def wrk(load, url, seconds, run):
    connections, path, fresh = load
    header = "-H 'Connection: close'" if fresh else ""
    text = run(f"taskset -c 0 wrk -t1 -c{connections} -d{seconds} --latency {header} {url}{path}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if errors or requests == 0:
        sys.exit(f"bench: {url}: the load met errors:\n{text}")
    unit = {"us": 1, "ms": 1000, "s": 1e6}
    latency = {p: float(v) * unit[u] for p, v, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", text)}
    return requests, latency
