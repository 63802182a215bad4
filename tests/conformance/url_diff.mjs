// url_diff.mjs FOLDER URL-DRIVER COUNT [--seed N]
// Random URLs, bases and setter calls: proto/url must say what whatwg-url says, in every part.
import { drive, installed, random, seeds } from './lines.mjs';

const [folder, driver, count] = process.argv.slice(2);
const { URL } = await import(installed(folder, 'whatwg-url'));

const parts = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
const setters = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

const schemes = ['http', 'https', 'HTTP', 'ws', 'wss', 'ftp', 'file', 'blob', 'data', 'mailto', 'sc', 'a+b', 'h\tttp', '1x', ''];
const slashes = ['//', '/', '', '\\\\', '///', '/\\', '\\', '//\t/'];
const users = ['', 'u@', 'u:p@', ':@', ':p@', '@', 'a b:c/d@', 'ü:%zz@', 'a@b@', 'u:p:q@', '\u0000@'];
const hosts = [
  'example.com', 'EXAMPLE.com.', 'a.b', '', '127.0.0.1', '127.1', '0x7f.1', '017700000001', '4294967295', '4294967296', '1.2.3.4.5',
  '256.1.1.1', '0x', '0xg', '1.2.3.09', '1..2', '.', '..', 'a..b', '[::1]', '[1:2:3:4:5:6:7:8]', '[::ffff:1.2.3.4]', '[::1.2.3]', '[:]',
  '[1::2::3]', '[1:2:3:4:5:6:1.2.3.4]', '[::12345]', '[fe80::1%25x]', '[::', '::1', 'ex%41mple', 'a%2eb', 'a%00b', 'a%', '%zz', 'a b', 'a<b',
  'a^b', 'a|b', 'bücher.de', 'faß.de', '日本。jp', 'xn--bcher-kva.de', 'xn--a', 'xn--', 'XN--x', 'ａ.com', '％41', 'a\u00adb', '\u00ad',
  'ß', 'İ.com', 'a\u200db', 'अ\u094d\u200dक', '\u05d0.a', 'a\u05d0', '1\u0661', '\u0661', 'א1', 'Ⅷ.com', 'C:', 'c|', 'localhost', 'LOCALHOST',
  'a_b', '-a-', 'a*b', '!', "it's", '~', 'a`b', '{x}', 'a"b', '\u{1f600}.x', 'x'.repeat(64) + '.y', '0', '00', '1.0x10.3', '192.168.257',
  '\u2260', 'a\u0338', '9.\u0660', '\uff0e', 'ẞ.x', '\u04c0', 'xn--.ß', 'xn--a.ß', 'a.b.\u2488c',
];
const ports = ['', ':', ':80', ':443', ':21', ':0', ':00080', ':65535', ':65536', ':8a', ':\t8', ':-1', ': 1', ':99999999999', ':８'];
const segments = ['a', '', '.', '..', '%2e', '%2E%2e', '.%2e', 'a b', 'ä', '%zz', '%', 'C:', 'c|', 'C', 'a\\b', '...', '{x}', '^`|', '"<>', '\u0000', '\u007f', '~', "'", ';=', '@:'];
const queries = ['', '?', '?a=b', "?'\"<>#", '?ä%zz', '??', '?\u0000\u007f', '? ', '?a b&c=d', '?`{}|\\^'];
const hashes = ['', '#', '#a', '#`"<> ', '#ü#', '#%', '#\t\n', '#{}|\\^'];
const bases = [
  null, null, 'http://base.com/a/b/c?q#f', 'https://u:p@base.com:8443/x', 'file:///C:/a/b', 'file://host/a/b', 'file:///', 'mailto:x@y', 'data:a b?q#f',
  'sc://h:9/a/b?q', 'sc:/a/b', 'sc:/.//b', 'ws://x', 'sc://h', 'blob:https://a.com:8443/id', 'about:blank', 'sc:op  ?q',
];
const odd = ['\t', '\n', ' ', '\u0000', '/', '\\', '?', '#', '@', ':', '[', ']', '%', '.', '|', 'é', '\ufeff', '\u{10ffff}', '\ufffd', '<', '^', '1', 'x', '-'];

function mutate(r, text) {
  const chars = [...text];
  for (let n = r.below(3); n > 0; n--) {
    const at = r.below(chars.length + 1);
    if (r.chance(60)) chars.splice(at, 0, r.pick(odd));
    else chars.splice(at, 1);
  }
  return chars.join('');
}

function path(r) {
  let text = '';
  for (let n = r.below(5); n > 0; n--) text += (r.chance(90) ? '/' : '\\') + r.pick(segments);
  return r.chance(20) ? text.slice(1) : text;
}

const port = (r) => (r.chance(70) ? '' : r.pick(ports));
const tail = (r) => (r.chance(60) ? '' : r.pick(queries)) + (r.chance(70) ? '' : r.pick(hashes));

function input(r) {
  const kind = r.below(10);
  let text;
  if (kind < 6) text = r.pick(schemes) + (r.chance(95) ? ':' : '') + r.pick(slashes) + (r.chance(70) ? '' : r.pick(users)) + r.pick(hosts) + port(r) + path(r) + tail(r);
  else if (kind < 8) text = r.pick(slashes) + (r.chance(50) ? r.pick(hosts) + port(r) : '') + path(r) + tail(r);
  else text = r.pick(schemes) + ':' + r.pick(segments) + path(r) + (r.chance(30) ? '   ' : '') + tail(r);
  return r.chance(30) ? mutate(r, text) : text;
}

function value(r, setter) {
  const plain = {
    href: () => input(r),
    protocol: () => r.pick(schemes) + r.pick(['', ':', ':x', '://']),
    username: () => r.pick(users),
    password: () => r.pick(users),
    host: () => r.pick(hosts) + port(r) + (r.chance(20) ? path(r) : ''),
    hostname: () => r.pick(hosts) + (r.chance(10) ? port(r) : ''),
    port: () => r.pick(ports).slice(1) + (r.chance(10) ? '/x' : ''),
    pathname: () => path(r),
    search: () => r.pick(queries),
    hash: () => r.pick(hashes),
  }[setter]();
  return r.chance(20) ? mutate(r, plain) : plain;
}

function makeCase(r) {
  const steps = [];
  for (let n = r.below(4); n > 0; n--) {
    const setter = r.pick(setters);
    steps.push([setter, value(r, setter)]);
  }
  return [input(r), r.pick(bases), steps];
}

function expected([text, base, steps]) {
  let url;
  try {
    url = new URL(text, base ?? undefined);
  } catch {
    return null;
  }
  const all = [parts.map((p) => url[p])];
  for (const [setter, v] of steps) {
    try {
      url[setter] = v;
    } catch (e) {
      if (setter !== 'href') throw e;
    }
    all.push(parts.map((p) => url[p]));
  }
  return all;
}

let failed = 0;
for (const seed of seeds(process.argv)) {
  const r = random(seed);
  const cases = Array.from({ length: Number(count) }, () => makeCase(r));
  const answers = await drive(driver, cases);
  let valid = 0;
  let wrong = 0;
  cases.forEach((c, i) => {
    const want = expected(c);
    valid += want !== null;
    if (JSON.stringify(want) === JSON.stringify(answers[i])) return;
    if (wrong++ < 10) console.log(`differs: ${JSON.stringify(c)}\n  want ${JSON.stringify(want)}\n  have ${JSON.stringify(answers[i])}`);
  });
  console.log(`url against whatwg-url: seed ${seed}, ${cases.length} cases (${valid} valid), ${wrong} differences`);
  failed += wrong;
}
process.exit(failed === 0 ? 0 : 1);
