"""An origin on loopback: HTTP and HTTPS with a throw-away CA, everything it received on record."""
import datetime
import hashlib
import http.server
import ipaddress
import json
import socket
import socketserver
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ["*.example.test", "example.test", "*.other.test", "registry.test", "localhost"]


class Authority:
    """A CA for origins, and certificates by it. `file` is for --upstream-ca."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "origin test CA")])
        self.cert = self._build(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), True).sign(self.key, hashes.SHA256())
        self.file = folder / "origin-ca.pem"
        self.file.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))
        self.count = 0

    def _build(self, subject, public, start=-30, days=60, issuer=None):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or self.name)
                .public_key(public).serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=start))
                .not_valid_after(now + datetime.timedelta(days=start + days)))

    def issue(self, names=None, start=-1, days=20, self_signed=False):
        """A PEM file with a chain and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        sans = [x509.DNSName(n) for n in names or NAMES]
        if names is None:
            sans += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1", "192.0.2.9")]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "origin")])
        builder = self._build(subject, key.public_key(), start, days,
                              subject if self_signed else None)
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), False).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        cert = builder.sign(key if self_signed else self.key, hashes.SHA256())
        self.count += 1
        path = self.folder / f"origin-{self.count}.pem"
        path.write_bytes(cert.public_bytes(serialization.Encoding.PEM) +
                         self.cert.public_bytes(serialization.Encoding.PEM) +
                         key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
        return path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def body(self):
        """Reads the whole body; its length and digest, never its bytes."""
        digest, size = hashlib.sha256(), 0
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                left = int(self.rfile.readline().split(b";")[0], 16)
                if left == 0:
                    while self.rfile.readline().strip():
                        pass
                    break
                while left > 0:
                    piece = self.rfile.read(min(left, 65536))
                    left -= len(piece)
                    size += len(piece)
                    digest.update(piece)
                self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left > 0:
                piece = self.rfile.read(min(left, 65536))
                if not piece:
                    break
                left -= len(piece)
                size += len(piece)
                digest.update(piece)
        return size, digest.hexdigest()

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        size, digest = self.body()
        record = {"scheme": self.server.scheme, "method": self.command, "path": self.path,
                  "version": self.request_version, "headers": self.headers.items(), "size": size,
                  "sha256": digest, "peer": self.client_address[1]}
        self.server.owner.requests.append(record)
        path = self.path.split("?")[0]
        if path.startswith("/bytes/"):
            self.stream(int(path.split("/")[2]), chunked=path.endswith("/chunked"))
        elif path.startswith("/status/"):
            self.answer(int(path.split("/")[2]), b"status\n")
        elif path.startswith("/redirect/"):
            self.answer(302, b"", [("Location", path[len("/redirect/"):])])
        elif path == "/hang":
            self.server.owner.release.wait(30)
            self.answer(200, b"late\n")
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
        else:
            out = dict(record, headers=[list(h) for h in record["headers"]])
            self.answer(200, json.dumps(out).encode() + b"\n", [("Content-Type", "application/json"),
                                                               ("X-Origin", "yes")])

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = serve

    def stream(self, total, chunked):
        """total bytes of a pattern that both ends can compute."""
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else
                           ("Content-Length", str(total))))
        self.end_headers()
        sent = 0
        while sent < total:
            piece = PATTERN[:min(len(PATTERN), total - sent)]
            if chunked:
                self.wfile.write(b"%x\r\n" % len(piece))
            self.wfile.write(piece)
            if chunked:
                self.wfile.write(b"\r\n")
            sent += len(piece)
            self.server.owner.streamed = sent
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


PATTERN = bytes(range(256)) * 256


def pattern_sha256(total):
    digest = hashlib.sha256()
    for _ in range(total // len(PATTERN)):
        digest.update(PATTERN)
    digest.update(PATTERN[:total % len(PATTERN)])
    return digest.hexdigest()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, owner, scheme, family, address, context=None):
        self.owner, self.scheme, self.address_family, self.context = owner, scheme, family, context
        super().__init__((address, 0), Handler)

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "origin", self.server_address[1]

    def finish_request(self, request, client_address):
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return
            self.owner.handshakes += 1
        try:
            super().finish_request(request, client_address)
        except OSError:
            pass

    def handle_error(self, request, client_address):
        pass


class Origin:
    """`.http`, `.https` (ports), `.http6`; `.requests` is what came in, in order."""

    def __init__(self, authority, certificate=None):
        self.requests, self.handshakes, self.streamed = [], 0, 0
        self.release = threading.Event()  # /hang answers once it is set
        self.authority = authority
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or authority.issue())
        self.servers = [Server(self, "http", socket.AF_INET, "127.0.0.1"),
                        Server(self, "https", socket.AF_INET, "127.0.0.1", context),
                        Server(self, "http", socket.AF_INET6, "::1")]
        self.http, self.https, self.http6 = (s.server_address[1] for s in self.servers)

    def __enter__(self):
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.release.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def options(self, *hosts, extra_ports=()):
        """The options that lead these hosts here."""
        out = ["--upstream-ca", str(self.authority.file)]
        for host in hosts:
            out += ["--resolve", f"{host}:443:127.0.0.1:{self.https}",
                    "--resolve", f"{host}:80:127.0.0.1:{self.http}"]
            for port in extra_ports:
                out += ["--resolve", f"{host}:{port}:127.0.0.1:{self.https}"]
        return out

    def header(self, name, index=-1):
        """All values of a header of one request."""
        return [v for n, v in self.requests[index]["headers"] if n.lower() == name.lower()]
