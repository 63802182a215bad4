"""Handlers as the 0.x classes have them: where they are written, what they are called with, and what the setters refuse."""
import json
from urllib.parse import quote

import pytest

from daemon import write_worker

CODE = """
import { Container, ContainerProxy, outboundParams, getContainer } from "@cloudflare/containers";
import * as sdk from "@cloudflare/sandbox";
export { ContainerProxy };

const ownKeys = (ctx) => Reflect.ownKeys(ctx).sort();
const tell = (kind: string) => (request, env, ctx) => Response.json({ kind, keys: ownKeys(ctx), id: ctx.containerId, name: ctx.className });

class Probe extends Container {
  enableInternet = false;
  async get(url: string) {
    if (!this.ctx.container.running) await this.start();
    const process = await this.ctx.container.exec(["curl", "-sS", "-m", "20", "-w", "\\\\n%{http_code}", "--path-as-is", url]);
    const output = await process.output();
    return new TextDecoder().decode(output.stdout) + new TextDecoder().decode(output.stderr);
  }
}

// by assignment, and all that can be set at run time
export class Box extends Probe {}
Box.outbound = tell("outbound");
Box.outboundByHost = {
  "host.test": tell("host"),
  "*.glob.test": function (this: any) { return Response.json({ self: this === undefined }); },
  "a.glob.test": tell("exact after glob"),
};
Box.outboundHandlers = {
  one: function (this: any, request, env, ctx) {
    const before = JSON.stringify(ctx.params);
    if (ctx.params !== undefined) ctx.params.changed = true;
    return Response.json({ before, keys: ownKeys(ctx), frozen: Object.isFrozen(ctx.params ?? {}), has: "params" in ctx,
      two: typeof this.two, own: Object.keys(this) });
  },
};
Box.outboundHandlers = { two: tell("two"), throws() { throw new Error("secret"); }, nothing: () => "text" };

// as static fields, and under the older names
export class Fields extends Probe {
  static outbound = tell("field outbound");
  static outboundByHost = { "host.test": tell("field host") };
  static outboundHandlers = { named: tell("field named") };
}
export class Older extends Probe {}
Older.outboundProxy = tell("older");
Older.outboundProxies = { named: tell("older named") };
export class OlderFields extends Probe {
  static outboundProxy = tell("older field");
  static outboundProxies = { named: tell("older field named") };
}
// a class has what its parent has, but for what is its own
export class Heir extends Box {}
Heir.outboundByHost = { "mine.test": tell("mine") };
Heir.outboundHandlers = { third: tell("third") };
// names that every object has
export class Odd extends Probe {}
Odd.outboundByHost = { "host.test": tell("host") };
export class Bare extends Probe {}

const statics = () => ({
  getter: typeof Box.outbound, named: Object.keys(Box.outboundHandlers), aliases: [typeof Box.outboundProxy, Box.outboundProxies === Box.outboundHandlers],
  none: [Bare.outbound, Bare.outboundByHost, Bare.outboundHandlers].map((v) => v === undefined),
  params: outboundParams(Box.outbound, { a: 1 }), proxies: [typeof ContainerProxy, typeof sdk.ContainerProxy, typeof sdk.outboundParams],
});

export default {
  async fetch(request: Request, env: any) {
    const url = new URL(request.url);
    const q = (name) => url.searchParams.get(name);
    if (q("statics") !== null) return Response.json(statics());
    const box = getContainer(env[q("class")], q("id") ?? "one");
    try {
      if (q("call") === null) return new Response(await box.get(q("url")));
      return Response.json((await box[q("call")](...JSON.parse(q("args")))) ?? null);
    } catch (e) {
      return Response.json({ name: e.name, message: e.message }, { status: 500 });
    }
  },
};
"""
CLASSES = ["Box", "Fields", "Older", "OlderFields", "Heir", "Odd", "Bare"]


class Worker:
    def __init__(self, daemon):
        self.daemon = daemon

    def get(self, cls, url, name="one"):
        """Status, and the JSON or text, of a request from inside a sandbox of that class."""
        body, _, status = self.daemon.get(f"/?class={cls}&id={name}&url={quote(url)}").text.rpartition("\n")
        try:
            return int(status), json.loads(body)
        except ValueError:
            return int(status), body

    def kind(self, cls, url):
        status, got = self.get(cls, url)
        return got["kind"] if status == 200 else (status, got)

    def call(self, cls, method, *args, status=200):
        return self.daemon.get(f"/?class={cls}&call={method}&args={quote(json.dumps(args))}", status=status).json


@pytest.fixture
def worker(user, up):
    return Worker(up(write_worker(user, CODE, bindings={c: c for c in CLASSES})))


DENIED = (520, "Origin is disallowed")


