"""sandbox.watch() and checkChanges(): real files inside, events as the Worker's clients read them."""
import contextlib
import http.client
import json
import urllib.parse

import pytest

from conftest import gate_processes, wait_for
from daemon import write_worker
from test_up_exec import private_bytes

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {}
export class Sleepy extends Sandbox { sleepAfter = 1; }

const SSE = { headers: { "content-type": "text/event-stream" } };
const tests = {
  watch: async (s, q, path, options) => new Response(await s.watch(path, options), SSE),
  session: async (s, q, path, options) => {
    const session = await s.createSession({ id: q.get("session"), cwd: "/workspace/in-session" });
    return new Response(await session.watch(path, options), SSE);
  },
  check: async (s, q, path, options) => Response.json(await s.checkChanges(path, options)),
  sh: async (s, q) => Response.json(await s.exec(q.get("line"))),
  destroy: async (s) => Response.json((await s.destroy()) ?? null),
};

export default {
  async fetch(request: Request, env: any) {
    const { pathname, searchParams: q } = new URL(request.url);
    const s = getSandbox(env[q.get("class") ?? "BOX"], q.get("id") ?? "x");
    const options = q.has("options") ? JSON.parse(q.get("options")) : undefined;
    try { return await tests[pathname.slice(1)](s, q, q.get("path"), options); }
    catch (e) { return Response.json({ failed: `${e.name}: ${e.message}` }, { status: 500 }); }
  },
};
"""

ROOT = "/workspace/watched"


class Events:
    """One open watch."""

    def __init__(self, box, path, options=None, kind="watch", **query):
        self.connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=30)
        self.connection.request("GET", address(kind, path=path, options=options, **query))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.seen = []

    def next(self):
        """The next event, None at the end."""
        while line := self.answer.readline():
            if line.startswith(b"data: "):
                self.seen.append(json.loads(line[6:]))
                return self.seen[-1]
        return None

    def until(self, kind, name):
        """Reads on until that happened to that file."""
        why = "nothing more came"
        with contextlib.suppress(TimeoutError):
            while (event := self.next()) is not None:
                if event["type"] == "event" and (event["eventType"], event["path"]) == (kind, f"{ROOT}/{name}"):
                    return event
            why = "the stream ended"
        pytest.fail(f"{why}, without {kind} {name}: {self.seen[-20:]}")

    def close(self):
        self.connection.close()
        self.answer.close()


def address(kind, options=None, **query):
    if options is not None:
        query["options"] = json.dumps(options)
    return f"/{kind}?{urllib.parse.urlencode(query)}"


@pytest.fixture
def box(user, up):
    box = up(write_worker(user, CODE, bindings={"BOX": "Box", "SLEEPY": "Sleepy"}))
    sh(box, f"mkdir -p {ROOT}/sub/node_modules {ROOT}/.git /workspace/in-session")
    return box


def sh(box, line, **query):
    r = box.get(address("sh", line=line, **query)).json
    assert r["exitCode"] == 0, r
    return r["stdout"]


def watchers(box):
    """Processes of the agent's besides itself: a watch each."""
    return int(sh(box, "grep -lx agent /proc/[0-9]*/comm 2>/dev/null | wc -l")) - 1


def test_what_happens_is_told(box):
    with contextlib.closing(Events(box, ROOT)) as events:
        first = events.next()
        assert first["type"] == "watching" and first["path"] == ROOT and first["watchId"].startswith("watch-"), first
        sh(box, f"cd {ROOT}; echo x > a; echo y >> a; mv a sub/b; rm sub/b; mkdir -p new/deep; echo > new/deep/f")
        created = events.until("create", "a")
        assert not created["isDirectory"] and created["timestamp"].endswith("Z"), created
        events.until("modify", "a")
        events.until("move_from", "a")
        events.until("move_to", "sub/b")
        events.until("delete", "sub/b")
        assert events.until("create", "new")["isDirectory"]
        events.until("create", "new/deep/f")
        # A folder that moves is watched under its new name.
        sh(box, f"cd {ROOT}; mv new old; echo > old/deep/g")
        events.until("move_to", "old")
        events.until("create", "old/deep/g")
        # From outside; and there nothing is told, though a link leads to it.
        sh(box, f"cd /workspace; echo > elsewhere; ln -s /workspace/in-session {ROOT}/link; "
                f"echo > {ROOT}/link/not-told; mv elsewhere {ROOT}/came")
        events.until("move_to", "came")
        assert not [e for e in events.seen if "not-told" in e.get("path", "")]


def test_patterns(box):
    with contextlib.closing(Events(box, ROOT, {"include": ["*.ts"]})) as only, \
            contextlib.closing(Events(box, ROOT)) as all_but, \
            contextlib.closing(Events(box, ROOT, {"recursive": False, "exclude": ["*.log"]})) as flat:
        sh(box, f"cd {ROOT}; for f in a.js a.log sub/node_modules/x .git/y sub/a.ts last.ts; do echo > $f; done")
        for events in only, all_but, flat:
            events.until("create", "last.ts")
        told = [{e["path"].removeprefix(f"{ROOT}/") for e in events.seen if e["type"] == "event"}
                for events in (only, all_but, flat)]
        assert told == [{"sub/a.ts", "last.ts"}, {"a.js", "a.log", "sub/a.ts", "last.ts"}, {"a.js", "last.ts"}], told


