"""An origin that answers with what it received, byte for byte, and with answers no server library would give."""
import gzip
import json
import socket
import struct
import threading
from urllib.parse import parse_qs, urlsplit


def read_head(stream):
    """The lines of a head without their ends; None at the end of the connection."""
    lines = []
    while True:
        line = stream.readline(65536)
        if not line:
            return None
        line = line.rstrip(b"\r\n")
        if not line:
            return lines
        lines.append(line.decode("latin-1"))


def fields(lines):
    return [[n, v.strip()] for n, _, v in (line.partition(":") for line in lines)]


def value_of(headers, name):
    return next((v for n, v in headers if n.lower() == name), None)


def read_chunked(stream):
    """The body, and whether its last chunk came."""
    body = b""
    while True:
        line = stream.readline(65536)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return body, False
        if size == 0:
            return body, read_head(stream) is not None
        body += stream.read(size)
        if stream.readline(3) != b"\r\n":
            return body, False


def read_body(stream, headers):
    if (value_of(headers, "transfer-encoding") or "").lower() == "chunked":
        return read_chunked(stream)[0]
    return stream.read(int(value_of(headers, "content-length") or 0))


class RawOrigin:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.release = threading.Event()  # /hang answers once it is set
        self.requests = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.release.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        with connection, stream:
            try:
                while self.one(connection, stream):
                    pass
            except OSError:
                pass

    def one(self, connection, stream):
        head = read_head(stream)
        if not head:
            return False
        method, target, _ = head[0].split(" ", 2)
        headers = fields(head[1:])
        body = read_body(stream, headers)
        url = urlsplit(target)
        query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        echo = {"method": method, "target": target, "headers": headers, "body": body.decode("latin-1")}
        self.requests.append(echo)
        answer = getattr(self, "at_" + url.path.strip("/").replace("-", "_"), None)
        status, more, out = (404, [], b"") if answer is None else answer(query, echo)
        if status is None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        reason = query.get("reason", "Some Reason")
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in more), f"X-Method: {method}"]
        if not any(n == "Content-Length" for n, _ in more) and status not in (204, 304):
            lines.append(f"Content-Length: {len(out)}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else out))
        return not url.path.endswith("cut")

    def at_echo(self, query, echo):
        return 200, [("Content-Type", "application/json")], json.dumps(echo).encode()

    def at_redirect(self, query, echo):
        return int(query["status"]), [("Location", query["to"])], b"elsewhere"

    def at_again(self, query, echo):
        left = int(query["n"])
        return (302, [("Location", f"/again?n={left - 1}")], b"") if left else (200, [], b"there")

    def at_status(self, query, echo):
        return int(query["status"]), [], b""

    def at_repeated(self, query, echo):
        return 200, [("X-Twice", "1"), ("X-Twice", "2"), ("Vary", "a"), ("Vary", "b"), ("Set-Cookie", "a=1"),
                     ("Set-Cookie", "b=2")], b"ok"

    def at_gzip(self, query, echo):
        return 200, [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")], gzip.compress(b"plain text", mtime=0)

    def at_gzip_as_bytes(self, query, echo):
        return 200, [("Content-Type", "application/octet-stream")], gzip.compress(b"plain text", mtime=0)

    def at_length(self, query, echo):
        return 200, [("Content-Type", "text/plain")], b"x" * 42

    def at_cut(self, query, echo):
        return 200, [("Content-Length", "1000")], b"x" * 10

    def at_reset(self, query, echo):
        return None, [], b""

    def at_hang(self, query, echo):
        self.release.wait(30)
        return 200, [], b"late"

    def at_high(self, query, echo):
        return 200, [("X-Latin", "\xe9"), ("X-Utf", "\xc3\xa9")], b""
