"""`sallyport types`, and what TypeScript's own compiler says of what it wrote, of `types/` and of the examples."""
import json
import shutil

import pytest

from conftest import EXAMPLES, ROOT
from daemon import copy_worker, write_worker

HOSTILE = {
    "a b": "quo\"te\\", "*/ } x": "*/\n}\u2028//", "x\";\n} declare const y: 1; //": 1, "": 2, "__proto__": True,
    "gr\u00fcn \u202e": {"*/\n": ["`${y}`", None, -1.5]},
}

# Each kind of binding that wrangler knows and that has no local form.
ABSENT = {
    "ai": {"binding": "AI"}, "analytics_engine_datasets": [{"binding": "ANALYTICS"}],
    "assets": {"binding": "ASSETS"}, "browser": {"binding": "BROWSER"}, "d1_databases": [{"binding": "DB"}],
    "data_blobs": {"BLOB": "x"}, "dispatch_namespaces": [{"binding": "DISPATCH"}],
    "hyperdrive": [{"binding": "HYPERDRIVE"}], "images": {"binding": "IMAGES"},
    "logfwdr": {"bindings": [{"name": "LOGFWDR"}]}, "media": {"binding": "MEDIA"},
    "mtls_certificates": [{"binding": "MTLS"}], "pipelines": [{"binding": "PIPELINE"}],
    "queues": {"producers": [{"binding": "QUEUE"}]}, "r2_buckets": [{"binding": "BUCKET */ x"}],
    "ratelimits": [{"name": "LIMIT"}], "secrets_store_secrets": [{"binding": "STORED"}],
    "send_email": [{"name": "MAIL"}], "text_blobs": {"TEXT": "x"}, "unsafe": {"bindings": [{"name": "UNSAFE"}]},
    "vectorize": [{"binding": "VECTORS"}], "version_metadata": {"binding": "VERSION"},
    "vpc_services": [{"binding": "VPC"}], "wasm_modules": {"WASM": "x"}, "worker_loaders": [{"binding": "LOADER"}],
    "workflows": [{"binding": "FLOW"}],
}

# Exact<A, B> is true for one and the same type only.
CODE = """
import { DurableObject, WorkerEntrypoint, env as everywhere } from "cloudflare:workers";

type Exact<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function is<T extends true>(): T | undefined { return undefined; }

export class Counter extends DurableObject<Env> { async add(n: number) { return n; } }
class Odd extends DurableObject<Env> { async odd() { return "odd"; } }
export { Odd as "odd name" };
export class Sum extends WorkerEntrypoint<Env> { async sum(a: number, b: number) { return a + b; } }

is<Exact<keyof Env, KEYS>>();
is<Exact<Env["TEAM"], "blue">>();
is<Exact<Env["RATIO"], 0.1>>();
is<Exact<Env["LIST"], { a: [1, "x"] }>>();
is<Exact<Env["TOKEN"], string>>();
is<Exact<Env["KEYS"], KVNamespace>>();
is<Exact<Env["a b"], "quo\\"te\\\\">>();
is<Exact<Env["gr\u00fcn \\u202e"], { "*/\\n": ["`${y}`", null, -1.5] }>>();
is<Exact<Env["BUCKET */ x"], R2Bucket>>();

export default {
  async fetch(request, env): Promise<Response> {
    const key: string | null = await env.KEYS.get("x");
    const n: number = await env.COUNTER.getByName("x").add(1);
    const odd: string = await env.ODD.getByName("x").odd();
    const sum: number = await env.SUM.sum(1, 2);
    const token: string = everywhere.TOKEN;
    return Response.json({ key, n, odd, sum, token, self: await (await env.SELF.fetch(request)).text() });
  },
} satisfies ExportedHandler<Env>;
"""

