"""Real clients, unmodified: each trusts the gate with no flag and needs no proxy setting."""
import os
import shutil
import subprocess

import pytest

HOST = "plain.example.test"
URL = f"https://{HOST}/client"

JAVA = """
import java.net.URI; import java.net.http.*;
public class Get { public static void main(String[] a) throws Exception {
  HttpResponse<String> r = HttpClient.newHttpClient().send(
      HttpRequest.newBuilder(URI.create("%s")).build(), HttpResponse.BodyHandlers.ofString());
  System.out.println(r.statusCode() + " " + r.body()); } }
""" % URL

GO = """
package main
import ("fmt"; "io"; "net/http")
func main() { r, err := http.Get("%s"); if err != nil { panic(err) }
  b, _ := io.ReadAll(r.Body); fmt.Println(r.StatusCode, string(b)) }
""" % URL

CLIENTS = {
    "curl": "curl -sS " + URL,
    "wget": "wget -q -O - " + URL,
    "requests": f"/usr/bin/python3 -c \"import requests; print(requests.get('{URL}').text)\"",
    "urllib": f"python3 -c \"import urllib.request as u; print(u.urlopen('{URL}').read().decode())\"",
    "node": f"node -e \"fetch('{URL}').then(r => r.text()).then(t => console.log(t))\"",
    "java": "java Get.java 2>/dev/null",
    "openssl": f"printf 'GET /client HTTP/1.0\\r\\nHost: {HOST}\\r\\n\\r\\n' | "
               f"openssl s_client -quiet -verify_return_error -connect {HOST}:443 2>/dev/null",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_client_trusts_the_gate(user, origin, client):
    user.write("Get.java", JAVA)
    r = user.sallyport("run", "--allow", HOST, *origin.options(HOST), "--", "sh", "-c",
                       CLIENTS[client], timeout=120)
    assert r.code == 0 and '"path": "/client"' in r.out, r


def test_go(user, origin):
    user.write("get.go", GO)
    env = dict(os.environ, GOCACHE=str(user.work / ".gocache"), GOPATH=str(user.work / ".go"),
               GOFLAGS="-mod=mod", GO111MODULE="off", HOME=str(user.work))
    subprocess.run(["go", "build", "-o", "get", "get.go"], cwd=user.work, env=env, check=True)
    shutil.rmtree(user.work / ".go", ignore_errors=True)
    user.own(user.work / "get")
    r = user.sallyport("run", "--allow", HOST, *origin.options(HOST), "--", "./get")
    assert r.code == 0 and '"path": "/client"' in r.out, r


def test_git_clone(user, authority):
    """git over HTTPS from git's own http-backend."""
    import git_origin
    with git_origin.GitOrigin(authority, user.work) as git:
        r = user.sallyport("run", "--allow", "git.example.test", *git.options(), "--", "sh", "-c",
                           "git clone -q https://git.example.test/repo.git copy && cat copy/file",
                           timeout=60)
        assert r.code == 0 and r.out == "from git\n", r


def registry():
    out = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True,
                         check=True).stdout.strip()
    return out


def registry_host():
    return registry().split("://")[1].split("/")[0].split(":")[0]


def npm_environment():
    """What npm is told on this machine, and nothing that would skip the gate."""
    return ["--env", f"npm_config_registry={registry()}", "--env", "npm_config_update_notifier=false"]


@pytest.fixture
def empty_package(user):
    user.write("package.json", '{"name": "x", "version": "1.0.0"}\n')


def private_registry():
    """A registry on a private address is the operator's own: that host must be let through."""
    return ["--allow-private", registry_host()]


def test_npm_install_from_the_real_registry(user, empty_package):
    r = user.sallyport("run", "--allow", registry_host(), *private_registry(), *npm_environment(),
                       "--", "npm", "install", "--no-audit", "--no-fund", "is-number", timeout=120)
    assert r.code == 0, r
    assert (user.work / "node_modules/is-number/package.json").exists()


def test_npm_says_why_when_the_registry_is_not_allowed(user, empty_package):
    r = user.sallyport("run", "--allow", "other.example.test", *npm_environment(), "--", "npm",
                       "install", "--no-audit", "--no-fund", "--fetch-retries=2", "is-number", timeout=60)
    assert r.code != 0 and r.seconds < 5, r
    assert "520" in r.err + r.out or "disallowed" in r.err + r.out, r
