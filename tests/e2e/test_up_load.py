"""A Worker of hono, aws4fetch and jose under load, with redeploys in it: no failed request, memory flat."""
import os
import re
import shutil
import time

from conftest import processes_of

SECONDS = int(os.environ.get("SALLYPORT_LOAD_SECONDS", "60"))


def private_bytes(pid):
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return sum(int(n) for n in re.findall(r"Private_\w+: +(\d+) kB", text)) * 1024


def test_a_minute_under_wrk_with_redeploys(user, up, hono_worker):
    daemon = up(hono_worker)
    assert daemon.get("/").status == 200
    wrk = shutil.which("wrk")
    loads = [user.popen([wrk, "-t1", "-c16", f"-d{SECONDS}s", "--timeout", "10s", f"http://127.0.0.1:{daemon.port}{path}"],
                        text=True) for path in ("/hello/world", "/token")]
    start = time.monotonic()
    runtime = lambda: max(private_bytes(p) for p in processes_of(user, "sallyport-runtime"))
    deploys, after_ten, last = 0, None, 0
    index = hono_worker / "src/index.ts"
    code = index.read_text()
    while time.monotonic() - start < SECONDS - 3:
        time.sleep(2)
        deploys += 1
        index.write_text(code + f"\n// deploy {deploys}\nexport const deployed = {deploys};\n")
        r = daemon.cli("deploy", "-c", hono_worker)
        assert r.code == 0, r
        last = runtime()
        if after_ten is None and time.monotonic() - start > 10:
            after_ten = last
    for load in loads:
        out, err = load.communicate(timeout=SECONDS + 30)
        assert load.returncode == 0, err
        assert "Non-2xx" not in out and "Socket errors" not in out, out
        assert int(re.search(r"(\d+) requests in", out).group(1)) > 1000, out
    assert deploys > SECONDS / 6
    assert last < after_ten * 1.25 + (16 << 20), f"{after_ten >> 20} MiB after ten seconds, {last >> 20} at the end"
    assert daemon.get("/sandbox").text == "from inside\n"
