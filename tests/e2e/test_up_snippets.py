"""What Cloudflare's own pages and examples show of outbound Workers, written anew from what they say they
do, each as a class of one Worker, each asserted from inside a sandbox and at the origin."""
import base64
import json
import os
import signal
from urllib.parse import quote

import pytest

from conftest import processes_of, wait_for
from daemon import write_worker

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";
import { Container, ContainerProxy, outboundParams } from "@cloudflare/containers";
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { AwsClient } from "aws4fetch";
export { ContainerProxy };

// -- changelog of the announcement: header injection, a key of each instance, lists, named handlers
export class Inject extends Sandbox {}
Inject.outboundByHost = {
  "github.example.test": (request, env, ctx) => {
    const requestWithAuth = new Request(request);
    requestWithAuth.headers.set("x-auth-token", env.SECRET);
    return fetch(requestWithAuth);
  },
  "vcs.example.test": async (request, env, ctx) => {
    const authKey = await env.KEYS.get(ctx.containerId);
    const requestWithAuth = new Request(request);
    requestWithAuth.headers.set("x-auth-token", authKey);
    return fetch(requestWithAuth);
  },
};
export class Listed extends Sandbox { allowedHosts = ["github.example.test", "*.allowed.test"]; }

// -- changelog of March: everything into a function, virtual hosts of bindings
async function someWorkersFunction(body) { return `read ${(await new Response(body).text()).length}`; }
export class Virtual extends Sandbox {}
Virtual.outbound = async (request, env, ctx) => new Response(await someWorkersFunction(request.body));
Virtual.outboundByHost = {
  "my.worker": (request, env, ctx) => env.GREETER.fetch(request),
  "my.kv": async (request, env, ctx) => {
    const value = await env.KEYS.get(new URL(request.url).pathname.slice(1));
    return new Response(value, { status: value === null ? 404 : 200 });
  },
  "get-state.do": async (request, env, ctx) => {
    const id = env.STATE.idFromString(ctx.containerId.length === 64 ? env.STATE.idFromName(ctx.containerId).toString() : "");
    return Response.json(await env.STATE.get(id).getState());
  },
  "own-state.do": async (request, env, ctx) => {
    const id = env.VIRTUAL.idFromString(ctx.containerId);
    return Response.json({ state: await env.VIRTUAL.get(id).describe() });
  },
};
Object.assign(Virtual.prototype, { async describe() { return `own ${this.ctx.id.name}`; } });
export class State extends DurableObject { getState() { return { answer: 42 }; } }
export class Greeter extends WorkerEntrypoint {
  async fetch(request) { return new Response(`worker sees ${new URL(request.url).hostname}`); }
}

// -- the guide: no internet; denied hosts with a network; GET only with 405 and a line in the log
export class Closed extends Container { enableInternet = false; async sh(c) { return run(this, c); } }
export class Denied extends Sandbox { deniedHosts = ["evil.example.test", "10.0.0.0/8"]; }
export class GetOnly extends Sandbox {}
GetOnly.outbound = async (request, env, ctx) => {
  if (request.method !== "GET") {
    console.log(`Blocked ${request.method} to ${request.url}`);
    return new Response("Method Not Allowed", { status: 405 });
  }
  return fetch(request);
};

// -- the guide: a handler with a token, put on one host at run time and taken away again
export class Dynamic extends Sandbox { enableInternet = false; allowedHosts = ["api.example.test"]; }
Dynamic.outboundHandlers = {
  authenticatedGithub: async (request, env, ctx) => {
    const r = new Request(request);
    r.headers.set("authorization", `Basic ${btoa(`x-access-token:${env.SECRET}`)}`);
    return fetch(r);
  },
};

// -- the README: static fields; a table of hosts
export class StaticForm extends Container {
  static outboundByHost = {
    "google.example.test": async () => new Response("from google handler"),
    "api.stripe.*": async (request) => new Response(`stripe ${new URL(request.url).hostname}`),
  };
  static outbound = async (request) => new Response(`catch-all ${new URL(request.url).hostname}`);
  deniedHosts = ["evil.*"];
  async sh(c) { return run(this, c); }
}

