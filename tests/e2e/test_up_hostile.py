"""An agent that was taken over: its sandbox ends with a reason, the daemon and the others go on."""
import shutil

import pytest

from conftest import BUILD, PROGRAMS, wait_for
from daemon import write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {}
export default {
  async fetch(request, env) {
    const q = new URL(request.url).searchParams;
    const box = getSandbox(env.BOX, q.get("id"));
    try {
      await box.start(q.has("way") ? { envVars: { HOSTILE: q.get("way") } } : {});
      return Response.json(await box.exec("echo from inside"));
    } catch (e) { return Response.json({ failed: `${e.name}: ${e.message}` }); }
  },
};
"""
# what the log says of each, "" where the end is one that an honest agent may have
WAYS = {"malformed": "broke its protocol", "oversized": "broke its protocol", "endless": "broke its protocol",
        "unknown-type": "broke its protocol", "of-the-other-end": "broke its protocol", "ready-twice": "ready",
        "exit-before-start": "exited", "start-of-nothing": "started", "exit-twice": "exited",
        "reply-to-nothing": "reply", "no-number": "number", "status-out-of-bounds": "exited",
        "descriptor": "broke its protocol", "flood": "reply", "silence": ""}


@pytest.fixture
def daemon(user, up):
    """The daemon with an agent that can be told to turn."""
    programs = user.private / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        shutil.copy2(user.bin / name, programs / name)
    shutil.copy2(BUILD / "tests/hostile/sallyport-agent-hostile", programs / "sallyport-agent")
    user.own(programs, *programs.iterdir())
    user.private.chmod(0o755)
    folder = write_worker(user, CODE, bindings={"BOX": "Box"})
    return up(folder, program=programs / "sallyport")


def test_an_agent_that_turned(daemon, user):
    assert daemon.get("/?id=good").json["stdout"] == "from inside\n"
    for way, reason in WAYS.items():
        before = len(daemon.said())
        r = daemon.get(f"/?id={way}&way={way}", timeout=30).json
        if way != "exit-twice":  # what it said first was no lie that anybody could see
            assert "failed" in r and "\n" not in r["failed"], (way, r)
        wait_for(lambda: [i["name"] for i in daemon.instances() if i["state"] == "running"] == ["good"], 15,
                 f"the end of the sandbox of {way} alone")
        assert reason in daemon.said()[before:], (way, daemon.said()[before:])
        assert daemon.get("/?id=good").json["stdout"] == "from inside\n", way
    # its words are data
    r = daemon.get("/?id=words&way=sentence-of-control-bytes").json
    assert not [c for c in str(r) + daemon.said() if ord(c) < 0x20 and c != "\n"], r
    assert daemon.get("/?id=good").json["stdout"] == "from inside\n"
