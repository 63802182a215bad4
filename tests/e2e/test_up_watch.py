"""`up --watch`: what editors and people do to the files of a Worker while it serves."""
import json
import os
import re
import shutil
import time

import pytest

from conftest import wait_for
from daemon import write_worker

CODE = """
import { Sandbox } from "@cloudflare/sandbox";
import { DurableObject } from "cloudflare:workers";
export class Box extends Sandbox {}
EXTRA
export default {
  async fetch(request, env) {
    switch (new URL(request.url).pathname) {
      case "/env": return Response.json(Object.keys(env).sort());
      case "/secret": return Response.json(env.TOKEN ?? null);
      case "/kv": await env.NOTES.put("k", "kept"); return new Response(await env.NOTES.get("k"));
      case "/more": return new Response(await env.MORE.getByName("x").hello());
    }
    return new Response("WORD");
  },
};
"""
MORE = 'export class More extends DurableObject { hello() { return "hello"; } }'


def code(word, extra=""):
    return CODE.replace("WORD", word).replace("EXTRA", extra)


class Watched:
    def __init__(self, user, up):
        self.user = user
        self.folder = write_worker(user, code("first"), bindings={"BOX": "Box"})
        self.daemon = up(self.folder, "--watch")
        self.mark = 0
        self.says("first")

    def write(self, name, text):
        self.user.write(f"worker/{name}", text, mode=0o600 if name.startswith(".dev.vars") else 0o644)

    def save(self, name, text, aside):
        """As editors do that write aside and rename."""
        self.write(aside, text)
        os.rename(self.folder / aside, self.folder / name)

    def config(self, **more):
        config = json.loads((self.folder / "wrangler.jsonc").read_text())
        config.update(more)
        return json.dumps(config)

    def says(self, word, path="/"):
        wait_for(lambda: self.daemon.ask(path).text == word, 20, f"{path} saying {word}")

    def told(self, pattern):
        """What the log has since it was last looked at."""
        wait_for(lambda: re.search(pattern, self.daemon.said()[self.mark:]), 20, f"{pattern!r} in the log")
        self.mark = len(self.daemon.said())

    def deploys(self):
        return self.daemon.said().count("deployed ")


@pytest.fixture
def watched(user, up):
    return Watched(user, up)


def test_a_burst_of_edits(watched):
    for i in range(50):
        watched.write("src/index.ts", code(f"burst {i}"))
        time.sleep(0.005)  # a burst has a pace: none of it is waited for
    watched.says("burst 49")
    assert watched.deploys() <= 5


def test_how_editors_save(watched):
    source = watched.folder / "src/index.ts"
    watched.save("src/index.ts", code("renamed over"), "src/.index.ts.tmp")
    watched.says("renamed over")
    os.rename(source, watched.folder / "src/index.ts~")  # vim, with a backup
    watched.write("src/index.ts", code("written anew"))
    (watched.folder / "src/index.ts~").unlink()
    watched.says("written anew")
    source.unlink()
    watched.told(r"index\.ts")
    watched.says("written anew")
    watched.write("src/index.ts", code("back"))
    watched.says("back")


def test_mistakes_and_their_mending(watched):
    watched.write("src/index.ts", code("broken", "const = 1;"))
    watched.told(r"src/index\.ts:5:\d+: ")
    watched.write("src/index.ts", code("throws", "undefined.x;"))
    watched.told(r"src/index\.ts:5:\d+: TypeError")
    watched.says("first")
    watched.write("src/index.ts", code("mended"))
    watched.says("mended")


def test_what_is_imported(watched):
    imports = 'import { word } from "./lib/new";\nimport { other } from "./lib/other";\nconst said = word + other;'
    text = code("WORD", imports).replace('"WORD"', "said")
    watched.write("src/index.ts", text)
    watched.told(r"src/index\.ts:5:\d+: .*lib/new")
    watched.write("src/lib/new.ts", 'export const word = "a";')  # a folder that was not there
    watched.write("src/lib/other.ts", 'export const other = "b";')
    watched.says("ab")
    watched.save("src/lib/other.ts", 'export const other = "c";', "src/lib/.tmp")
    watched.says("ac")
    shutil.rmtree(watched.folder / "src/lib")
    watched.told(r"src/index\.ts:5:\d+: .*lib/")
    watched.write("src/lib/new.ts", 'export const word = "d";')
    watched.write("src/lib/other.ts", 'export const other = "e";')
    watched.says("de")


def test_dev_vars(watched):
    assert watched.daemon.get("/secret").json is None
    watched.write(".dev.vars", "TOKEN=first\n")
    watched.says('"first"', "/secret")
    watched.save(".dev.vars", "TOKEN=second\nOTHER=1\n", ".dev.vars.tmp")
    watched.says('"second"', "/secret")
    watched.says('["BOX","OTHER","TOKEN"]', "/env")
    (watched.folder / ".dev.vars").unlink()
    watched.says('["BOX"]', "/env")
    assert watched.daemon.get("/secret").json is None


def test_the_configuration(watched):
    watched.write("wrangler.jsonc", watched.config(kv_namespaces=[{"binding": "NOTES", "id": "notes"}]))
    watched.says("kept", "/kv")
    bindings = [{"name": "BOX", "class_name": "Box"}, {"name": "MORE", "class_name": "More"}]
    # the class comes first, then its binding, by a rename
    watched.write("src/index.ts", code("more", MORE))
    watched.says("more")
    watched.save("wrangler.jsonc", watched.config(durable_objects={"bindings": bindings}), ".wrangler.tmp")
    watched.says("hello", "/more")
    good = watched.config()
    watched.write("wrangler.jsonc", good[:-1])
    watched.told(r"wrangler\.jsonc:1:")
    (watched.folder / "wrangler.jsonc").unlink()
    watched.told(r"wrangler\.jsonc")
    watched.says("hello", "/more")
    watched.write("src/other.ts", code("another main", MORE))
    watched.write("wrangler.jsonc", json.dumps({**json.loads(good), "main": "src/other.ts"}))
    watched.says("another main")
    watched.write("src/other.ts", code("and it is watched", MORE))
    watched.says("and it is watched")
    assert watched.daemon.get("/kv").text == "kept"
