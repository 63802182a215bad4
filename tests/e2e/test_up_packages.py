"""npm packages as wrangler's users have them, in a Worker that `up` serves: hono, aws4fetch, jose."""
import re


def test_hono_aws4fetch_and_jose(up, hono_worker):
    daemon = up(hono_worker)
    root = daemon.get("/")
    assert root.text == "hono" and root.headers["x-served-by"] == "hono"
    assert daemon.get("/hello/world").json == {"hello": "world"}
    assert daemon.get("/stream").text == "one two three"
    assert daemon.get("/logged").text == "logged"
    assert daemon.ask("/echo", "POST", '{"a":[1]}', {"content-type": "application/json"}).json == {"a": [1]}
    assert daemon.ask("/nowhere").status == 404
    assert daemon.get("/token").text == "load"
    assert re.fullmatch(r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-east-1/s3/aws4_request, "
                        r"SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}", daemon.get("/signed").text)
    checks = daemon.get("/checks").json
    assert checks["failed"] == {} and checks["checks"] == 13


def test_its_sandbox(up, hono_worker):
    assert up(hono_worker).get("/sandbox").text == "from inside\n"