// -- the blog: a static field and fetch(request, { headers })
export class Blog extends Sandbox {
  static outboundByHost = {
    "api.example.test": (request, env) => fetch(request, { headers: { "x-auth-token": env.SECRET } }),
  };
}

// -- the examples of agents: a placeholder inside, the key outside; all else 403
export class Agent extends Sandbox {
  enableInternet = false;
  allowedHosts = ["anthropic.example.test", "github.example.test"];
}
Agent.outboundByHost = {
  "anthropic.example.test": async (request, env) => {
    if (request.headers.get("x-api-key") !== "placeholder") return new Response("no placeholder", { status: 401 });
    const headers = new Headers(request.headers);
    headers.set("x-api-key", env.SECRET);
    headers.delete("authorization");
    return fetch(new Request(request, { headers }));
  },
  "github.example.test": async (request, env) => {
    const headers = new Headers(request.headers);
    headers.set("authorization", `Basic ${btoa("x-access-token:" + env.SECRET)}`);
    return fetch(request.url, { method: request.method, headers, body: request.body, duplex: "half" });
  },
};
export class Codex extends Sandbox {}
Codex.outbound = async (request) => new Response("Forbidden by egress policy", { status: 403 });
Codex.outboundByHost = { "api.example.test": (request) => fetch(request) };