def test_in_a_session_and_refused(box):
    with contextlib.closing(Events(box, "in-session/../watched", kind="session", session="own")) as events:
        assert events.next()["path"] == ROOT
        sh(box, f"echo > {ROOT}/seen")
        events.until("create", "seen")
    r = box.get(address("watch", path=f"{ROOT}/nowhere"), status=500).json
    assert r["failed"] == f"FileNotFoundError: ENOENT: {ROOT}/nowhere: No such file or directory", r
    r = box.get(address("watch", path=ROOT, options={"include": ["a"], "exclude": ["b"]}), status=500).json
    assert r["failed"].startswith("ValidationFailedError: include and exclude"), r


def test_a_reader_that_goes_ends_it_inside(box):
    for _ in range(3):
        events = [Events(box, ROOT) for _ in range(5)]
        for one in events:
            assert one.next()["type"] == "watching"
        assert watchers(box) == 5
        for one in events:
            one.close()
        wait_for(lambda: watchers(box) == 0, 10, "the end of what watched")


def test_it_ends_with_what_it_watches(box):
    with contextlib.closing(Events(box, ROOT)) as events:
        sh(box, f"rm -r {ROOT}")
        while (event := events.next())["type"] != "stopped":
            assert event["type"] in ("watching", "event"), event
        assert "gone" in event["reason"] and events.next() is None, event
    sh(box, f"mkdir {ROOT}")
    with contextlib.closing(Events(box, ROOT)) as events:
        assert events.next()["type"] == "watching"
        box.get(address("destroy"))
        assert events.next()["type"] == "stopped" and events.next() is None, events.seen


def test_ten_thousand_files_and_a_slow_reader(box, user):
    """Nobody reads meanwhile: what was told waits inside, within its limit, and none of it is lost."""
    def held():
        inside = sh(box, "for p in $(grep -lx agent /proc/[0-9]*/comm); do "
                         "grep VmRSS ${p%comm}status; done | sort -k2 -n | tail -1").split()[1]
        return [int(inside) * 1024, sum(private_bytes(p) for p in pids)]

    with contextlib.closing(Events(box, ROOT, {"exclude": ["no"]})) as events:
        assert events.next()["type"] == "watching"
        pids = [pid for pid, title in gate_processes(user)
                if title.startswith(("sallyport-runtime", "sallyport-supervisor", "sallyport-sidecar"))] + [box.pid]
        before = held()
        sh(box, f"cd {ROOT}; mkdir many; cd many; touch $(seq 10000)")
        after = held()
        grown = [(b - a) >> 20 for a, b in zip(before, after)]
        assert grown[0] < 4 and grown[1] < 48, f"{grown} MiB more while nobody read"
        wanted = {f"{ROOT}/many/{i}" for i in range(1, 10001)}
        while wanted:
            event = events.next()
            assert event is not None and event["type"] == "event", event
            if event["eventType"] == "create":
                wanted.discard(event["path"])


def test_more_than_can_wait_is_told(box):
    """Two files written in turns: nothing of it can be one event. The end says that some were lost."""
    with contextlib.closing(Events(box, ROOT)) as events:
        assert events.next()["type"] == "watching"
        sh(box, f"cd {ROOT}; python3 -c 'import os\n"
                "f = [os.open(n, os.O_CREAT | os.O_WRONLY) for n in (\"a\", \"b\")]\n"
                "for i in range(150000): os.pwrite(f[i & 1], b\"x\", 0)'")
        while (event := events.next())["type"] == "event":
            pass
        assert event["type"] == "error" and "lost" in event["error"] and events.next() is None, event
    wait_for(lambda: watchers(box) == 0, 10, "the end of what watched")


def test_changes_are_counted_between_calls(box):
    def check(since=None, **options):
        if since is not None:
            options["since"] = since["version"]
        return box.get(address("check", path=ROOT, options=options)).json

    first = check()
    assert (first["success"], first["status"]) == (True, "unchanged") and first["version"].endswith(":0"), first
    assert check(first)["version"] == first["version"]
    for i in range(20):  # what was done before the question is in the answer
        sh(box, f"echo {i} > {ROOT}/sub/f{i % 3}")
        now = check(first)
        assert now["status"] == "changed", now
        assert check(now)["status"] == "unchanged"
        first = now
    sh(box, f"echo > {ROOT}/sub/node_modules/x")
    assert check(now)["status"] == "unchanged"
    assert watchers(box) == 1
    assert check(now, exclude=["other"])["reason"] == "expired"
    # It is the sandbox's: another one knows nothing of it.
    box.get(address("destroy"))
    sh(box, f"mkdir -p {ROOT}")
    again = check(now)
    assert (again["status"], again["reason"]) == ("resync", "expired"), again


def test_a_watch_keeps_it_awake(box):
    """Of three that sleep after a second, the one that is watched does not; one that was asked does."""
    def running():
        return {i["name"] for i in box.instances() if i["state"] == "running"}

    watched, asked, idle = ({"id": name, "class": "SLEEPY"} for name in ("watched", "asked", "idle"))
    sh(box, f"mkdir -p {ROOT}", **watched)
    with contextlib.closing(Events(box, ROOT, **watched)) as events:
        assert events.next()["type"] == "watching"
        sh(box, f"mkdir -p {ROOT}", **asked)
        assert box.get(address("check", path=ROOT, **asked)).json["status"] == "unchanged"
        sh(box, "true", **idle)
        wait_for(lambda: not {"asked", "idle"} & running(), 20, "the sleep of those that nobody uses")
        assert "watched" in running()
    wait_for(lambda: "watched" not in running(), 20, "its sleep, once it is no longer watched")
