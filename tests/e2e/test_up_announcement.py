"""The announcement's program: open for the set-up, locked down after it."""
from daemon import write_worker
from test_clients import private_registry, registry, registry_host

CODE = """
import { getSandbox, Sandbox } from "@cloudflare/sandbox";

export class MySandbox extends Sandbox {}
MySandbox.outboundHandlers = {
  allowHosts: async (req: Request, env: Env, ctx: OutboundHandlerContext) => {
    const url = new URL(req.url);
    if (ctx.params.allowedHostnames.includes(url.hostname)) {
      return fetch(req);
    }
    return new Response(null, { status: 403 });
  },
  noHttp: async () => {
    return new Response(null, { status: 403 });
  },
};

const status = (url: string) => `curl -sS -m 20 -o /dev/null -w '%{http_code}' ${url}`;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const userId = new URL(request.url).searchParams.get("user");
    const sandbox = getSandbox(env.Sandbox, userId);
    const out: Record<string, unknown> = {};

    await sandbox.setOutboundHandler("allowHosts", { allowedHostnames: [env.REGISTRY_HOST] });
    await sandbox.setEnvVars({ npm_config_registry: env.REGISTRY, npm_config_update_notifier: "false" });
    await sandbox.writeFile("package.json", JSON.stringify({ name: "app", version: "1.0.0",
                                                             dependencies: { "is-number": "^7.0.0" } }));
    out.install = await sandbox.exec("npm install --no-audit --no-fund");
    out.open = await sandbox.exec(status(env.REGISTRY));
    out.other = await sandbox.exec(status("https://other.example.test/"));

    await sandbox.setOutboundHandler("noHttp");
    out.locked = await sandbox.exec(status(env.REGISTRY));
    out.installed = await sandbox.exec("node -p \\"require('is-number')(7)\\"");
    return Response.json(out);
  },
};
"""


def test_open_for_the_set_up_then_locked_down(user, up):
    folder = write_worker(user, CODE, bindings={"Sandbox": "MySandbox"},
                          config={"vars": {"REGISTRY": registry(), "REGISTRY_HOST": registry_host()}})
    daemon = up(folder, *private_registry())
    out = daemon.get("/?user=alice", timeout=120).json
    assert out["install"]["exitCode"] == 0 and out["install"]["success"], out["install"]
    assert out["install"]["command"] == "npm install --no-audit --no-fund"
    assert out["open"]["stdout"] == "200", out["open"]
    assert out["other"]["stdout"] == "403", out["other"]
    assert out["locked"]["stdout"] == "403", out["locked"]
    assert out["installed"]["stdout"].strip() == "true", out["installed"]
    # Another user's sandbox is another one: nothing of what alice's has been told holds for it.
    assert daemon.get("/?user=bob", timeout=120).json["open"]["stdout"] == "200"
    rows = daemon.instances()
    assert sorted(r["name"] for r in rows) == ["alice", "bob"], rows
    assert len({r["id"] for r in rows}) == 2 and all(len(r["id"]) == 64 for r in rows), rows
