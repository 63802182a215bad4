"""Many sandboxes at once: each its own CA and its own key, one change of a handler on all of them."""
import os
import pathlib
import re
from collections import Counter

from conftest import gate_processes, processes_of, wait_for
from daemon import write_worker

COUNT = 100
CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox { allowedHosts = ["keyed.example.test"]; }
Box.outboundByHost = {
  "keyed.example.test": async (request, env, ctx) => new Response(await env.KEYS.get(ctx.containerId)),
};
Box.outboundHandlers = { noHttp: async () => new Response(null, { status: 403 }) };

const each = (env, n, fn) => Promise.all(Array.from({ length: n }, (_, i) => fn(getSandbox(env.BOX, `box-${i}`), i)));
const curl = "curl -sS -m 30 -w ' %{http_code}' https://keyed.example.test/";

export default {
  async fetch(request: Request, env: any) {
    const url = new URL(request.url);
    const n = Number(url.searchParams.get("n"));
    const step = url.pathname.slice(1);
    if (step === "keys") {
      await each(env, n, (s, i) => env.KEYS.put(env.BOX.idFromName(`box-${i}`).toString(), `key-${i}`));
      return new Response("put");
    }
    if (step === "make") {
      return Response.json(await each(env, n, async (s) =>
        (await s.exec("sha256sum < /etc/cloudflare/certs/cloudflare-containers-ca.crt | cut -c1-64")).stdout.trim()));
    }
    if (step === "use") return Response.json(await each(env, n, async (s) => (await s.exec(curl)).stdout));
    if (step === "lock") {
      await each(env, n, (s) => s.setOutboundByHost("keyed.example.test", "noHttp"));
      return new Response("locked");
    }
    await each(env, n, (s) => s.destroy());
    return new Response("gone");
  },
};
"""


def namespaces():
    """The network namespace of each process of the machine."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "ns/net").readlink()
            except OSError:
                pass
    return found


def traces_of(user, ids, made):
    """What these sandboxes leave if they leave something: processes, their namespaces, mounts, sockets and files with
    their names. Of other daemons of this machine nothing is looked at."""
    ours = re.compile("|".join(map(re.escape, ids)))
    traces = Counter(line for line in open("/proc/self/mountinfo") if ours.search(line))
    traces.update(title for _, title in gate_processes(user))
    for base in ("/run/sallyport", "/dev/shm"):
        traces.update(p for p in pathlib.Path(base).rglob("*") if ours.search(str(p)))
    traces.update(p for p in user.private.rglob("*") if not p.is_relative_to(user.private / "up-state"))
    traces.update(set(namespaces().values()) & made)
    return traces


def test_a_hundred_at_once(user, up):
    folder = write_worker(user, CODE, bindings={"BOX": "Box"},
                          config={"kv_namespaces": [{"binding": "KEYS", "id": "keys"}]})
    daemon = up(folder)
    daemon.get("/keys?n=1")
    wait_for(lambda: len(processes_of(user, "sallyport-runtime")) == 2, 10, "the spare runtime")
    idle = [title for _, title in gate_processes(user)]
    files = set(user.private.rglob("*"))
    daemon.get(f"/keys?n={COUNT}")
    certificates = daemon.get(f"/make?n={COUNT}", timeout=180).json
    assert len(set(certificates)) == COUNT and all(len(c) == 64 for c in certificates)
    assert daemon.get(f"/use?n={COUNT}", timeout=180).json == [f"key-{i} 200" for i in range(COUNT)]
    rows = daemon.instances()
    assert len(rows) == COUNT and len({r["id"] for r in rows}) == COUNT
    assert {r["name"] for r in rows} == {f"box-{i}" for i in range(COUNT)}
    ids = [r["id"] for r in rows]
    where = namespaces()
    made = {where[r["pid"]] for r in rows}
    assert len(made) == COUNT and where[daemon.pid] not in made
    daemon.get(f"/lock?n={COUNT}", timeout=60)
    assert daemon.get(f"/use?n={COUNT}", timeout=180).json == [" 403"] * COUNT
    daemon.get(f"/destroy?n={COUNT}", timeout=120)
    assert daemon.instances() == []
    before = Counter(idle)
    before.update(p for p in files if not p.is_relative_to(user.private / "up-state"))
    wait_for(lambda: not traces_of(user, ids, made) - before, 20, "the end of every trace")


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it is ending
        return -1


def costs_of(daemon, user):
    """What each create and rm could leave, once nothing of it changes any more: descriptors of every process of the
    daemon's own, processes, mounts."""
    seen = []

    def still():
        inner = sorted(descriptors(pid) for pid, _ in gate_processes(user))
        seen.append((inner, sum(1 for _ in open(f"/proc/{daemon.pid}/mountinfo"))))
        return len(seen) > 20 and all(costs == seen[-1] for costs in seen[-20:])

    wait_for(still, 10, "costs that stay as they are")
    return seen[-1]


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", open(f"/proc/{pid}/status").read()).group(1))


def test_one_after_the_other(user, up):
    """Made, used and removed again and again: nothing grows. (1,000 in a row were measured so: the daemon's memory,
    descriptors, processes and mounts are behind them what they were behind the first hundred.)"""
    daemon = up(write_worker(user, CODE, bindings={"BOX": "Box"},
                             config={"kv_namespaces": [{"binding": "KEYS", "id": "keys"}]}))
    wait_for(lambda: len(processes_of(user, "sallyport-runtime")) == 2, 10, "the spare runtime")

    def rounds(count, name):
        for i in range(count):
            for words in (("create", f"{name}-{i}"), ("exec", f"{name}-{i}", "--", "true"), ("rm", f"{name}-{i}")):
                r = daemon.cli(*words)
                assert r.code == 0, r

    rounds(10, "first")
    before, memory = costs_of(daemon, user), resident(daemon.pid)
    rounds(50, "then")
    assert daemon.instances() == []
    assert costs_of(daemon, user) == before
    assert resident(daemon.pid) < memory + 1024, f"{memory} KiB, then {resident(daemon.pid)}"
