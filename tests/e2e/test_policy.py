"""Every row of the truth table and of the glob table, by the whole product: what a request from
inside gets, and what `check` says of it."""
import json

import pytest

import app

HOST = "api.example.test"

# denied, allowed, handler for the host, catch-all, enableInternet -> who answers, by which rule
TRUTH = [
    (["*.example.test"], [HOST], True, True, True, 520, "deniedHosts"),
    (None, ["other.test"], True, True, True, 520, "allowedHosts"),
    (None, [], True, True, True, 520, "allowedHosts"),
    (None, None, True, True, False, 211, "outboundByHost"),
    (None, [HOST], True, True, True, 211, "outboundByHost"),
    (None, None, False, True, False, 212, "outbound"),
    (None, [HOST], False, True, False, 212, "outbound"),
    (None, [HOST], False, False, False, 200, "allowedHosts"),
    (None, None, False, False, True, 200, "enableInternet"),
    (None, None, False, False, False, 520, "enableInternet"),
]

GLOBS = [
    ("example.com", {"example.com": True, "sub.example.com": False}),
    ("*.example.com", {"example.com": False, "api.example.com": True, "a.b.example.com": True}),
    ("*example.com", {"badexample.com": True}),
    ("google.*", {"google.com": True, "google.co.uk": True, "google.evil.com": True}),
    ("api.*.com", {"api.stripe.com": True, "api.stripe.co.uk": False}),
    ("*", {"anything.test": True}),
    ("**", {"anything.test": True}),
    ("a*a", {"a": False, "aa": True}),
    ("10.0.0.*", {"10.0.0.7": True}),
    # What the contract changes on purpose.
    ("10.0.0.0/8", {"10.0.0.7": True, "11.0.0.7": False}),
    ("141.101.64.0/18", {"141.101.127.9": True}),
    ("Example.com", {"example.com": True}),
    ("example.com.", {"example.com": True, "EXAMPLE.com.": True}),
    ("*.", {"example.com": False}),
]


def module(denied=None, allowed=None, by_host=False, catch_all=False, internet=True, static=False):
    fields = [f"enableInternet = {json.dumps(internet)};"]
    if denied is not None:
        fields.append(f"deniedHosts = {json.dumps(denied)};")
    if allowed is not None:
        fields.append(f"allowedHosts = {json.dumps(allowed)};")
    handlers = []
    if by_host:
        handlers.append(("outboundByHost",
                         f'{{ "{HOST}": async () => new Response("per host", {{ status: 211 }}) }}'))
    if catch_all:
        handlers.append(("outbound", 'async () => new Response("catch-all", { status: 212 })'))
    if static:
        fields += [f"static {name} = {value};" for name, value in handlers]
    after = "" if static else "".join(f"Box.{name} = {value};\n" for name, value in handlers)
    return ('import { Container } from "@cloudflare/containers";\n'
            f"export class Box extends Container {{ {' '.join(fields)} }}\n{after}")


@pytest.mark.parametrize("static", [False, True], ids=["assigned", "static"])
def test_truth_table(user, origin, static):
    for i, (denied, allowed, by_host, catch_all, internet, status, rule) in enumerate(TRUTH):
        folder = app.write(user, module(denied, allowed, by_host, catch_all, internet, static),
                           folder=f"row{i}")
        r = user.sallyport("run", "-c", folder, *origin.options(HOST), "--", "curl", "-sS", "-w",
                           " %{http_code}", f"http://{HOST}/", f"https://{HOST}/")
        answers = {200: None, 211: "per host", 212: "catch-all", 520: "Origin is disallowed"}
        assert r.out.count(f" {status}") == 2, (i, r)
        if answers[status] is not None:
            assert r.out == f"{answers[status]} {status}" * 2, (i, r)
        line = json.loads(user.sallyport("check", "-c", folder, "--json", f"http://{HOST}/").out)
        assert line["rule"] == rule, (i, line)
        assert len(origin.requests) == (2 if status == 200 else 0), i
        origin.requests.clear()


def test_glob_table(user):
    for i, (pattern, hosts) in enumerate(GLOBS):
        folder = app.write(user, module(denied=[pattern]), folder=f"glob{i}")
        r = user.sallyport("check", "-c", folder, "--json", *(f"http://{h}/" for h in hosts))
        lines = [json.loads(line) for line in r.out.splitlines()]
        assert [line["decision"] == "deny" for line in lines] == list(hosts.values()), (pattern, r)
        for line in lines:
            if line["decision"] == "deny":
                assert (line["rule"], line["pattern"]) == ("deniedHosts", pattern), line


def test_a_pattern_that_cannot_be_one_is_refused(user):
    for i, pattern in enumerate(["a b.test", "", "http://a.test/", "a.test:80"]):
        folder = app.write(user, module(allowed=[pattern]), folder=f"bad{i}")
        r = user.sallyport("run", "-c", folder, "--", "true")
        assert r.code == 125, r
        assert "allowedHosts" in r.err and "host pattern" in r.err, r
        assert len(r.err.strip().splitlines()) == 1, r