def test_where_handlers_are_written(worker):
    rows = [
        ("Box", "http://x.test/", "outbound"), ("Box", "https://host.test/", "host"),
        ("Box", "http://a.glob.test/", "exact after glob"),
        ("Fields", "http://x.test/", "field outbound"), ("Fields", "http://host.test/", "field host"),
        ("Older", "http://x.test/", "older"), ("OlderFields", "http://x.test/", "older field"),
        # inherited; a map that is its own stands for the whole of its parent's
        ("Heir", "http://x.test/", "outbound"), ("Heir", "http://mine.test/", "mine"), ("Heir", "http://host.test/", "outbound"),
        ("Bare", "http://x.test/", DENIED),
    ]
    for cls, url, kind in rows:
        assert worker.kind(cls, url) == kind, (cls, url)
    for cls, name, kind in [("Fields", "named", "field named"), ("Older", "named", "older named"),
                            ("OlderFields", "named", "older field named"), ("Heir", "third", "third"), ("Heir", "two", "two")]:
        worker.call(cls, "setOutboundHandler", name)
        assert worker.kind(cls, "http://any.test/") == kind, cls
    assert worker.daemon.get("/?statics").json == {
        "getter": "function", "named": ["one", "two", "throws", "nothing"], "aliases": ["function", True],
        "none": [True, True, True], "params": {"a": 1}, "proxies": ["function", "function", "function"]}


def test_what_a_handler_is_called_with(worker):
    status, got = worker.get("Box", "http://host.test/")
    assert got["keys"] == ["className", "containerId"] and got["name"] == "Box" and len(got["id"]) == 64
    assert worker.get("Box", "http://b.glob.test/") == (200, {"self": True})
    worker.call("Box", "setOutboundHandler", "one", {"a": {"b": 1}})
    expected = {"before": '{"a":{"b":1}}', "keys": ["className", "containerId", "params"], "frozen": False, "has": True,
                "two": "function", "own": ["one", "two", "throws", "nothing"]}
    for _ in range(2):  # what one request changes, the next does not see
        assert worker.get("Box", "http://x.test/") == (200, expected)
    worker.call("Box", "setOutboundHandler", "one")
    status, got = worker.get("Box", "http://x.test/")
    assert got["has"] is True and "before" not in got and got["keys"] == ["className", "containerId", "params"]
    worker.call("Box", "setOutboundHandler", "throws")
    status, got = worker.get("Box", "http://x.test/")
    assert status == 500 and got.startswith("Handler failed (") and "secret" not in got
    worker.call("Box", "setOutboundHandler", "nothing")
    assert worker.get("Box", "http://x.test/")[0] == 500
    worker.call("Box", "removeOutboundHandler")
    assert worker.kind("Box", "http://x.test/") == "outbound"


def test_names_that_every_object_has(worker):
    for host in ("constructor", "__proto__", "toString", "hasOwnProperty"):
        assert worker.get("Odd", f"http://{host}/") == DENIED, host
    worker.call("Odd", "setOutboundByHosts", {})
    assert worker.get("Odd", "http://constructor/") == DENIED


@pytest.mark.parametrize("name", ["nope", "toString", "__proto__", "constructor", "__outbound__", ""])
def test_unknown_handlers_change_nothing(worker, name):
    error = {"name": "Error", "message": f"Outbound handler method '{name}' not found in outboundHandlers for Box"}
    worker.call("Box", "setOutboundByHost", "kept.test", "two")
    assert worker.call("Box", "setOutboundHandler", name, status=500) == error
    assert worker.call("Box", "setOutboundByHost", "kept.test", name, status=500) == error
    assert worker.call("Box", "setOutboundByHosts", {"new.test": "two", "other.test": {"method": name}}, status=500) == error
    assert worker.kind("Box", "http://kept.test/") == "two"
    assert worker.kind("Box", "http://new.test/") == "outbound"


def test_setters(worker):
    call = lambda method, *args: worker.call("Box", method, *args)  # noqa: E731
    call("setOutboundByHosts", {"a.test": "two", "*.b.test": {"method": "one", "params": [1]}})
    assert worker.kind("Box", "http://a.test/") == "two"
    assert worker.get("Box", "http://x.b.test/")[1]["before"] == "[1]"
    call("setOutboundByHosts", {})  # replaces all
    assert worker.kind("Box", "http://a.test/") == "outbound"
    call("setOutboundByHost", "host.test", "two")
    assert worker.kind("Box", "http://host.test/") == "two"
    call("removeOutboundByHost", "absent.test")
    call("removeOutboundByHost", "host.test")  # the class's own applies again
    assert worker.kind("Box", "http://host.test/") == "host"
    # removeDeniedHost with no list stores an empty one, allowHost makes one, removeAllowedHost leaves an empty one
    call("removeDeniedHost", "a.test")
    assert worker.kind("Box", "http://a.test/") == "outbound"
    call("allowHost", "a.test")
    assert worker.kind("Box", "http://a.test/") == "outbound" and worker.get("Box", "http://b.test/") == DENIED
    call("removeAllowedHost", "a.test")
    assert worker.get("Box", "http://a.test/") == DENIED and worker.get("Box", "http://host.test/") == DENIED
    call("setAllowedHosts", ["*"])
    call("denyHost", "*.b.test")
    assert worker.get("Box", "http://c.b.test/") == DENIED and worker.kind("Box", "http://b.test/") == "outbound"
    call("removeDeniedHost", "*.b.test")
    assert worker.kind("Box", "http://c.b.test/") == "outbound"
