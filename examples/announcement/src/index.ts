import type { OutboundHandlerContext } from "@cloudflare/containers";
import { getSandbox, Sandbox } from "@cloudflare/sandbox";

export class MySandbox extends Sandbox<Env> {
  // A list makes everything else denied, before any handler is asked.
  allowedHosts = ["github.com", "my-internal-vcs.dev", "*.npmjs.org", "example.com"];
}

function withToken(request: Request, token: string): Promise<Response> {
  const authorized = new Request(request);
  authorized.headers.set("x-auth-token", token);
  return fetch(authorized);
}

// For their hosts, whatever else is set: what runs inside sends plain requests and never holds a token.
MySandbox.outboundByHost = {
  "github.com": (request: Request, env: Env) => withToken(request, env.SECRET),

  // A token for each sandbox, by the id that it cannot choose.
  "my-internal-vcs.dev": async (request: Request, env: Env, ctx: OutboundHandlerContext) => {
    const token = await env.KEYS.get(ctx.containerId);
    return token === null ? new Response("no key for this sandbox\n", { status: 403 }) : withToken(request, token);
  },
};

// For the other hosts, once one of these is set.
MySandbox.outboundHandlers = {
  allowHosts: async (request: Request, env: Env, ctx: OutboundHandlerContext<{ allowedHostnames: string[] }>) => {
    const { hostname } = new URL(request.url);
    const isOpen = ctx.params.allowedHostnames.some((name) => hostname === name || hostname.endsWith(`.${name}`));
    return isOpen ? fetch(request) : new Response(null, { status: 403 });
  },
  noHttp: async () => new Response(null, { status: 403 }),
};

const manifest = { name: "project", version: "1.0.0", dependencies: { "is-number": "^7.0.0" } };
const statuses = ["example.com", "example.org"]
  .map((host) => `curl -sS -m 20 -o /dev/null -w '${host} %{http_code}\\n' https://${host}/`).join("\n");

export default {
  // A sandbox for each user: open while it installs, closed while it works.
  async fetch(request: Request, env: Env): Promise<Response> {
    const userId = new URL(request.url).searchParams.get("user") ?? "anyone";
    const sandbox = getSandbox(env.Sandbox, userId);
    await sandbox.writeFile("package.json", JSON.stringify(manifest));

    await sandbox.setOutboundHandler("allowHosts", { allowedHostnames: env.INSTALL_HOSTS });
    const install = await sandbox.exec("npm install --no-audit --no-fund");
    const open = await sandbox.exec(statuses);

    await sandbox.setOutboundHandler("noHttp");
    const work = await sandbox.exec("node -p \"require('is-number')(7)\"");
    const closed = await sandbox.exec("npm view is-number version");

    return Response.json({ install, open, work, closed });
  },
};
