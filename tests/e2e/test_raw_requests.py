"""Requests that two readers could read differently, byte by byte from inside: each is answered by a
refusal, and the origin never sees more requests than were allowed."""
import json

INSIDE = r"""
import json, socket, sys
out = []
for raw in json.load(open("cases.json")):
    s = socket.create_connection(("plain.example.test", 80))
    s.settimeout(10)
    s.sendall(raw.encode("latin-1"))
    s.shutdown(socket.SHUT_WR)
    got = b""
    try:
        while (piece := s.recv(65536)):
            got += piece
    except ConnectionResetError:
        got += b"<RST>"
    out.append(got.decode("latin-1"))
print(json.dumps(out))
"""

HOST = "plain.example.test"
SECOND = f"GET /second HTTP/1.1\r\nHost: {HOST}\r\n\r\n"


def head(*lines, method="POST", target="/first"):
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {HOST}", *lines, "", ""])


REFUSED = {
    "CL and TE": head("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + SECOND,
    "TE and CL": head("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" + SECOND,
    "two CL": head("Content-Length: 0", f"Content-Length: {len(SECOND)}") + SECOND,
    "CL list": head("Content-Length: 0, 5") + SECOND,
    "CL with sign": head("Content-Length: +0") + SECOND,
    "CL in hex": head("Content-Length: 0x0") + SECOND,
    "CL too large": head("Content-Length: 99999999999999999999") + SECOND,
    "TE twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n",
    "TE of another": head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
    "TE with a tail": head("Transfer-Encoding: chunked, identity") + "0\r\n\r\n",
    "TE with vertical tab": head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n",
    "space before colon": head("Content-Length : 5") + "hello" + SECOND,
    "folded field": head("X-A: 1", " Content-Length: 5") + SECOND,
    "bare LF": f"GET /first HTTP/1.1\nHost: {HOST}\n\n",
    "bare CR": f"GET /first HTTP/1.1\r\nHost: {HOST}\r\nX: a\rContent-Length: 5\r\n\r\n",
    "NUL in a field": head("X: a\0b", method="GET"),
    "two Host": head("Host: other.test", method="GET"),
    "no Host": "GET /first HTTP/1.1\r\n\r\n",
    "NUL in Host": "GET /first HTTP/1.1\r\nHost: evil.test\0.example.test\r\n\r\n",
    "space in Host": "GET /first HTTP/1.1\r\nHost: evil.test plain.example.test\r\n\r\n",
    "userinfo in Host": f"GET /first HTTP/1.1\r\nHost: {HOST}@evil.test\r\n\r\n",
    "percent in Host": "GET /first HTTP/1.1\r\nHost: plain%2eexample.test\r\n\r\n",
    "two ports": f"GET /first HTTP/1.1\r\nHost: {HOST}:80:443\r\n\r\n",
    "target of another host": f"GET http://evil.test/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "backslash and userinfo": f"GET http://evil.test\\@{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "fragment": head(method="GET", target="/first#x"),
    "space in target": head(method="GET", target="/first x"),
    "HTTP/2 by name": f"GET /first HTTP/2.0\r\nHost: {HOST}\r\n\r\n",
    "lower-case version": f"GET /first http/1.1\r\nHost: {HOST}\r\n\r\n",
    "chunk size signed": head("Transfer-Encoding: chunked") + "-1\r\n\r\n",
    "chunk size with space": head("Transfer-Encoding: chunked") + "5 \r\nhello\r\n0\r\n\r\n",
    "chunk without CRLF": head("Transfer-Encoding: chunked") + "5\r\nhelloX0\r\n\r\n",
    "chunk size over 64 bit": head("Transfer-Encoding: chunked") + "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "framing in trailers": head("Transfer-Encoding: chunked") + "0\r\nContent-Length: 5\r\n\r\n",
    "TRACE": head(method="TRACE"),
}

# What a strict reader takes, and how many requests reach the origin by it.
TAKEN = {
    "pipelined": (head(method="GET") + SECOND, ["/first", "/second"]),
    "GET with a body": (head(f"Content-Length: {len(SECOND)}", method="GET") + SECOND, ["/first"]),
    "h2c upgrade": (head("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings",
                         "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", method="GET"), ["/first"]),
    "field named in Connection": (head("Connection: x-secret, close", "X-Secret: 1", method="GET"),
                                  ["/first"]),
    "CRLF first": ("\r\n" + head(method="GET"), ["/first"]),
}


def run(user, origin, cases):
    user.write("cases.json", json.dumps(cases))
    user.write("inside.py", INSIDE)
    r = user.sallyport("run", "--allow", HOST, *origin.options(HOST), "--", "python3", "inside.py",
                       timeout=120)
    assert r.code == 0, r
    return json.loads(r.out)


def test_what_two_readers_could_read_differently_is_refused(user, origin):
    answers = run(user, origin, list(REFUSED.values()))
    for name, answer in zip(REFUSED, answers):
        status = answer.split(" ")[1] if answer.startswith("HTTP/1.1 ") else answer
        assert status in ("400", "405", "501", "505", "<RST>"), (name, answer)
        assert answer.count("\nHTTP/1.1 ") == 0, (name, answer)
    assert origin.requests == [], origin.requests


def test_one_request_in_is_one_request_out(user, origin):
    for name, (raw, expected) in TAKEN.items():
        (answer,) = run(user, origin, [raw])
        assert answer.count("HTTP/1.1 200") == len(expected), (name, answer)
        assert [q["path"] for q in origin.requests] == expected, (name, origin.requests)
        for request in origin.requests:
            sent = {n.lower() for n, _ in request["headers"]}
            assert not sent & {"upgrade", "http2-settings", "x-secret", "connection"}, (name, sent)
        origin.requests.clear()
