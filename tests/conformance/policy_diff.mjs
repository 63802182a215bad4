// policy_diff.mjs FOLDER POLICY-DRIVER COUNT [--seed N]
// Random configurations and hosts: policy must decide as ContainerProxy of @cloudflare/containers
// does, except for the differences listed below, and there it must be exactly that difference.
import { register } from 'node:module';
import { drive, installed, random, seeds } from './lines.mjs';

const [folder, driver, count] = process.argv.slice(2);
register('./stubs/loader.mjs', import.meta.url);
const { Container, ContainerProxy } = await import(installed(folder, '@cloudflare/containers'));

// ---- the differences that the contract makes on purpose ----------------------------------------
// Each changes what the oracle is given so that its answer becomes ours; `why` is the reason.

const lower = (p) => {
  const s = p.toLowerCase();
  return /[^.*]\.$/.test(s) ? s.slice(0, -1) : s;
};
const mapPatterns = (c, f, listOnly) => ({
  ...c,
  allowed: c.allowed?.map(f),
  denied: c.denied?.map(f),
  hosts: listOnly ? c.hosts : c.hosts.map(f),
  overrides: listOnly ? c.overrides : c.overrides.map((o) => ({ ...o, host: f(o.host) })),
});

const ipv4 = (text) => (/^\d+\.\d+\.\d+\.\d+$/.test(text) ? text.split('.').reduce((n, p) => n * 256 + Number(p), 0) : null);
const inCidr = (host, cidr) => {
  const m = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
  const addr = ipv4(host);
  if (m === null || addr === null) return false;
  const size = 2 ** (32 - Number(m[2]));
  return Math.floor(addr / size) === Math.floor(ipv4(m[1]) / size);
};
// An IPv6 literal that carries an IPv4 address, as the URL standard writes it.
const embedded = (host) => {
  const m = /^\[(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host);
  if (m === null) return null;
  const [a, b] = [parseInt(m[1], 16), parseInt(m[2], 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
};
const hostname = (host) => new URL(`http://${host}/`).hostname;

const differences = [
  {
    name: 'v4-mapped',
    why: 'a v4-mapped literal is the IPv4 address, in a host and in a pattern',
    apply: (c, host) => {
      const v4 = (p) => (/^\[::ffff:/i.test(p) ? embedded(hostname(p)) : null);
      return { ...mapPatterns(c, (p) => v4(p) ?? p), host: v4(host) ?? undefined };
    },
  },
  {
    name: 'IPv4 in IPv6',
    why: 'an IPv6 literal that stands for a denied IPv4 address is denied like it',
    apply: (c, host) => {
      const v4 = embedded(hostname(host));
      const self = (p) => (v4 !== null && (glob(lower(p), v4) || inCidr(v4, p)) ? hostname(host) : p);
      return { ...c, denied: c.denied?.map(self) };
    },
  },
  {
    name: 'case and trailing dot',
    why: 'a pattern is lower-cased and loses one trailing dot that follows a label, as the host is',
    apply: (c) => mapPatterns(c, lower),
  },
  {
    name: 'CIDR in lists',
    why: 'a list entry like 10.0.0.0/8 is matched against IP literals',
    apply: (c, host) => {
      const target = hostname(c.host ?? host).replace(/\.$/, '');
      return mapPatterns(c, (p) => (inCidr(target, p) ? target : p), true);
    },
  },
  {
    name: 'own keys only',
    why: 'a host such as `constructor` is not found among the keys that every object inherits',
    apply: (c) => ({ ...c, ownKeys: true }),
  },
  {
    name: 'lost handler denies',
    why: 'a stored handler name that the code no longer has denies; upstream falls through and fails open',
    apply: (c) => ({ ...c, lostDenies: true }),
  },
  {
    name: 'canonical patterns',
    why: 'a pattern that spells an address or a name another way means the canonical host',
    apply: (c) => mapPatterns(c, (p) => (/[*/]/.test(p) ? p : (tryHostname(p) ?? p))),
  },
];
const glob = (pattern, value) => new RegExp(`^${pattern.split('*').map((s) => s.replace(/[.[\]]/g, '\\$&')).join('.*')}$`).test(value);
const tryHostname = (p) => {
  try {
    return hostname(p.replace(/([^.])\.$/, '$1'));
  } catch {
    return null;
  }
};

// ---- the oracle --------------------------------------------------------------------------------

let classes = 0;
globalThis.fetch = async () => 'internet';

function plain(c, entries) {
  const object = Object.fromEntries(entries);
  return c.ownKeys ? Object.setPrototypeOf(object, null) : object;
}

async function oracle(c, host) {
  const name = `Box${classes++}`;
  const Box = { [name]: class extends Container {} }[name];
  const target = c.host ?? host;
  const handler = (tag) => (request, env, ctx) => (ctx.params === undefined ? tag : `${tag} ${JSON.stringify(ctx.params)}`);
  if (c.hosts.length > 0) Box.outboundByHost = plain(c, c.hosts.map((h, i) => [h, handler(`byhost ${i}`)]));
  const named = c.handlers.map((h) => [h, handler(`named ${h}`)]);
  if (c.lostDenies) {
    const used = [...c.overrides.map((o) => o.method), ...(c.override ? [c.override.method] : [])];
    for (const m of used) if (!c.handlers.includes(m)) named.push([m, () => 'deny']);
  }
  Box.outboundHandlers = Object.fromEntries(named);
  if (c.outbound) Box.outbound = handler('outbound');
  if (c.ownKeys && Box.outboundHandlers) Object.setPrototypeOf(Box.outboundHandlers, null);
  const entry = (o) => (o.params === undefined ? { method: o.method } : { method: o.method, params: o.params });
  const props = {
    className: name,
    containerId: 'id',
    enableInternet: c.internet,
    allowedHosts: c.allowed,
    deniedHosts: c.denied,
    outboundByHostOverrides: plain(c, c.overrides.map((o) => [o.host, entry(o)])),
    outboundHandlerOverride: c.override && entry(c.override),
    interceptAll: c.interceptAll,
  };
  try {
    const answer = await new ContainerProxy({ props }, {}).fetch({ url: `http://${target}/` });
    if (typeof answer === 'string') return answer;
    if (answer?.status === 520 && (await answer.text()) === 'Origin is disallowed') return 'deny';
    return 'nonsense'; // an inherited key was called as a handler
  } catch {
    return 'nonsense';
  }
}

// ---- random configurations ---------------------------------------------------------------------

const labels = ['api', 'www', 'a', 'b', 'example', 'evil', 'x-1', '_dmarc'];
const tops = ['com', 'net', 'co.uk', 'internal'];
const plainHosts = ['localhost', 'constructor', '__proto__', 'valueof', 'hasownproperty', '10.0.0.7', '10.1.2.3', '192.168.1.1', '8.8.8.8', '[::1]', '[2600::5]', '[::ffff:10.0.0.7]', '[64:ff9b::808:808]'];
const names = ['allow', 'noHttp', 'log', 'toString', 'constructor'];

function host(r) {
  if (r.chance(20)) return r.pick(plainHosts);
  let text = r.pick(tops);
  for (let n = 1 + r.below(3); n > 0; n--) text = `${r.pick(labels)}.${text}`;
  return text;
}

function pattern(r, hosts, list) {
  let p = r.chance(70) ? r.pick(hosts) : host(r);
  if (p.startsWith('[')) p = hostname(p);
  if (list && r.chance(8)) return r.pick(['10.0.0.0/8', '10.0.0.0/30', '192.168.0.0/16', '8.8.8.8/32', '0.0.0.0/0', '10.0.0.7/31']);
  if (r.chance(4)) return r.pick(['*', '**', '*.*', 'a*a', '*a*', '*.', '.', 'com', '*com', '10.0.0.*', '0x0a.0.7', 'Bücher.example', '0X7F.1', 'a..b', '.com']);
  const isName = !p.startsWith('[');
  const parts = p.split('.');
  if (isName && r.chance(35)) {
    const at = r.below(parts.length);
    const cut = r.below(parts[at].length + 1);
    parts[at] = r.pick(['*', '*' + parts[at].slice(cut), parts[at].slice(0, cut) + '*', parts[at].slice(0, cut) + '*' + parts[at].slice(cut)]);
    if (r.chance(30)) parts.splice(r.below(parts.length), 1, '*');
  }
  p = parts.join('.');
  if (isName && r.chance(12)) p = p.replace(/[a-z]/, (ch) => ch.toUpperCase());
  if (isName && r.chance(8)) p += '.';
  return p;
}

function unique(list, key) {
  const seen = new Set();
  return list.filter((x) => !seen.has(key(x)) && seen.add(key(x)));
}
const some = (r, max, make) => Array.from({ length: r.below(max + 1) }, make);

function makeCase(r) {
  const hosts = [host(r), host(r), host(r)];
  const list = () => some(r, 4, () => pattern(r, hosts, true));
  // The same key in two spellings is one key to us and two to upstream: not drawn.
  const spelled = (p) => {
    const name = tryHostname(lower(p)) ?? lower(p);
    return name.startsWith('[::ffff:') ? embedded(name) : name;
  };
  const keys = unique(some(r, 3, () => pattern(r, hosts, false)), spelled);
  const overrides = unique(some(r, 3, () => ({ host: pattern(r, hosts, false), ...selection(r) })), (o) => spelled(o.host));
  const c = {
    allowed: r.chance(50) ? undefined : list(),
    denied: r.chance(50) ? undefined : list(),
    hosts: r.chance(40) ? [] : keys,
    handlers: names.filter(() => r.chance(60)),
    outbound: r.chance(30),
    internet: r.chance(60),
    overrides: r.chance(50) ? [] : overrides,
    override: r.chance(60) ? undefined : selection(r),
  };
  // Upstream intercepts per host only if the class has nothing but a static outboundByHost.
  const perHost = !c.allowed && !c.denied && !c.outbound && c.overrides.length === 0 && !c.override;
  c.interceptAll = !perHost || r.chance(50);
  return { c, hosts: hosts.map((h) => (r.chance(8) && !h.startsWith('[') ? `${h}.` : r.chance(8) ? h.toUpperCase() : h)) };
}

function selection(r) {
  const method = r.pick(names);
  return r.chance(50) ? { method } : { method, params: r.pick([1, 'x', { list: ['a.com'] }, null, [1.5]]) };
}

const text = (o) => (o.params === undefined ? { method: o.method } : { method: o.method, params: JSON.stringify(o.params) });
function line({ c, hosts }) {
  const state = { v: 1 };
  if (c.override) state.handler = text(c.override);
  if (c.overrides.length > 0) state.hosts = c.overrides.map((o) => ({ host: o.host, ...text(o) }));
  return {
    config: { allowed: c.allowed ?? null, denied: c.denied ?? [], hosts: c.hosts, handlers: c.handlers, outbound: c.outbound, internet: c.internet },
    state,
    hosts,
  };
}

/** Our verdict in the words of the oracle. */
function ours(v) {
  if (v === null) return 'no host';
  const [decision, rule, , index, handler, params] = v;
  if (decision === 'deny') return 'deny';
  if (decision === 'allow') return 'internet';
  if (rule === 'outbound') return 'outbound';
  if (rule === 'outboundByHost') return `byhost ${index}`;
  return params === '' ? `named ${handler}` : `named ${handler} ${params}`;
}

/** The names of the fewest differences that make the oracle say what we say, or null. */
async function explain(c, h, have) {
  const sets = Array.from({ length: 2 ** differences.length - 1 }, (_, i) => differences.filter((_, bit) => ((i + 1) >> bit) & 1));
  sets.sort((a, b) => a.length - b.length);
  for (const set of sets) {
    const changed = set.reduce((now, d) => d.apply(now, h), c);
    if ((await oracle(changed, h)) === have) return set;
  }
  return null;
}

let failed = 0;
for (const [n, seed] of seeds(process.argv).entries()) {
  const r = random(seed);
  const cases = Array.from({ length: Math.ceil(Number(count) / (n === 0 ? 1 : 10)) }, () => makeCase(r));
  const answers = await drive(driver, cases.map(line));
  const used = new Map(differences.map((d) => [d.name, 0]));
  let same = 0;
  let wrong = 0;
  for (let i = 0; i < cases.length; i++) {
    const { c, hosts } = cases[i];
    if (answers[i].error) {
      console.log(`refused: ${answers[i].error}`);
      wrong++;
      continue;
    }
    for (let n = 0; n < hosts.length; n++) {
      const have = ours(answers[i][n]);
      const want = await oracle(c, hosts[n]);
      if (have === want) {
        same++;
        continue;
      }
      const reasons = await explain(c, hosts[n], have);
      if (reasons !== null) {
        for (const d of reasons) used.set(d.name, used.get(d.name) + 1);
      } else if (wrong++ < 10) {
        console.log(`differs: ${hosts[n]} ${JSON.stringify(c)}\n  want ${want}\n  have ${have} ${JSON.stringify(answers[i][n])}`);
      }
    }
  }
  console.log(`policy against ContainerProxy: seed ${seed}, ${cases.length} configurations, ${same} verdicts the same, ${wrong} unexplained`);
  for (const d of differences) {
    console.log(`  ${String(used.get(d.name)).padStart(6)} × ${d.name}: ${d.why}`);
    if (cases.length >= 10000 && used.get(d.name) === 0) {
      console.log('         never met: the generator does not reach it');
      wrong++;
    }
  }
  failed += wrong;
}
process.exit(failed === 0 ? 0 : 1);