OURS = """
import { Container, type Denial, getSandbox, Sandbox, type Settings } from "sallyport";
import { Container as Plain } from "@cloudflare/containers";
import { Sandbox as Other } from "@cloudflare/sandbox";

export class Box extends Sandbox<Env> {
  allowedTcp = ["github.com:22"];
  static denied = (request: Request, denial: Denial) => new Response(denial.rule, { status: 403 });
}
export class Assigned extends Other<Env> {}
Assigned.denied = async (request, denial) => new Response(`${request.url} ${denial.host} ${denial.reason}`);
export class Third extends Container<Env> { async back() { await this.removeOutboundHandler(); } }
export class Fourth extends Plain<Env> { allowedTcp = ["[::1]:5432"]; }
export const settings: Settings = { limits: { turn_ms: 50 } };
export async function back(namespace: DurableObjectNamespace<Box>) {
  await getSandbox(namespace, "x").removeOutboundHandler();
}
"""

# Each line is one error.
WRONG = """
import { Sandbox, type Settings } from "sallyport";
export class Box extends Sandbox<Env> { allowedTcp = [22]; }
Box.denied = (request, denial) => new Response(denial.nothing);
Box.denied = () => 403;
export const settings: Settings = { limits: { turns: 1 } };
"""


def tsc(user, folder):
    return user.call(["node", folder / "node_modules/typescript/lib/tsc.js", "--pretty", "false"], cwd=folder)


def tsconfig(*types, check_declarations=False):
    return json.dumps({"include": ["*.d.ts", "src"], "compilerOptions": {
        "target": "es2024", "lib": ["es2024"], "module": "esnext", "moduleResolution": "bundler", "strict": True,
        "noEmit": True, "skipLibCheck": not check_declarations, "types": list(types)}})


def types(user, *argv, code=0, **kw):
    r = user.sallyport("types", *argv, **kw)
    assert r.code == code, r
    return r


@pytest.fixture
def typed(user, example_packages):
    """Makes a Worker with TypeScript's packages beside it."""
    def make(code, **kw):
        return write_worker(user, code, packages=example_packages, **kw)
    return make


def test_a_worker_checks_against_what_was_written(user, typed):
    config = {"vars": {"TEAM": "blue", "RATIO": 0.1, "LIST": {"a": [1, "x"]}, "TOKEN": "a var", **HOSTILE},
              "kv_namespaces": [{"binding": "KEYS", "id": "k"}],
              "services": [{"binding": "SELF", "service": "e2e"}, {"binding": "ELSEWHERE", "service": "other"},
                           {"binding": "SUM", "service": "e2e", "entrypoint": "Sum"}], **ABSENT}
    names = ["TEAM", "RATIO", "LIST", "TOKEN", *HOSTILE, "KEYS", "SELF", "ELSEWHERE", "SUM", "COUNTER", "ODD"]
    for key, value in ABSENT.items():
        for item in value if isinstance(value, list) else next(iter(value.values())) if key in (
                "logfwdr", "queues", "unsafe") else [value]:
            names.append(item.get("binding") or item.get("name") or next(iter(item)))
    code = CODE.replace("KEYS>>", " | ".join(json.dumps(n) for n in names) + ">>", 1)
    folder = typed(code, bindings={"COUNTER": "Counter", "ODD": "odd name"}, config=config, files={
        ".dev.vars": "TOKEN=value-that-stays-out\n",
        "tsconfig.json": tsconfig("@cloudflare/workers-types/experimental", check_declarations=True)})
    r = types(user, cwd=folder)
    written = (folder / "worker-configuration.d.ts").read_text()
    assert r.out == f"written: {folder.resolve()}/worker-configuration.d.ts\n"
    assert "value-that-stays-out" not in written + r.out + r.err and written.isascii()
    r = tsc(user, folder)
    assert r.code == 0, r
    # The compiler does look: a member that is not there, a secret that is no number.
    user.write("worker/src/wrong.ts", "export const a = (env: Env) => env.NOTHING;\n"
                                      "export const b = (env: Env): number => env.TOKEN;\n")
    r = tsc(user, folder)
    assert r.code != 0 and r.out.count("error TS") == 2 and r.out.count("src/wrong.ts") == 2, r


