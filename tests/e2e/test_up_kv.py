"""`sallyport kv` and the Worker see the same namespaces, whatever state folder the daemon has."""
import json

from daemon import write_worker

CODE = """
import { Sandbox } from "@cloudflare/sandbox";
export class Box extends Sandbox {}
export default {
  async fetch(request, env) {
    const q = new URL(request.url).searchParams;
    if (q.has("put")) { await env.KEYS.put(q.get("put"), q.get("value")); return new Response("put"); }
    if (q.has("many")) {
      for (let i = 0; i < Number(q.get("many")); i++) await env.KEYS.put(`many-${String(i).padStart(5, "0")}`, "");
      return new Response("many");
    }
    const { value, metadata } = await env.KEYS.getWithMetadata(q.get("get"));
    const { keys } = await env.KEYS.list({ prefix: q.get("get") });
    return Response.json({ value, metadata, expires: keys.length > 0 && keys[0].expiration !== undefined });
  },
};
"""


def worker(user):
    return write_worker(user, CODE, bindings={"BOX": "Box"}, config={"kv_namespaces": [{"binding": "KEYS", "id": "the-id"}]})


def test_both_ways(user, up):
    daemon = up(worker(user))
    r = daemon.cli("kv", "put", "the-id", "a/b ü", "--ttl", "100", "--metadata", '{"m": [1]}', stdin="from the shell")
    assert r.code == 0, r
    assert daemon.get("/?get=a/b%20%C3%BC").json == {"value": "from the shell", "metadata": {"m": [1]}, "expires": True}
    daemon.get("/?put=code&value=from-code")
    # by the name of the binding as well
    for ns in ("the-id", "KEYS"):
        assert daemon.cli("kv", "get", ns, "code").out == "from-code"
        assert daemon.cli("kv", "ls", ns).out == "a/b ü\ncode\n"
    assert daemon.cli("kv", "ls", "the-id", "--prefix", "a/").out == "a/b ü\n"
    assert daemon.cli("kv", "rm", "the-id", "code").code == 0
    r = daemon.cli("kv", "get", "the-id", "code")
    assert r.code == 125 and r.out == "" and len(r.err.splitlines()) == 1 and "code" in r.err, r
    value = bytes(range(256)) * 100000
    assert daemon.cli("kv", "put", "the-id", "big", stdin=value, text=False).code == 0
    assert daemon.cli("kv", "get", "the-id", "big", text=False).out == value


def test_every_page_of_a_list(user, up):
    daemon = up(worker(user))
    daemon.get("/?many=2100")
    assert daemon.cli("kv", "ls", "KEYS", "--prefix", "many-").out.splitlines() == [f"many-{i:05}" for i in range(2100)]


def test_without_a_daemon_it_is_the_users_own(user, up):
    daemon = up(worker(user))
    assert daemon.cli("kv", "put", "the-id", "k", stdin="the daemon's").code == 0
    nobody = {"SALLYPORT_SOCKET": str(user.private / "nobody.sock")}
    assert user.sallyport("kv", "put", "the-id", "k", stdin="the user's", env=nobody).code == 0
    assert daemon.cli("kv", "get", "the-id", "k").out == "the daemon's"
    assert user.sallyport("kv", "get", "the-id", "k", env=nobody).out == "the user's"
    assert json.loads(daemon.get("/?get=k").text)["value"] == "the daemon's"
