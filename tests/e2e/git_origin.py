"""git http-backend behind TLS, with one repository."""
import http.server
import os
import ssl
import subprocess
import threading

from origin import Server


class CgiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (size := int(self.rfile.readline(), 16)) > 0:
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.server.owner.root),
               "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "127.0.0.1",
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
               "GIT_CONFIG_VALUE_0": "*"}
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True,
                             check=True).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(v.split()[0]) for n, v in lines if n == "Status"), 200)
        self.send_response(status)
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


class GitOrigin:
    def __init__(self, authority, folder):
        self.authority, self.root = authority, folder / ".git-origin"
        self.root.mkdir()
        work = self.root / "work"
        run = lambda *argv, cwd: subprocess.run(["git", *argv], cwd=cwd, check=True, capture_output=True)
        run("init", "-q", str(work), cwd=self.root)
        (work / "file").write_text("from git\n")
        run("add", "file", cwd=work)
        run("-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-qm", "one", cwd=work)
        run("clone", "-q", "--bare", str(work), str(self.root / "repo.git"), cwd=self.root)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
        self.handshakes = 0
        self.server = Server(self, "https", 2, "127.0.0.1", context)
        self.server.RequestHandlerClass = CgiHandler

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

    def options(self):
        return ["--upstream-ca", str(self.authority.file), "--resolve",
                f"git.example.test:443:127.0.0.1:{self.server.server_address[1]}"]
