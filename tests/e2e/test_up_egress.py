"""The nine egress tests of cloudflare/containers under their own names, over HTTP and over HTTPS, and
what upstream does not test: handlers that change, params, what outlives a restart."""
import json

import pytest

from daemon import write_worker

CODE = """
import { Container, ContainerProxy, getContainer } from "@cloudflare/containers";
export { ContainerProxy };

const text = (kind: string) => async (request: Request) =>
  new Response(`${kind}: ${new URL(request.url).hostname}`);

export class Egress extends Container {
  enableInternet = false;
  interceptHttps = true;
  allowedHosts = ["allowed.com", "by-host.com", "*.globtest.com"];
  deniedHosts = ["denied.com"];
}
Egress.outboundByHost = {
  "by-host.com": text("outboundByHost"),
  "*.globtest.com": text("outboundByHost glob"),
};
Egress.outbound = text("catch-all");
Egress.outboundHandlers = {
  named: async (request, env, ctx) => Response.json({ ...ctx, url: request.url }),
  noHttp: async () => new Response(null, { status: 403 }),
};

async function probe(object: any, url: string) {
  const child = await object.run(["curl", "-sS", "-m", "20", "-o", "-", "-w", "\\n%{http_code}", url]);
  const at = child.lastIndexOf("\\n");
  return { body: child.slice(0, at), status: Number(child.slice(at + 1)) };
}

export class Box extends Egress {
  async run(argv: string[]) {
    if (!this.ctx.container.running) await this.start();
    const process = await this.ctx.container.exec(argv);
    const output = await process.output();
    return new TextDecoder().decode(output.stdout);
  }
}

export default {
  async fetch(request: Request, env: any) {
    const url = new URL(request.url);
    const box = getContainer(env.BOX, url.searchParams.get("id") ?? "one");
    const call = url.searchParams.get("call");
    try {
      if (call !== null) return Response.json((await box[call](...JSON.parse(url.searchParams.get("args") ?? "[]"))) ?? null);
      return Response.json(await probe(box, url.searchParams.get("url")));
    } catch (e) {
      return Response.json({ name: e.name, message: e.message }, { status: 500 });
    }
  },
};
"""


@pytest.fixture
def box(user, up):
    return Box(up(write_worker(user, CODE, bindings={"BOX": "Box"})))


class Box:
    def __init__(self, daemon):
        self.daemon = daemon

    def probe(self, url, name="one"):
        r = self.daemon.get(f"/?id={name}&url={url}").json
        return r["status"], r["body"]

    def call(self, method, *args, name="one", status=200):
        from urllib.parse import quote
        return self.daemon.get(f"/?id={name}&call={method}&args={quote(json.dumps(args))}", status=status).json


DENIED = (520, "Origin is disallowed")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_egress(box, scheme):
    """All nine on one daemon; the name of each stands in its row."""
    rows = [
        ("deniedHosts blocks the request", "denied.com", DENIED),
        ("allowedHosts gate blocks non-allowed hosts", "random.com", DENIED),
        ("outboundByHost handler is invoked for matching allowed host", "by-host.com",
         (200, "outboundByHost: by-host.com")),
        ("catch-all outbound handler is invoked for allowed host without specific handler", "allowed.com",
         (200, "catch-all: allowed.com")),
        ("glob pattern in outboundByHost matches subdomains", "api.globtest.com",
         (200, "outboundByHost glob: api.globtest.com")),
        ("glob pattern in outboundByHost matches deeply nested subdomains", "a.b.globtest.com",
         (200, "outboundByHost glob: a.b.globtest.com")),
        ("glob pattern in allowedHosts blocks non-matching host", "globtest.com", DENIED),
    ]
    for name, host, expected in rows:
        status, body = box.probe(f"{scheme}://{host}/")
        assert (status, body.strip()) == expected, name
    # denied host is blocked even if it would match allowedHosts
    box.call("allowHost", "denied.com")
    assert box.probe(f"{scheme}://denied.com/")[0] == 520
    # denyHost also blocks the same hostname with a trailing dot
    box.call("denyHost", "allowed.com")
    assert box.probe(f"{scheme}://allowed.com./")[0] == 520
    assert box.probe(f"{scheme}://allowed.com/")[0] == 520


def test_runtime_handlers_params_and_persistence(box, user):
    # set before the sandbox has ever run: it holds from the first instruction on
    box.call("setOutboundHandler", "noHttp")
    assert box.probe("https://allowed.com/")[0] == 403
    assert box.probe("https://by-host.com/") == (200, "outboundByHost: by-host.com")
    box.call("setOutboundByHost", "by-host.com", "named", {"n": [1, {"deep": True}]})
    status, body = box.probe("https://by-host.com/path?q=1")
    got = json.loads(body)
    assert status == 200 and got["params"] == {"n": [1, {"deep": True}]}, got
    assert got["url"] == "https://by-host.com/path?q=1" and got["className"] == "Box"
    assert len(got["containerId"]) == 64 and int(got["containerId"], 16)
    error = box.call("setOutboundHandler", "nope", status=500)
    assert error == {"name": "Error",
                     "message": "Outbound handler method 'nope' not found in outboundHandlers for Box"}
    box.call("removeAllowedHost", "*.globtest.com")
    assert box.probe("https://api.globtest.com/")[0] == 520
    # a restart of everything: what was set is there, for this name alone
    box.daemon.kill()
    box.daemon.start()
    assert box.probe("https://allowed.com/")[0] == 403
    assert box.probe("https://api.globtest.com/")[0] == 520
    assert json.loads(box.probe("https://by-host.com/")[1])["params"] == {"n": [1, {"deep": True}]}
    assert box.probe("https://api.globtest.com/", name="two")[0] == 200
    box.call("removeOutboundByHost", "by-host.com")
    assert box.probe("https://by-host.com/") == (200, "outboundByHost: by-host.com")
    box.call("setOutboundByHosts", {"*.globtest.com": "noHttp"})
    box.call("setAllowedHosts", ["*"])
    assert box.probe("https://api.globtest.com/")[0] == 403


def test_a_handler_that_code_lost_denies_until_it_is_back(box, user):
    box.call("setOutboundHandler", "noHttp")
    assert box.probe("https://allowed.com/")[0] == 403
    user.write("worker/src/index.ts", CODE.replace("noHttp:", "other:"))
    assert box.daemon.cli("deploy", "-c", str(box.daemon.folder)).code == 0
    status, _ = box.probe("https://allowed.com/")
    assert status == 520
    told = 'outbound handler "noHttp", set for all hosts, is not in outboundHandlers of Box'
    assert box.daemon.said().count(told) == 1
    box.daemon.kill()
    box.daemon.start()
    assert box.probe("https://allowed.com/")[0] == 520
    assert box.daemon.said().count(told) == 2
    user.write("worker/src/index.ts", CODE)
    assert box.daemon.cli("deploy", "-c", str(box.daemon.folder)).code == 0
    assert box.probe("https://allowed.com/")[0] == 403
