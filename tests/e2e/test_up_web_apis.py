"""Web APIs through the front door: what is compressed, of fixed length, kept in the cache, hashed as it passes."""
import gzip
import hashlib
import zlib

from daemon import write_worker

WORKER = """
let made = 0;
const pages: Record<string, (request: Request, url: URL) => Response | Promise<Response>> = {
  zip: () => new Response(new Response('zipped '.repeat(1000)).body!.pipeThrough(new CompressionStream('gzip')),
    { headers: { 'content-encoding': 'gzip' }, encodeBody: 'manual' }),
  unzip: (request) => new Response(request.body!.pipeThrough(new DecompressionStream('deflate'))),
  fixed: () => {
    const { readable, writable } = new FixedLengthStream(11);
    new Response('exactly 11.').body!.pipeTo(writable);
    return new Response(readable);
  },
  digest: async (request) => {
    const digest = new crypto.DigestStream('SHA-256');
    await request.body!.pipeTo(digest);
    return new Response(Buffer.from(await digest.digest).toString('hex'));
  },
  upper: (request) => new Response(request.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
    transform(chunk, controller) { controller.enqueue(chunk.toUpperCase()); },
  })).pipeThrough(new TextEncoderStream())),
  cached: async (request, url) => {
    const kept = await caches.default.match(request);
    if (kept) return kept;
    const response = new Response(`made ${++made}`, { headers: { 'cache-control': `max-age=${url.searchParams.get('age')}` } });
    await caches.default.put(request, response.clone());
    return response;
  },
  route: (request) => Response.json(new URLPattern({ pathname: '/route/:id' }).exec(request.url)!.pathname.groups),
};
export default { fetch(request: Request) {
  const url = new URL(request.url);
  return pages[url.pathname.split('/')[1]](request, url);
} };
"""


def test_streams_and_cache(up, user):
    daemon = up(write_worker(user, WORKER))
    zipped = daemon.ask("/zip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == b"zipped " * 1000
    data = bytes(range(256)) * 4096
    assert daemon.ask("/unzip", "POST", zlib.compress(data)).body == data
    fixed = daemon.ask("/fixed")
    assert fixed.headers["content-length"] == "11" and fixed.body == b"exactly 11."
    assert daemon.ask("/digest", "POST", data).text == hashlib.sha256(data).hexdigest()
    assert daemon.ask("/upper", "POST", "straße €".encode()).text == "STRASSE €"
    assert daemon.get("/route/7").json == {"id": "7"}
    assert [daemon.get("/cached?age=60").text for _ in range(3)] == ["made 1"] * 3
    assert [daemon.get("/cached?age=0").text for _ in range(2)] == ["made 2", "made 3"]
