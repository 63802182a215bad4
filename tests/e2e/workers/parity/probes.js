// Small questions about what a handler of the Worker sees and what leaves it. The test asks them of
// workerd and of `sallyport up` and compares the answers. A probe returns JSON, or a Response that is
// compared as it stands on the wire. `echo` at the origin answers with what it received.

const A = 'http://a.example.test', B = 'http://b.example.test';

const seen = async (response) => JSON.parse(await response.text());
// What came to the origin under these names, a line each.
const lines = async (response, ...names) => {
  const { headers } = await seen(response);
  const found = headers.filter(([n]) => names.includes(n.toLowerCase())).map(([n, v]) => [n.toLowerCase(), v]);
  return names.flatMap((name) => found.filter(([n]) => n === name)); // the order of names is nobody's promise
};
const outcome = async (fn) => {
  try {
    return await fn();
  } catch (e) {
    return `threw ${e.name}`;
  }
};
const redirect = (status, to, more = '') => `${A}/redirect?status=${status}&to=${encodeURIComponent(to)}${more}`;
const streamOf = (...chunks) => new ReadableStream({
  start(controller) {
    for (const c of chunks) controller.enqueue(new TextEncoder().encode(c));
    controller.close();
  },
});

let kept = null;
const order = [];

export const probes = {
  // 1. what still runs when the response is done
  timer_after_response() {
    order.length = 0;
    setTimeout(() => order.push('late'), 30);
    return order.length;
  },
  async timer_was_cancelled() {
    await new Promise((resolve) => setTimeout(resolve, 120));
    return order;
  },

  // 2, 7. redirects
  async redirect_drops_authorization_only_there() {
    const response = await fetch(redirect(302, `${A}/echo`), { headers: { authorization: 's', 'x-b': 'c', accept: 'a/b' } });
    return [response.redirected, response.url, await lines(response, 'authorization', 'x-b', 'accept')];
  },
  async redirect_elsewhere() {
    const response = await fetch(redirect(302, `${B}/echo`), { headers: { authorization: 's', accept: 'a/b' } });
    return [response.redirected, response.url, await lines(response, 'authorization', 'accept')];
  },
  redirect_modes(request) {
    return [
      request.redirect, new Request(request).redirect, new Request(`${A}/x`, request).redirect,
      new Request(`${A}/x`).redirect, new Request(new Request(`${A}/x`)).redirect,
      new Request(request, {}).redirect, new Request(request, { method: 'POST' }).redirect,
      new Request(`${A}/x`, { method: request.method, headers: request.headers }).redirect,
      request.clone().redirect, new Request(request, { redirect: 'follow' }).redirect,
    ];
  },
  async redirect_is_passed_on(request) {
    return fetch(new Request(redirect(302, `${A}/echo`), request));
  },
  async redirect_error() {
    return outcome(() => fetch(redirect(302, `${A}/echo`), { redirect: 'error' }));
  },
  redirect_mode_unknown: () => outcome(() => new Request(A, { redirect: 'sometimes' })),
  async redirect_twenty() {
    return (await fetch(`${A}/again?n=20`)).status;
  },
  async redirect_twenty_one() {
    return outcome(async () => (await fetch(`${A}/again?n=21`)).status);
  },
  async redirect_methods() {
    const out = [];
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const response = await fetch(redirect(status, `${A}/echo`), { method, body: 'abc', headers: { 'content-type': 'text/x' } });
        const got = await seen(response);
        out.push([status, method, got.method, got.body]);
      }
    }
    return out;
  },
  async redirect_head() {
    return (await fetch(redirect(303, `${A}/echo`), { method: 'HEAD' })).headers.get('x-method');
  },
  async redirect_content_type() {
    const out = [];
    for (const status of [301, 303, 307]) {
      const response = await fetch(redirect(status, `${A}/echo`), { method: 'POST', body: 'abc', headers: { 'content-type': 'text/x' } });
      out.push(await lines(response, 'content-type', 'content-length'));
    }
    return out;
  },
  async redirect_stream() {
    const out = [];
    for (const status of [301, 302, 303, 307, 308]) {
      out.push(await outcome(async () => (await seen(
        await fetch(redirect(status, `${A}/echo`), { method: 'POST', body: streamOf('abc') }))).body));
    }
    return out;
  },
  async redirect_form_body() {
    const response = await fetch(redirect(307, `${A}/echo`), { method: 'POST', body: new URLSearchParams({ a: 'b' }) });
    return (await seen(response)).body;
  },
  async redirect_other_status() {
    const out = [];
    for (const status of [300, 304, 305]) out.push((await fetch(redirect(status, `${A}/echo`))).status);
    return out;
  },
  async redirect_no_location() {
    return (await fetch(`${A}/status?status=302`)).status;
  },
  async redirect_relative() {
    return (await fetch(redirect(302, 'echo?x#frag'))).url;
  },
  async redirect_fragment() {
    return (await fetch(`${redirect(302, '/echo')}#kept`)).url;
  },
  async redirect_bad_target() {
    return outcome(() => fetch(redirect(302, 'http://[')));
  },

  // 3. repeated Cookie
  cookies_seen: (request) => request.headers.get('cookie'),
  async cookies_forwarded(request) {
    return lines(await fetch(new Request(`${A}/echo`, request)), 'cookie');
  },

  // 4, 10, 16. values and names of headers
  async header_null() {
    const headers = new Headers({ 'x-a': null });
    headers.set('x-b', null);
    headers.set('x-c', undefined);
    headers.append('x-d', 7);
    return lines(await fetch(`${A}/echo`, { headers }), 'x-a', 'x-b', 'x-c', 'x-d');
  },
  async header_appended() {
    const headers = new Headers();
    for (const n of ['X-Unknown', 'accept', 'Accept-Language', 'cache-control', 'Via', 'cookie', 'x-forwarded-for']) {
      headers.append(n, '1');
      headers.append(n, '2');
    }
    return lines(await fetch(`${A}/echo`, { headers }), 'x-unknown', 'accept', 'accept-language', 'cache-control', 'via', 'cookie', 'x-forwarded-for');
  },
  async header_appended_to_the_request(request) {
    const copy = new Request(`${A}/echo`, request);
    copy.headers.append('X-Unknown', '2');
    copy.headers.append('accept', '2');
    return lines(await fetch(copy), 'x-unknown', 'accept');
  },
  header_appended_to_an_answer() {
    const response = new Response(null);
    for (const n of ['X-Unknown', 'vary', 'cache-control', 'set-cookie', 'link', 'www-authenticate']) {
      response.headers.append(n, 'a');
      response.headers.append(n, 'b');
    }
    return response;
  },
  async header_repeated_upstream() {
    const response = await fetch(`${A}/repeated`);
    return [[...response.headers].filter(([n]) => /^(x-|set-cookie|vary)/.test(n)), response.headers.getSetCookie(), response.headers.get('set-cookie')];
  },
  header_passed_repeated: () => fetch(`${A}/repeated`),
  async header_passed_repeated_with_a_change() {
    const response = await fetch(`${A}/repeated`);
    const copy = new Response(response.body, response);
    copy.headers.set('x-more', '1');
    return copy;
  },
  header_iteration() {
    const headers = new Headers([['B', '2'], ['a', '1'], ['Set-Cookie', 'x=1'], ['set-cookie', 'y=2'], ['b', '3']]);
    const all = [];
    for (const [n, v] of headers) {
      all.push([n, v]);
      headers.set('z', '9');
      headers.delete('set-cookie');
    }
    return [all, [...headers.keys()], [...headers.values()], headers.get('SET-COOKIE')];
  },
  header_get_all() {
    const headers = new Headers([['set-cookie', 'x=1'], ['set-cookie', 'y=2']]);
    return [headers.getAll('Set-Cookie'), headers.getSetCookie(), headers.get('set-cookie'), headers.has('SET-cookie')];
  },
  header_values_trimmed: () => [...new Headers({ a: ' \t x \n', b: '' })],
  header_bad_names: () => Promise.all(['', 'a b', 'a:', 'é', 'a\n'].map((n) => outcome(() => [...new Headers({ [n]: 'x' })]))),
  header_bad_values: () => Promise.all(['a\nb', 'a\rb', 'a\0b'].map((v) => outcome(() => new Headers({ a: v })))),
  header_high_values: () => outcome(() => new Headers({ a: 'é' }).get('a')),
  header_wide_values: () => outcome(() => new Headers({ a: 'ſ€' }).get('a')),
  async header_wide_on_the_wire() {
    return lines(await fetch(`${A}/echo`, { headers: { 'x-a': 'ſ€', 'x-b': 'a€é' } }), 'x-a', 'x-b');
  },
  async header_high_on_the_wire() {
    return lines(await fetch(`${A}/echo`, { headers: { 'x-a': 'é' } }), 'x-a');
  },
  async header_high_read() {
    const { headers } = await fetch(`${A}/high`);
    return [headers.get('x-latin'), headers.get('x-utf')];
  },
  header_control: () => Promise.all(['\x01', 'a\x7f'].map((v) => outcome(() => new Headers({ a: v }).get('a')))),
  header_two_of_init: () => [...new Headers([['a', '1'], ['A', '2']])],
  header_record_of_headers: () => [...new Headers(new Map([['a', '1']]))],
  header_bad_init: () => Promise.all([null, 'x', 1, [['a']], [['a', 'b', 'c']]].map((v) => outcome(() => [...new Headers(v)]))),
  header_immutable: (request) => outcome(() => request.headers.set('a', 'b')),
  async header_immutable_response() {
    const response = await fetch(`${A}/echo`);
    const out = [];
    for (const fn of [
      () => response.headers.set('a', 'b'), () => response.clone().headers.set('a', 'b'),
      () => new Response(null, response).headers.set('a', 'b'),
      () => Response.redirect('http://x.example.test/').headers.set('a', 'b'),
      () => Response.json(1).headers.set('a', 'b'), () => new Response('x').clone().headers.set('a', 'b'),
    ]) out.push((await outcome(fn)) ?? 'set');
    return out;
  },

  // 5. what cannot be set
  async host_is_the_urls() {
    return lines(await fetch(`${A}/echo`, { headers: { host: 'other.example.test' } }), 'host');
  },
  host_in_headers: (request) => request.headers.get('host') !== null,
  async length_is_corrected() {
    return lines(await fetch(`${A}/echo`, { method: 'POST', body: 'abc', headers: { 'content-length': '77' } }), 'content-length', 'transfer-encoding');
  },
  async userinfo() {
    const got = await fetch('http://u:p@a.example.test/echo');
    return [new Request('http://u:p@a.example.test/x').url, await lines(got, 'authorization', 'host')];
  },

  // 6. hop by hop
  hop_headers_seen: (request) => ['connection', 'keep-alive', 'te', 'x-named'].map((n) => request.headers.get(n)),
  async hop_headers_forwarded(request) {
    return lines(await fetch(new Request(`${A}/echo`, request)), 'keep-alive', 'te', 'upgrade', 'proxy-connection', 'connection');
  },

  // 8. bodies and their lengths
  body_there: (request) => request.body === null,
  async body_length(request) {
    return lines(await fetch(new Request(`${A}/echo`, request)), 'content-length', 'transfer-encoding');
  },
  async body_forwarded(request) {
    const got = await seen(await fetch(new Request(`${A}/echo`, request)));
    return [got.method, got.body];
  },
  async body_lengths_of_own() {
    const out = [];
    const inits = [{ method: 'OPTIONS' }, { method: 'DELETE' }, { method: 'POST' }, { method: 'PUT' }, { method: 'PATCH' },
      { method: 'GET' }, { method: 'POST', body: '' }, { method: 'POST', body: 'abc' }, { method: 'POST', body: streamOf('abc') },
      { method: 'POST', body: new Uint8Array(5) }, { method: 'DELETE', body: 'x' }, { method: 'OPTIONS', body: '' },
      { method: 'QUERY', body: 'q' }, { method: 'QUERY' }];
    for (const init of inits) out.push(await lines(await fetch(`${A}/echo`, init), 'content-length', 'transfer-encoding', 'content-type'));
    return out;
  },
  async body_types() {
    const out = [];
    for (const body of ['x', new URLSearchParams('a=b'), new Blob(['x'], { type: 'a/b' }), new Blob(['x']), new Uint8Array(1), streamOf('x')]) {
      out.push([new Response(body).headers.get('content-type'), new Request(A, { method: 'POST', body }).headers.get('content-type')]
        .map((v) => v ?? 'none')[0]);
    }
    return out;
  },
  body_of_get: () => outcome(() => new Request(A, { body: 'x' })),
  body_null_given: () => new Request(A, { method: 'POST', body: null }).body,

  // 9. what is used
  used_by_new_request(request) {
    const copy = new Request(request);
    return [request.bodyUsed, copy.bodyUsed];
  },
  async used_original_read(request) {
    const copy = new Request(request);
    return [await outcome(() => request.text()), await outcome(() => copy.text())];
  },
  async used_by_url_and_request(request) {
    const copy = new Request(`${A}/x`, request);
    return [copy.method, await outcome(() => copy.text()), request.bodyUsed];
  },
  async used_by_fetch(request) {
    await fetch(`${A}/echo`, request);
    return [request.bodyUsed, await outcome(() => request.text())];
  },
  async used_twice() {
    const r = new Response('x');
    await r.text();
    return [r.bodyUsed, await outcome(() => r.text()), await outcome(() => r.clone()), await outcome(() => new Response(r.body))];
  },
  used_empty: async () => {
    const r = new Response(null);
    await r.text();
    return [r.bodyUsed, await r.text(), r.body];
  },
  used_null_request: async () => {
    const r = new Request(A);
    await r.text();
    new Request(r);
    return [r.bodyUsed, await r.text()];
  },
  clone_of_incoming: (request) => outcome(() => request.clone().headers.set('a', 'b') ?? 'set'),
  clone_of_own: () => outcome(() => new Request(A).clone().headers.set('a', 'b') ?? 'set'),
  async clone_bodies(request) {
    const copy = request.clone();
    return [await copy.text(), await request.text()];
  },

  // 11. gzip
  async gzip_read() {
    const response = await fetch(`${A}/gzip`);
    return [response.headers.get('content-encoding'), response.headers.get('content-length') !== null, await response.text()];
  },
  gzip_passed: () => fetch(`${A}/gzip`),
  async gzip_passed_with_a_change() {
    const response = await fetch(`${A}/gzip`);
    return new Response(response.body, { headers: { 'content-encoding': 'gzip', 'x-more': '1' } });
  },
  async gzip_text_again() {
    const response = await fetch(`${A}/gzip`);
    return new Response(`${await response.text()}!`, { headers: { 'content-type': 'text/plain' } });
  },
  gzip_of_own_accord: () => new Response('plain text', { headers: { 'content-encoding': 'gzip' } }),
  async gzip_manual() {
    const bytes = await new Response(await (await fetch(`${A}/gzip-as-bytes`)).arrayBuffer()).arrayBuffer();
    return new Response(bytes, { headers: { 'content-encoding': 'gzip' }, encodeBody: 'manual' });
  },
  async gzip_accepted(request) {
    const copy = new Request(`${A}/echo`, request);
    return lines(await fetch(copy), 'accept-encoding');
  },
  async gzip_own_request() {
    return lines(await fetch(`${A}/echo`), 'accept-encoding', 'user-agent', 'accept');
  },
  gzip_of_a_fetched_text: async () => {
    const response = await fetch(`${A}/gzip`);
    return new Response(`${await response.text()}!`, response);
  },
  gzip_without_a_body: () => new Response(null, { headers: { 'content-encoding': 'gzip' } }),
  brotli_of_own_accord: () => new Response('plain text', { headers: { 'content-encoding': 'br' } }),
  deflate_of_own_accord: () => new Response('plain text', { headers: { 'content-encoding': 'deflate' } }),
  gzip_stream_of_own_accord: () => new Response(streamOf('plain ', 'text'), { headers: { 'content-encoding': 'gzip' } }),
  gzip_encoding_dropped: async () => {
    const response = await fetch(`${A}/gzip`);
    const copy = new Response(response.body, response);
    copy.headers.delete('content-encoding');
    return copy;
  },
  async gzip_of_a_request() {
    const got = await seen(await fetch(`${A}/echo`, { method: 'POST', body: 'abc', headers: { 'content-encoding': 'gzip' } }));
    return [got.body, got.headers.filter(([n]) => /^content-encoding$/i.test(n)).length];
  },
  encode_body_unknown: () => outcome(() => new Response('x', { encodeBody: 'sometimes' }).status),

  // 12. HEAD, broken streams
  head_of_upstream: (request) => fetch(new Request(`${A}/length`, request)),
  async head_own_fetch() {
    const response = await fetch(`${A}/length`, { method: 'HEAD' });
    return [response.headers.get('content-length'), await response.text(), response.body === null];
  },
  head_of_own: () => new Response('hello'),
  head_of_own_stream: () => new Response(streamOf('hello')),
  head_with_length: () => new Response(null, { headers: { 'content-length': '42' } }),
  stream_fails: () => new Response(new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('begin'));
    },
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error('broken'));
    },
  })),
  stream_fails_at_once: () => new Response(new ReadableStream({
    pull() {
      throw new Error('broken');
    },
  })),
  async upstream_cut() {
    return outcome(async () => (await fetch(`${A}/cut`)).text());
  },
  upstream_cut_passed: () => fetch(`${A}/cut`),
  upstream_reset: async () => outcome(() => fetch(`${A}/reset`)),

  // 13. a response of an earlier request
  kept_first() {
    kept = new Response('kept');
    return kept;
  },
  kept_second: () => kept,
  kept_fetched_first: async () => {
    kept = await fetch(`${A}/length`);
    return kept.status;
  },
  kept_fetched_read: () => outcome(() => kept.text()),
  kept_fetched_second: () => kept,

  // 14. odds of Response and Request
  json_undefined: () => outcome(() => Response.json(undefined)),
  json_function: () => outcome(() => Response.json(() => 1)),
  json_types: () => [Response.json(1).headers.get('content-type'), Response.json(1, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'),
    Response.json(1, { status: 201, statusText: 'x' }).statusText],
  strings_as_an_answer: () => new Response(new ReadableStream({
    start(controller) {
      controller.enqueue('text');
      controller.close();
    },
  })),
  iterable_as_an_answer: () => new Response((async function* () {
    yield 'a';
    yield 'b';
  })()),
  stream_of_strings: () => outcome(() => new Response(new ReadableStream({
    start(controller) {
      controller.enqueue('text');
      controller.close();
    },
  })).text()),
  async_iterable: () => new Response((async function* () {
    yield new TextEncoder().encode('a');
    yield new TextEncoder().encode('b');
  })()).text(),
  async_iterable_of_strings: () => outcome(() => new Response((async function* () {
    yield 'a';
    yield 'b';
  })()).text()),
  statuses_of_strings: () => Promise.all(['404', '4e2', true, [201]].map((status) => outcome(() => new Response(null, { status }).status))),
  methods: () => ['patch', 'PATCH', 'get', 'post', 'Delete', 'options', 'head', 'put'].map((method) => new Request(A, { method }).method),
  method_odd: () => Promise.all(['chicken', 'a b', '', 'CONNECT', 'TRACE', 'track'].map((method) => outcome(() => new Request(A, { method }).method))),
  statuses: () => Promise.all([100, 101, 199, 200, 204, 205, 304, 599, 600, 999, 0, 'x', 200.5, '201', null].map(
    (status) => outcome(() => new Response(null, { status }).status))),
  null_body_statuses: () => Promise.all([101, 204, 205, 304].map((status) => outcome(() => new Response('x', { status }).status))),
  null_body_empty: () => Promise.all([204, 205, 304].map((status) => outcome(() => new Response('', { status }).status))),
  status_texts: () => [new Response('').statusText, new Response('', { status: 404 }).statusText, new Response('', { status: 299 }).statusText,
    new Response('', { statusText: 'Odd' }).statusText],
  status_text_bad: () => outcome(() => new Response('', { statusText: 'a\nb' })),
  async status_text_fetched() {
    return (await fetch(`${A}/status?status=404&reason=Gone+Fishing`)).statusText;
  },
  response_facts: () => {
    const r = new Response('x');
    return [r.type, r.url, r.redirected, r.ok, r.webSocket, r.bodyUsed, String(r), typeof r.cf];
  },
  response_error: () => outcome(() => [Response.error().status, Response.error().type]),
  response_redirect: () => Promise.all([[`${A}/x`], [`${A}/x`, 301], [`${A}/x`, 200], ['/x']].map(
    (args) => outcome(() => [Response.redirect(...args).status, Response.redirect(...args).headers.get('location')]))),
  request_facts: (request) => {
    const r = new Request(`${A}/x#f`);
    return [r.url, r.method, r.redirect, r.body, r.bodyUsed, String(r), request.url, request.keepalive, r.integrity, r.keepalive];
  },
  request_bad_urls: () => Promise.all(['', 'x', '/x', 'ftp://x/', 'http://', 'data:,x'].map((u) => outcome(() => new Request(u).url))),
  fetch_bad_urls: () => Promise.all(['', 'x', '/x', 'ftp://x/', 'http://'].map((u) => outcome(() => fetch(u)))),
  signal_aborted: () => outcome(() => fetch(`${A}/echo`, { signal: AbortSignal.abort() })),
  signal_reason: () => outcome(() => fetch(`${A}/echo`, { signal: AbortSignal.abort(new RangeError('mine')) })),
  signal_timeout: () => outcome(() => fetch(`${A}/hang`, { signal: AbortSignal.timeout(50) })),
  async signal_abort_later() {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    return outcome(() => fetch(`${A}/hang`, { signal: controller.signal }));
  },
  returns_nothing: () => undefined,
  not_a_response: () => ({ raw: 'not a Response' }),
  throws: () => {
    throw new Error('thrown');
  },

  // 15. of Node
  timer_objects: () => {
    const timer = setTimeout(() => {}, 1000);
    clearTimeout(timer);
    return [typeof timer, typeof timer.ref, typeof timer.unref, typeof timer.hasRef, typeof timer.refresh, typeof timer[Symbol.toPrimitive]];
  },
  async timer_is_cleared() {
    const ran = [];
    const a = setTimeout(() => ran.push('a'), 5);
    clearTimeout(a);
    const b = setTimeout(() => ran.push('b'), 5);
    clearTimeout(Number(b));
    const c = setInterval(() => ran.push('c'), 5);
    clearInterval(c);
    setTimeout((...args) => ran.push(args), 1, 1, 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    return ran;
  },
  // 16. hosts
  async trailing_dot() {
    const response = await fetch('http://a.example.test./echo');
    return [new URL('http://a.example.test./x').hostname, new Request('http://a.example.test./x').url, await lines(response, 'host')];
  },
  hosts_refused: () => Promise.all(['http://*.example.test/', 'http://a!b.example.test/', 'http://a_b.example.test/x'].map(
    async (u) => [new URL(u).host, await outcome(async () => (await fetch(u)).status)])),

  eval_refused: () => Promise.all([() => eval('1'), () => new Function('return 1')()].map(outcome)),
  strict_mode: () => Promise.all([() => (function () { return typeof this; })(), () => { undeclared = 1; }, () => { Object.freeze([]).push(1); }].map(outcome)),
  fetch_of_other_schemes: () => Promise.all(['ftp://a.example.test/', 'data:,x'].map((u) => outcome(() => fetch(new Request(u))))),
};

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(1);
    if (!Object.hasOwn(probes, name)) return new Response('no such probe', { status: 404 });
    if (searchParams.has('bare')) return probes[name](request, env, ctx);
    try {
      const value = await probes[name](request, env, ctx);
      return value instanceof Response ? value : new Response(JSON.stringify({ value }), { headers: { 'x-json': '1' } });
    } catch (e) {
      return new Response(JSON.stringify({ threw: String(e) }), { headers: { 'x-json': '1' } });
    }
  },
};
