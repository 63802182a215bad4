import type { OutboundHandlerContext } from "@cloudflare/containers";
import { Sandbox, getSandbox } from "@cloudflare/sandbox";

interface Env {
  API_TOKEN: string; // .dev.vars, or `sallyport secret put API_TOKEN`
  TEAM: string;
  KEYS: KVNamespace;
  AGENT: DurableObjectNamespace<AgentSandbox>;
}

export class AgentSandbox extends Sandbox<Env> {
  enableInternet = false;
  allowedHosts = ["*.example.test", "github.com"];
  deniedHosts = ["telemetry.example.test"];
}

AgentSandbox.outboundByHost = {
  // The same credential for every sandbox. The program inside calls the API without one.
  "api.example.test": (request: Request, env: Env) => {
    const authorized = new Request(request);
    authorized.headers.set("authorization", `Bearer ${env.API_TOKEN}`);
    authorized.headers.set("x-team", env.TEAM);
    return fetch(authorized);
  },

  // A key of its own for each sandbox, found by the id that the sandbox cannot choose.
  "vcs.example.test": async (request: Request, env: Env, ctx: OutboundHandlerContext) => {
    const key = await env.KEYS.get(ctx.containerId);
    if (key === null) {
      return new Response("no key for this sandbox\n", { status: 403 });
    }
    const authorized = new Request(request);
    authorized.headers.set("x-auth-token", key);
    return fetch(authorized);
  },
};

AgentSandbox.outboundHandlers = {
  // Named handlers rule the hosts that have none of their own above. None is in force until
  // someone sets it. While a sandbox installs: only the hosts that the caller names.
  allowHosts: async (
    request: Request,
    env: Env,
    ctx: OutboundHandlerContext<{ allowedHostnames: string[] }>,
  ) => {
    const { hostname } = new URL(request.url);
    if (ctx.params.allowedHostnames.includes(hostname)) {
      return fetch(request);
    }
    return new Response(`${hostname} is not open now\n`, { status: 403 });
  },

  // Afterwards: none of them.
  noHttp: async () => new Response("the network is closed\n", { status: 403 }),
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const sandbox = getSandbox(env.AGENT, searchParams.get("user") ?? "anyone");

    await sandbox.setOutboundHandler("allowHosts", { allowedHostnames: ["packages.example.test"] });
    const install = await sandbox.exec("npm install");
    await sandbox.setOutboundHandler("noHttp");

    return Response.json({ installed: install.exitCode === 0 });
  },
};
