"""What a Worker's fetch() sees and what leaves it, asked of workerd and of `sallyport up`: the same answers, but for the
list of DIFFERENT ones, each with its reason, each met."""
import io
import json
import re
import shutil
import socket
import subprocess

import pytest

from conftest import ROOT, WORKERS, wait_for
from raw_origin import RawOrigin, fields, read_chunked, read_head, value_of

HOSTS = ("a.example.test", "b.example.test", "a_b.example.test")
DATE = "2026-11-17"  # the compatibility date of both
CODE = {name: (WORKERS / "parity" / f"{name}.js").read_text() for name in ("probes", "values")}
CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main),
              (name = "origin", external = (address = "127.0.0.1:%d", http = (style = host)))],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "%s", globalOutbound = "origin"
);
"""

POST = {"method": "POST", "body": b"abc", "headers": [("Content-Type", "text/x")]}
EMPTY = [("Content-Length", "0")]
HOP = [("Connection", "keep-alive, x-named"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("X-Named", "v")]
COOKIES = [("Cookie", "a=1"), ("Cookie", "b=2")]
HEAD = {"method": "HEAD"}
# Probes that want a request of their own, one or several: `probe what`. `bare` lets an error through to the runtime.
REQUESTS = {
    "cookies_seen": {"headers": COOKIES},
    "cookies_forwarded": {"headers": COOKIES},
    "header_appended_to_the_request": {"headers": [("x-unknown", "1"), ("accept", "1")]},
    "hop_headers_seen": {"headers": HOP},
    "hop_headers_forwarded": {"headers": HOP},
    "body_there post 0": {"method": "POST", "headers": EMPTY},
    "body_there post": {"method": "POST"},
    "body_there get 0": {"headers": EMPTY},
    "body_there get": {},
    "body_there get 3": {"body": b"abc"},
    "body_length post 0": {"method": "POST", "headers": EMPTY},
    "body_length post": {"method": "POST"},
    "body_length options": {"method": "OPTIONS"},
    "body_length delete": {"method": "DELETE"},
    "body_length get 0": {"headers": EMPTY},
    "body_length get": {},
    "body_length post 3": POST,
    "body_length post chunked": {"method": "POST", "chunked": b"abc"},
    "body_forwarded get": {"body": b"abc"},
    "body_forwarded post": POST,
    "used_by_new_request": POST,
    "used_original_read": POST,
    "used_by_url_and_request": POST,
    "used_by_fetch": POST,
    "clone_bodies": POST,
    "clone_of_incoming": POST,
    "gzip_accepted with": {"headers": [("Accept-Encoding", "gzip, br")]},
    "gzip_accepted without": {},
    "gzip_of_own_accord asked": {"headers": [("Accept-Encoding", "gzip")]},
    "gzip_of_own_accord": {},
    "head_of_upstream": HEAD,
    "head_of_own": HEAD,
    "head_of_own_stream": HEAD,
    "head_with_length": HEAD,
    **{f"{name} bare": {} for name in ("returns_nothing", "not_a_response", "throws", "upstream_reset", "kept_second",
                                       "kept_fetched_second")},
}


def cases_of(code):
    probes = code.split("export const probes")[1].split("export default")[0]
    return [case for name in re.findall(r"^  (?:async )?(\w+)[(:]", probes, re.M)
            for case in ([c for c in REQUESTS if c.split(" ")[0] == name] or [name])]


FAILED = ["500", [["content-length", "21"]], "Internal Server Error", True]
OURS_FAILED = ["500", [["content-length", "N"], ["content-type", "text/plain;charset=UTF-8"]], "Handler failed (ID)", True]
PLAIN = ["content-type", "text/plain;charset=UTF-8"]
# case: (why, workerd's answer, ours)
DIFFERENT = {
    **{f"{name} bare": ("a failure has an id that the log has", FAILED, OURS_FAILED)
       for name in ("returns_nothing", "not_a_response", "throws", "upstream_reset", "kept_second", "kept_fetched_second")},
    "header_bad_names": ("an empty name and one beyond ASCII cannot be sent", [[["", "x"]], "threw TypeError",
                         "threw TypeError", [["\ufffd", "x"]], "threw TypeError"], ["threw TypeError"] * 5),
    "header_control": ("control bytes are refused", ["\x01", "a\x7f"], ["threw TypeError"] * 2),
    "header_high_on_the_wire": ("what Latin-1 has is one byte, as in the Fetch standard", [["x-a", "Ã©"]], [["x-a", "é"]]),
    "header_high_read": ("bytes are Latin-1, as in the Fetch standard", ["\ufffd", "é"], ["é", "Ã©"]),
    "hop_headers_seen": ("fields of one hop, and those named in Connection, end at the inner door",
                         ["keep-alive, x-named", "timeout=5", "trailers", "v"], [None] * 4),
    "stream_fails_at_once": ("the head does not wait for the first chunk", "closed",
                             ["200", [["transfer-encoding", "chunked"]], "", False]),
    "stream_of_strings": ("a string in a stream is text wherever it is read", "threw TypeError", "text"),
    "async_iterable_of_strings": ("a string in a stream is text wherever it is read", "threw TypeError", "ab"),
    "brotli_of_own_accord": ("only gzip is made; what was not compressed is not called so",
                             ["200", [["content-encoding", "br"], PLAIN, ["transfer-encoding", "chunked"]],
                              "\x85\x04\x80plain text\x03", True],
                             ["200", [["content-length", "10"], PLAIN], "plain text", True]),
    "deflate_of_own_accord": ("only gzip is made; what was not compressed is not called so",
                              ["200", [["content-encoding", "deflate"], ["content-length", "10"], PLAIN], "plain text", True],
                              ["200", [["content-length", "10"], PLAIN], "plain text", True]),
    "method_odd": ("any token but CONNECT, TRACE and TRACK is a method, as in the Fetch standard",
                   ["threw TypeError"] * 4 + ["TRACE", "threw TypeError"], ["chicken"] + ["threw TypeError"] * 5),
    "status_text_fetched": ("reason phrases are not carried", "Gone Fishing", "Not Found"),
    "trailing_dot": ("the canonical host is what is sent", ["a.example.test.", "http://a.example.test./x",
                     [["host", "a.example.test."]]],
                     ["a.example.test.", "http://a.example.test./x", [["host", "a.example.test"]]]),
    "fetch_of_other_schemes": ("only http and https are fetched", ["threw TypeError", {}], ["threw TypeError"] * 2),
}


class Reader(io.RawIOBase):
    """Of a socket: a reset is the end, with what came before it."""

    def __init__(self, connection):
        self.connection = connection

    def readable(self):
        return True

    def readinto(self, to):
        try:
            return self.connection.recv_into(to)
        except ConnectionResetError:
            return 0


def ask(port, case, method="GET", body=b"", headers=(), chunked=None):
    name, _, how = case.partition(" ")
    lines = [f"{method} /{name}{'?bare' if how == 'bare' else ''} HTTP/1.1", "Host: worker.test",
             *(f"{n}: {v}" for n, v in headers)]
    if chunked is not None:
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunked), chunked)
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        with io.BufferedReader(Reader(connection)) as stream:
            return answer(stream, method)


def answer(stream, method):
    """The value of a probe; of a response that is compared itself: status, headers, body, is it whole."""
    head = read_head(stream)
    if head is None:
        return "closed"
    status = head[0].split(" ")[1]
    headers = fields(head[1:])
    whole = True
    if method == "HEAD" or status in ("204", "304"):
        body = b""
    elif value_of(headers, "transfer-encoding"):
        body, whole = read_chunked(stream)
    else:
        length = int(value_of(headers, "content-length") or 0)
        body = stream.read(length)
        whole = len(body) == length
    if value_of(headers, "x-json"):
        got = json.loads(body)
        return got["value"] if "value" in got else got
    seen = sorted([n.lower(), v] for n, v in headers if n.lower() not in ("date", "x-method", "connection"))
    text = body.hex() if body[:2] == b"\x1f\x8b" else body.decode("latin-1")
    failed = re.sub(r"^Handler failed \([0-9a-f]+-\d+\)$", "Handler failed (ID)", text)
    if failed != text:
        seen = [[n, "N" if n == "content-length" else v] for n, v in seen]
    return [status, seen, failed, whole]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def workerd_program(stage):
    """As bench/ pins it."""
    folder = stage / "workerd"
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "bench" / name, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return folder / "node_modules/@cloudflare/workerd-linux-64/bin/workerd"


@pytest.fixture(scope="session")
def workerd(workerd_program, tmp_path_factory):
    """Runs a function of the port of a workerd that serves some code."""
    def run(code, fn):
        folder = tmp_path_factory.mktemp("workerd")
        port = free_port()
        with RawOrigin() as origin:
            (folder / "worker.js").write_text(code)
            (folder / "config.capnp").write_text(CONFIG % (origin.port, port, DATE))
            with open(folder / "log", "wb") as log, \
                    subprocess.Popen([workerd_program, "serve", folder / "config.capnp"], stdout=log, stderr=log) as child:
                try:
                    wait_for(lambda: listens(port) or child.poll() is not None, 20, "workerd")
                    return fn(port)
                finally:
                    child.kill()
    return run


def start_ours(user, up, code, origin=None):
    user.write("worker/wrangler.json", json.dumps({"name": "parity", "main": "probes.js", "compatibility_date": DATE}))
    user.write("worker/probes.js", code)
    hosts = [] if origin is None else [o for h in HOSTS for o in ("--resolve", f"{h}:80:127.0.0.1:{origin.port}")]
    return up(user.work / "worker", *hosts)


def all_answers(port, code):
    return {case: ask(port, case, **REQUESTS.get(case, {})) for case in cases_of(code)}


@pytest.fixture(scope="session")
def theirs(workerd):
    return {name: workerd(code, lambda port, code=code: all_answers(port, code)) for name, code in CODE.items()}


@pytest.mark.parametrize("name", CODE)
def test_the_same_answers(user, up, theirs, name):
    with RawOrigin() as origin:
        ours = all_answers(start_ours(user, up, CODE[name], origin).port, CODE[name])
    wrong = []
    for case, answer_of_theirs in theirs[name].items():
        _, expected_theirs, expected_ours = DIFFERENT.get(case, ("", answer_of_theirs, answer_of_theirs))
        if (answer_of_theirs, ours[case]) != (expected_theirs, expected_ours):
            wrong.append(f"{case}:\n  workerd {answer_of_theirs!r}\n  ours    {ours[case]!r}")
    assert not wrong, "\n".join(wrong)


def test_all_is_asked(theirs):
    cases = [case for answers in theirs.values() for case in answers]
    assert len(cases) == len(set(cases)) > 190 and set(DIFFERENT) <= set(cases) and set(REQUESTS) <= set(cases)


# What may be done while a module is evaluated.
SCOPE = {
    "response": "new Response('x')", "response without a body": "new Response(null)", "response json": "Response.json(1)",
    "response bytes": "new Response(new Uint8Array(2))", "response error": "Response.error()",
    "response redirect": "Response.redirect('http://a.example.test/')", "request": "new Request('http://a.example.test/')",
    "request with a body": "new Request('http://a.example.test/', { method: 'POST', body: 'x' })",
    "headers": "new Headers({ a: 'b' })", "text of nothing": "new Response(null).text()", "uuid": "crypto.randomUUID()",
    "random values": "crypto.getRandomValues(new Uint8Array(2))", "random": "Math.random()", "timeout": "setTimeout(() => {}, 1)",
    "interval": "setInterval(() => {}, 1)", "fetch": "fetch('http://a.example.test/')", "wait": "scheduler.wait(1)",
    "signal of a time": "AbortSignal.timeout(10)", "aborted signal": "AbortSignal.abort()", "controller": "new AbortController()",
    "digest": "crypto.subtle.digest('SHA-256', new Uint8Array(2))",
    "key": "crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['encrypt'])",
    "new key": "crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt'])",
    "stream_body": "new Request('http://a/', { method: 'POST', body: new ReadableStream(), duplex: 'half' })",
    "stream_response": "new Response(new ReadableStream())",
    "promise": "Promise.resolve(3)", "stream": "new ReadableStream({})", "transform": "new TransformStream()",
    "blob": "new Blob(['x'])", "form": "new FormData()", "url": "new URL('http://a/')", "date": "Date.now()",
    "encoder": "new TextEncoder().encode('x')", "clone": "structuredClone({ a: 1 })", "eval": "eval('1')",
    "function": "new Function('return 1')()", "microtask": "queueMicrotask(() => {})",
}
DISALLOWED = ("Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, "
              "and generating random values are not allowed within global scope. To fix this error, perform this operation "
              "within a handler.")


def scope_code():
    tries = [f"try {{\n  const v = await {code};\n  out[{json.dumps(name)}] = typeof v;\n}} catch (e) {{\n"
             f"  out[{json.dumps(name)}] = tell(e);\n}}\n" for name, code in SCOPE.items()]
    return ("const out = {};\nconst tell = (e) => [e.name, e.message.replace(/ https:.*/, '')];\n" + "".join(tries) +
            "export default { fetch: () => Response.json(out, { headers: { 'x-json': '1' } }) };\n")


def test_module_scope(user, up, workerd):
    theirs = workerd(scope_code(), lambda port: ask(port, "/"))
    ours = ask(start_ours(user, up, scope_code()).port, "/")
    assert ours == theirs and set(ours) == set(SCOPE)
    assert ours["response"] == ["Error", DISALLOWED] and ours["digest"] == "object" and ours["headers"] == "object"


@pytest.mark.parametrize("code, column, why", [
    ('new Response("x")', 30, f"Error: {DISALLOWED}"),
    ("crypto.randomUUID()", 33, f"Error: {DISALLOWED}"),
    ("await fetch('http://a.example.test/')", 32, f"Error: {DISALLOWED}"),
    ("await new Promise(() => {})", None, "Top-level await in a module is restricted to promises that are settled at once"),
])
def test_a_module_is_refused(user, code, column, why):
    """By the line as it was written."""
    user.write("worker/index.ts", f"type T = {{ a: string }};\n\nexport const kept: any = {code};\n"
               "export default { fetch: (r: Request): Response => kept };\n")
    r = user.sallyport("up", "-c", user.work / "worker/index.ts", "--listen", "127.0.0.1:0", "--state", user.private / "up-state",
                       env={"SALLYPORT_SOCKET": str(user.private / "up.sock")})
    assert r.code != 0
    place = "" if column is None else rf"\S*index\.ts:3:{column}: "
    assert re.search(f"^sallyport: {place}{re.escape(why)}", r.err, re.M), r.err