def test_what_is_only_ours_is_typed(user, typed):
    folder = typed(OURS, files={"tsconfig.json": tsconfig("@cloudflare/workers-types", "sallyport")})
    types(user, cwd=folder)
    r = tsc(user, folder)
    assert r.code == 0, r
    user.write("worker/src/index.ts", WRONG)
    r = tsc(user, folder)
    errors = [line.split("(")[1].split(",")[0] for line in r.out.splitlines() if line.startswith("src/index.ts(")]
    assert errors == ["3", "4", "5", "6"] and r.out.count("error TS") == 4, r


def test_the_types_have_our_version(user):
    version = json.loads((ROOT / "types/package.json").read_text())["version"]
    assert version in user.sallyport("version").out.split()


@pytest.mark.parametrize("name", ["announcement", "agent"])
def test_an_example_checks(user, example_packages, name):
    folder = copy_worker(user, EXAMPLES / name, example_packages)
    if name == "announcement":
        r = types(user, "-c", folder, "--check")  # what the tree has is what would be written
        assert r.out == r.err == "", r
    else:
        shutil.copy(EXAMPLES / "announcement/tsconfig.json", folder)
        types(user, "-c", folder)
    r = tsc(user, folder)
    assert r.code == 0, r


def test_where_it_is_written_and_what_it_is_called(user):
    folder = write_worker(user, "export default {};")
    types(user, "-c", "worker", "--env-interface", "Bindings", "src.d.ts")
    text = (user.work / "src.d.ts").read_text()
    assert 'import("./worker/src/index")' in text and "\ninterface Bindings extends Cloudflare.Env {}\n" in text
    assert not (folder / "worker-configuration.d.ts").exists()
    for argv, why in ((["a.ts"], "ends in .d.ts"), (["--env-interface", "a b"], "--env-interface"),
                      (["a.d.ts", "b.d.ts"], "too many operands")):
        r = types(user, "-c", "worker", *argv, code=2)
        assert why in r.err and len(r.err.splitlines()) == 1, r
    r = types(user, "-c", "worker", "nowhere/a.d.ts", code=125)
    assert "nowhere/a.d.ts" in r.err, r


def test_check_says_when_it_is_stale(user):
    folder = write_worker(user, "export default {};", config={"vars": {"A": "1"}})
    file = folder / "worker-configuration.d.ts"
    r = types(user, "-c", folder, "--check", code=1)
    assert "not there: run `sallyport types`" in r.err and not file.exists(), r
    types(user, "-c", folder)
    first = file.stat()
    assert types(user, "-c", folder, "--check").err == ""
    assert types(user, "-c", folder).out.startswith("up to date: ")
    assert file.stat().st_mtime_ns == first.st_mtime_ns and file.stat().st_uid == user.uid
    write_worker(user, "export default {};", config={"vars": {"A": "2"}})
    r = types(user, "-c", folder, "--check", code=1)
    assert "out of date: run `sallyport types`" in r.err and 'A: "1"' in file.read_text(), r
    types(user, "-c", folder)
    assert 'A: "2"' in file.read_text() and types(user, "-c", folder, "--check").code == 0
    assert sorted(p.name for p in folder.iterdir()) == ["src", "worker-configuration.d.ts", "wrangler.jsonc"]


def test_a_file_of_others_is_left_alone(user):
    folder = write_worker(user, "export default {};")
    own = user.write("worker/worker-configuration.d.ts", "// Generated by Wrangler\ninterface Env {}\n")
    for argv in ((), ("--check",)):
        r = types(user, "-c", folder, *argv, code=125)
        assert "was not written by `sallyport types`: move it away, or name another file" in r.err, r
        assert len(r.err.splitlines()) == 1
    assert own.read_text() == "// Generated by Wrangler\ninterface Env {}\n"
    # Where a sandbox may have put a link: what it leads to is never written, ours or not.
    target = user.write("target", "// Generated by Sallyport: `sallyport types`\n")
    own.unlink()
    own.symlink_to(target)
    r = types(user, "-c", folder, code=125)
    assert "not a regular file" in r.err and target.read_text() == "// Generated by Sallyport: `sallyport types`\n", r
