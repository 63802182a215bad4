"""Modules that the tests load, as a user would write them."""

WRANGLER = """{
  // as wrangler reads it
  "name": "e2e",
  "main": "src/index.ts",
  "vars": { "GREETING": "hello" },
  "kv_namespaces": [{ "binding": "KEYS", "id": "keys" }],
  "containers": [{ "class_name": "Box", "image": "./Dockerfile" }],
  "durable_objects": { "bindings": [{ "name": "BOX", "class_name": "Box" }] },
}
"""

MODULE = """
import { Sandbox } from "@cloudflare/sandbox";

interface Env { TOKEN: string; GREETING: string; KEYS: KVNamespace }

export class Box extends Sandbox {
  interceptHttps = true;
  enableInternet = false;
  allowedHosts = ["api.example.test", "keyed.example.test", "plain.example.test",
                  "teapot.example.test", "code.example.test", "*.allowed.test"];
  async lockDown(status: number) {
    await this.setOutboundHandler("deny", { status });
    return "locked";
  }
}

Box.outboundByHost = {
  "api.example.test": (request: Request, env: Env) => {
    const withAuth = new Request(request);
    withAuth.headers.set("x-auth-token", env.TOKEN);
    return fetch(withAuth);
  },
  "keyed.example.test": async (request: Request, env: Env, ctx: any) => {
    const key = await env.KEYS.get(ctx.containerId);
    const withAuth = new Request(request);
    withAuth.headers.set("x-auth-token", key ?? "none");
    return fetch(withAuth);
  },
  "teapot.example.test": async (request: Request, env: Env) =>
    new Response(`${env.GREETING} from ${new URL(request.url).hostname}`,
                 { status: 418, headers: { "x-made-by": "handler" } }),
  "code.example.test": async (request: Request) => {
    const what = new URL(request.url).pathname.slice(1);
    if (what === "throw") throw new Error("the message stays outside");
    if (what === "nothing") return undefined as any;
    if (what === "while") while (true) {}
    if (what === "await") for (;;) await null;
    if (what === "regexp") return new Response(String(/a*a*a*a*b/.test("a".repeat(20000))));
    if (what === "memory") { const all: any[] = []; for (;;) all.push({ all, n: all.length }); }
    if (what === "sha256") {
      const digest = await crypto.subtle.digest("SHA-256", await request.arrayBuffer());
      return new Response([...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, "0")).join(""));
    }
    if (what === "echo") return new Response(request.body, { headers: { "x-echo": "yes" } });
    return Response.json({ method: request.method, url: request.url });
  },
};

Box.outboundHandlers = {
  allowHosts: async (request: Request, env: Env, ctx: any) => {
    const url = new URL(request.url);
    return ctx.params.allowedHostnames.includes(url.hostname) ? fetch(request)
                                                            : new Response(null, { status: 403 });
  },
  noHttp: async () => new Response(null, { status: 403 }),
  deny: async (request: Request, env: Env, ctx: any) =>
    new Response(JSON.stringify(ctx.params), { status: ctx.params.status }),
};

export default { fetch: () => new Response("worker") };
"""

SECRET = "sec-7f3a9d41c2e8-value"
HOSTS = ("api.example.test", "keyed.example.test", "plain.example.test")


def write(user, module=MODULE, secret=SECRET, folder="app"):
    """The folder of a Worker, owned by the user; its path."""
    user.write(f"{folder}/wrangler.jsonc", WRANGLER)
    user.write(f"{folder}/src/index.ts", module)
    user.write(f"{folder}/.dev.vars", f'TOKEN="{secret}"\n', mode=0o600)
    return user.work / folder