// -- the example of re-signing: SigV4 by aws4fetch; the sandbox signs with a dummy
export class Resign extends Sandbox {}
Resign.outboundByHost = {
  "bucket.example.test": async (request, env) => {
    const client = new AwsClient({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: env.SECRET, service: "s3", region: "auto" });
    const headers = new Headers(request.headers);
    for (const name of ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"]) headers.delete(name);
    headers.delete("host");
    const signed = await client.sign(request.url, { method: request.method, headers, body: await request.arrayBuffer() });
    return fetch(signed);
  },
};

// -- the example of a mount: credentials vended on a link-local address, cached at module level
let vended = 0, cache = null;
export class Vending extends Sandbox {}
Vending.outboundByHost = {
  "169.254.170.2": async (request, env, ctx) => {
    if (cache === null) { vended++; cache = { AccessKeyId: "ASIA", SecretAccessKey: "temporary", n: vended }; }
    return Response.json({ ...cache, path: new URL(request.url).pathname });
  },
};

// -- globs and params of the interception example
export class Params extends Sandbox {}
Params.outboundHandlers = {
  tagged: async (request, env, ctx) => Response.json({ params: ctx.params, className: ctx.className }),
};
Params.outboundByHost = { "*.glob.test": async (request, env, ctx) => Response.json(Object.keys(ctx).sort()) };

// -- 1.0: entrypoints that ctx.container sends destinations to
export class UserApi extends WorkerEntrypoint {
  async fetch(request) {
    const url = new URL(request.url);
    if (request.method !== "GET" || url.pathname !== "/user") return new Response("Forbidden", { status: 403 });
    const r = new Request(request);
    r.headers.set("authorization", `Bearer ${this.env.SECRET}`);
    return fetch(r);
  }
}
export class ReadOnlyRepository extends WorkerEntrypoint {
  async fetch(request) {
    const url = new URL(request.url);
    const prefix = `/${this.ctx.props.repository}.git`;
    const reads = url.pathname === `${prefix}/info/refs` && url.searchParams.get("service") === "git-upload-pack" ||
                  url.pathname === `${prefix}/git-upload-pack`;
    if (!reads) return new Response("Forbidden", { status: 403 });
    const headers = new Headers(request.headers);
    headers.set("authorization", `Basic ${btoa(`x-access-token:${this.env.SECRET}`)}`);
    return fetch(new Request(request, { headers }));
  }
}
export class Echo extends WorkerEntrypoint {
  async fetch(request) { return new Response(`Binding ${this.ctx.props.id}: ${request.url}`); }
}
// The 0.x policy written anew as an entrypoint.
export class Policy extends WorkerEntrypoint {
  async fetch(request) {
    const { allowed, denied } = this.ctx.props;
    const host = new URL(request.url).hostname.replace(/\\.+$/, "");
    if (denied.includes(host) || !allowed.includes(host)) return new Response("Origin is disallowed", { status: 520 });
    return fetch(request);
  }
}
export class Raw extends DurableObject {
  #exports(name, props) { return this.ctx.exports[name]({ props }); }
  async open(options) {
    if (!this.ctx.container.running) this.ctx.container.start({ enableInternet: false, ...options });
  }
  async intercept(kind, address, name, props) {
    const target = this.#exports(name, props);
    if (kind === "all") await this.ctx.container.interceptAllOutboundHttp(target);
    else if (kind === "https") await this.ctx.container.interceptOutboundHttps(address, target);
    else await this.ctx.container.interceptOutboundHttp(address, target);
    return null;
  }
  async sh(command) { await this.open(); return run(this, command); }
  async exec(command) { return this.sh(command); }
}

async function run(object, command) {
  if (!object.ctx.container.running) await object.start();
  const output = await (await object.ctx.container.exec(["bash", "-c", command])).output();
  return { stdout: new TextDecoder().decode(output.stdout), exitCode: output.exitCode };
}

export default {
  async fetch(request, env) {
    const q = new URL(request.url).searchParams;
    const ns = env[q.get("class").toUpperCase()];
    const box = q.get("class") === "Raw" ? ns.getByName(q.get("id") ?? "one") : getSandbox(ns, q.get("id") ?? "one");
    try {
      if (q.has("call")) return Response.json((await box[q.get("call")](...JSON.parse(q.get("args")))) ?? null);
      if (q.has("key")) { await env.KEYS.put(ns.idFromName(q.get("id")).toString(), q.get("key")); return Response.json(null); }
      return Response.json(await (q.has("sh") ? box.sh(q.get("sh")) : box.exec(q.get("exec"))));
    } catch (e) { return Response.json({ failed: `${e.name}: ${e.message}` }, { status: 500 }); }
  },
};
"""
CLASSES = ("Inject", "Listed", "Virtual", "State", "Closed", "Denied", "GetOnly", "Dynamic", "StaticForm", "Blog",
           "Agent", "Codex", "Resign", "Vending", "Params", "Raw")
SECRET = "sec-5e1f-of-the-snippets"
HOSTS = ("github.example.test", "vcs.example.test", "api.example.test", "anthropic.example.test",
         "bucket.example.test", "evil.example.test")


class Worker:
    def __init__(self, daemon):
        self.daemon = daemon

    def ask(self, cls, name="one", status=200, **query):
        text = "&".join(f"{k}={quote(v)}" for k, v in query.items())
        return self.daemon.get(f"/?class={cls}&id={name}&{text}", status=status, timeout=90).json

    def curl(self, cls, arguments, name="one", raw=False):
        """(status, body) of one curl inside."""
        command = f"curl -sS -m 20 -w '\\n%{{http_code}}' {arguments}"
        r = self.ask(cls, name, **({"sh": command} if raw else {"exec": command}))
        body, _, status = r["stdout"].rpartition("\n")
        return int(status or 0), body

    def call(self, cls, method, *arguments, name="one"):
        return self.ask(cls, name, call=method, args=json.dumps(arguments))


@pytest.fixture
def worker(user, up, origin, npm_packages):
    folder = write_worker(user, CODE, bindings={c.upper(): c for c in CLASSES}, packages=npm_packages,
                          config={"kv_namespaces": [{"binding": "KEYS", "id": "keys"}],
                                  "services": [{"binding": "GREETER", "service": "e2e", "entrypoint": "Greeter"}]},
                          files={".dev.vars": f"SECRET={SECRET}\n"})
    return Worker(up(folder, *origin.options(*HOSTS)))


def test_injection_and_keys(worker, origin):
    status, body = worker.curl("Inject", "-H 'X-Auth-Token: mine' https://github.example.test/a")
    assert status == 200 and origin.header("x-auth-token") == [SECRET]
    for name in ("alice", "bob"):
        worker.ask("Inject", name, key=f"key-of-{name}")
        assert worker.curl("Inject", "https://vcs.example.test/", name)[0] == 200
        assert origin.header("x-auth-token") == [f"key-of-{name}"]
    env = worker.ask("Inject", exec="env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")["stdout"]
    assert SECRET not in env and "key-of" not in env


def test_lists(worker, origin):
    assert worker.curl("Listed", "https://github.example.test/")[0] == 200
    assert worker.curl("Listed", "https://api.example.test/") == (520, "Origin is disallowed")
    assert worker.curl("Denied", "https://evil.example.test/")[0] == 520
    assert worker.curl("Denied", "http://10.1.2.3/") [0] == 520
    assert worker.curl("Denied", "https://api.example.test/")[0] == 200
    status, body = worker.curl("Closed", "https://api.example.test/", raw=True)
    assert (status, body) == (520, "Origin is disallowed")


def test_virtual_hosts(worker):
    assert worker.curl("Virtual", "-d 12345 http://anything.test/") == (200, "read 5")
    assert worker.curl("Virtual", "http://my.worker/x") == (200, "worker sees my.worker")
    assert worker.curl("Virtual", "http://my.kv/absent")[0] == 404
    worker.ask("Virtual", "named", key="value")
    key = [i["id"] for i in worker.daemon.instances() if i["name"] == "one"]
    worker.ask("Virtual", "one", key="value")
    assert worker.curl("Virtual", f"https://my.kv/{key[0]}") == (200, "value")
    assert json.loads(worker.curl("Virtual", "http://get-state.do/")[1]) == {"answer": 42}
    assert json.loads(worker.curl("Virtual", "http://own-state.do/", "named")[1]) == {"state": "own named"}


def test_get_only(worker, origin):
    assert worker.curl("GetOnly", "https://api.example.test/")[0] == 200
    assert worker.curl("GetOnly", "-X POST -d x https://api.example.test/p") == (405, "Method Not Allowed")
    assert not [r for r in origin.requests if r["path"] == "/p"]
    assert "Blocked POST to https://api.example.test/p" in worker.daemon.cli("logs").out
    assert "sallyport: info: Blocked POST to https://api.example.test/p\n" in worker.daemon.said()


def test_a_handler_for_one_host_for_a_while(worker, origin):
    basic = "Basic " + base64.b64encode(f"x-access-token:{SECRET}".encode()).decode()
    assert worker.curl("Dynamic", "https://github.example.test/")[0] == 520
    worker.call("Dynamic", "allowHost", "github.example.test")
    worker.call("Dynamic", "setOutboundByHost", "github.example.test", "authenticatedGithub")
    assert worker.curl("Dynamic", "https://github.example.test/")[0] == 200
    assert origin.header("authorization") == [basic]
    worker.call("Dynamic", "removeOutboundByHost", "github.example.test")
    assert worker.curl("Dynamic", "https://github.example.test/")[0] == 200
    assert origin.header("authorization") == []


def test_static_fields_and_the_blog(worker, origin):
    for host, expected in (("google.example.test", (200, "from google handler")),
                           ("api.stripe.com", (200, "stripe api.stripe.com")),
                           ("evil.com", (520, "Origin is disallowed")),
                           ("other.test", (200, "catch-all other.test"))):
        assert worker.curl("StaticForm", f"https://{host}/", raw=True) == expected
    assert worker.curl("Blog", "-H 'X-Other: replaced' https://api.example.test/")[0] == 200
    assert origin.header("x-auth-token") == [SECRET] and origin.header("x-other") == []


def test_agents(worker, origin):
    key = "-H 'X-Api-Key: placeholder' -H 'Authorization: Bearer placeholder'"
    assert worker.curl("Agent", f"{key} -d '{{}}' https://anthropic.example.test/v1/messages")[0] == 200
    assert origin.header("x-api-key") == [SECRET] and origin.header("authorization") == []
    assert worker.curl("Agent", "https://anthropic.example.test/")[0] == 401
    assert worker.curl("Agent", "-d body https://github.example.test/git")[0] == 200
    assert origin.header("authorization")[0].startswith("Basic ") and origin.requests[-1]["size"] == 4
    assert worker.curl("Agent", "https://api.example.test/")[0] == 520
    assert worker.curl("Codex", "https://api.example.test/")[0] == 200
    assert worker.curl("Codex", "https://example.com/") == (403, "Forbidden by egress policy")


def test_resigned(worker, origin):
    dummy = "-H 'Authorization: AWS4-HMAC-SHA256 Credential=DUMMY/x' -H 'X-Amz-Date: 20200101T000000Z'"
    assert worker.curl("Resign", f"-X PUT {dummy} --data-binary hello https://bucket.example.test/key")[0] == 200
    authorization = origin.header("authorization")
    assert len(authorization) == 1 and authorization[0].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), authorization
    assert origin.header("x-amz-date") != ["20200101T000000Z"] and origin.requests[-1]["size"] == 5
    assert SECRET not in json.dumps(origin.requests[-1]["headers"])


def test_vending_and_params(worker):
    first = json.loads(worker.curl("Vending", "http://169.254.170.2/v2/credentials")[1])
    second = json.loads(worker.curl("Vending", "http://169.254.170.2/again", "two")[1])
    assert first["AccessKeyId"] == "ASIA" and first["n"] == second["n"] == 1 and second["path"] == "/again"
    assert json.loads(worker.curl("Params", "https://x.glob.test/")[1]) == ["className", "containerId"]
    worker.call("Params", "setOutboundHandler", "tagged", {"tags": ["a", None, 1.5]})
    assert json.loads(worker.curl("Params", "https://any.test/")[1]) == \
        {"params": {"tags": ["a", None, 1.5]}, "className": "Params"}
    worker.call("Params", "setOutboundHandler", "tagged")
    assert "params" not in json.loads(worker.curl("Params", "https://any.test/")[1])


def test_an_authenticated_api(worker, origin):
    worker.call("Raw", "intercept", "https", "api.example.test", "UserApi", {})
    assert worker.curl("Raw", "https://api.example.test/user", raw=True)[0] == 200
    assert origin.header("authorization") == [f"Bearer {SECRET}"]
    assert worker.curl("Raw", "https://api.example.test/keys", raw=True) == (403, "Forbidden")
    assert worker.curl("Raw", "-X DELETE https://api.example.test/user", raw=True)[0] == 403
    assert worker.curl("Raw", "https://github.example.test/", raw=True)[0] == 520
    assert worker.curl("Raw", "http://api.example.test/user", raw=True)[0] == 520  # HTTP was not registered


def test_a_private_repository(worker, origin):
    worker.call("Raw", "intercept", "https", "github.example.test", "ReadOnlyRepository", {"repository": "me/private"})
    reads = "https://github.example.test/me/private.git/info/refs?service=git-upload-pack"
    assert worker.curl("Raw", f"'{reads}'", raw=True)[0] == 200
    assert origin.header("authorization")[0].startswith("Basic ")
    for path in ("me/private.git/info/refs?service=git-receive-pack", "me/private.git/git-receive-pack",
                 "me/other.git/info/refs?service=git-upload-pack"):
        assert worker.curl("Raw", f"'https://github.example.test/{path}'", raw=True)[0] == 403, path


def test_destinations_of_the_container(worker, user):
    for kind, address, number in (("http", "first.test", 1), ("http", "*.glob.test", 2), ("http", "11.0.0.1:8080", 3),
                                  ("http", "12.0.0.0/8", 4), ("http", "111::", 5)):
        worker.call("Raw", "intercept", kind, address, "Echo", {"id": number})
    rows = [("http://first.test/p?q", "Binding 1: http://first.test/p?q"), ("http://a.b.glob.test/", "Binding 2: http://a.b.glob.test/"),
            ("http://11.0.0.1:8080/x", "Binding 3: http://11.0.0.1:8080/x"), ("http://12.34.5.6/", "Binding 4: http://12.34.5.6/"),
            ("http://[111::]/", "Binding 5: http://[111::]/")]
    for url, expected in rows:
        assert worker.curl("Raw", f"-g '{url}'", raw=True) == (200, expected)
    for url in ("http://11.0.0.1:90/", "http://glob.test/", "http://13.0.0.1/", "https://first.test/"):
        assert worker.curl("Raw", url, raw=True)[0] == 520, url
    # the same destination again is swapped in place, in a running sandbox, and survives the runtime
    worker.call("Raw", "intercept", "http", "first.test", "Echo", {"id": 42})
    assert worker.curl("Raw", "http://first.test/", raw=True)[1].startswith("Binding 42")
    worker.call("Raw", "intercept", "all", "", "Echo", {"id": 99})
    assert worker.curl("Raw", "http://any.test/", raw=True)[1].startswith("Binding 99")
    assert worker.curl("Raw", "http://first.test/", raw=True)[1].startswith("Binding 42")
    for pid in processes_of(user, "sallyport-runtime"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: worker.daemon.ask("/?class=Raw&id=one&sh=true").status == 200, 10, "the successor")
    status, body = worker.curl("Raw", "--retry 5 --retry-all-errors http://first.test/", raw=True)
    assert (status, body.split(":")[0]) == (200, "Binding 42"), body


def test_the_policy_as_an_entrypoint(worker, origin):
    props = {"allowed": ["api.example.test"], "denied": ["evil.example.test"]}
    worker.call("Raw", "intercept", "https", "*", "Policy", props)
    worker.call("Raw", "intercept", "all", "", "Policy", props)
    assert worker.curl("Raw", "https://api.example.test/", raw=True)[0] == 200
    assert worker.curl("Raw", "http://api.example.test/", raw=True)[0] == 200
    assert worker.curl("Raw", "https://evil.example.test/", raw=True) == (520, "Origin is disallowed")
    assert worker.curl("Raw", "https://github.example.test/", raw=True) == (520, "Origin is disallowed")


def test_the_smallest_worker(user, up, origin):
    """The SDK's class exported as it is, previews asked for first: how every project of it begins."""
    folder = write_worker(user, """
        import { getSandbox, proxyToSandbox, Sandbox } from "@cloudflare/sandbox";
        export { ContainerProxy, Sandbox } from "@cloudflare/sandbox";
        Sandbox.outboundByHost = { "api.example.test": () => new Response("handled") };
        export default {
          async fetch(request: Request, env: Env): Promise<Response> {
            const proxied = await proxyToSandbox(request, env);
            if (proxied) return proxied;
            const sandbox = getSandbox(env.Sandbox, "my-sandbox");
            const out = await sandbox.exec("curl -sS https://api.example.test/");
            return Response.json({ ...out, pem: env.PEM, empty: env.EMPTY });
          },
        };""", bindings={"Sandbox": "Sandbox"},
        config={"containers": [{"class_name": "Sandbox", "image": "./Dockerfile", "max_instances": 1}],
                "migrations": [{"new_sqlite_classes": ["Sandbox"], "tag": "v1"}]},
        files={".dev.vars": 'EMPTY=""\nPEM="-----BEGIN KEY-----\\nabc\ndef"\n'})
    r = up(folder, *origin.options("api.example.test")).get("/", timeout=60).json
    assert (r["exitCode"], r["stdout"]) == (0, "handled"), r
    assert (r["pem"], r["empty"]) == ("-----BEGIN KEY-----\nabc\ndef", "")
