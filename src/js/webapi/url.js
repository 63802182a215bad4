// URL over the C parser that policy uses too; URLSearchParams over its form codec.

const SET = {
  href: 0, protocol: 1, username: 2, password: 3, host: 4, hostname: 5, port: 6, pathname: 7,
  search: 8, hash: 9,
};
const ORIGIN = 10;

export class URL {
  #parts; // in the order of SET, then the origin
  #params = null;

  constructor(url, base = undefined) {
    const text = native.urlParse(`${url}`, base === undefined ? undefined : `${base}`);
    if (text === null) throw new TypeError(`Invalid URL string: ${url}`);
    this.#parts = text.split('\n');
  }
  static canParse(url, base = undefined) {
    return native.urlParse(`${url}`, base === undefined ? undefined : `${base}`) !== null;
  }
  static parse(url, base = undefined) {
    try {
      return new URL(url, base);
    } catch {
      return null;
    }
  }
  #set(which, value) {
    const text = native.urlSet(this.#parts[SET.href], which, `${value}`);
    if (text === null) return false;
    this.#parts = text.split('\n');
    if (this.#params !== null && (which === SET.href || which === SET.search)) {
      URLSearchParams.reload(this.#params, this.#parts[SET.search]);
    }
    return true;
  }
  static setQuery(url, query) {
    const text = native.urlSet(url.#parts[SET.href], SET.search, query);
    if (text !== null) url.#parts = text.split('\n');
  }
  get href() {
    return this.#parts[SET.href];
  }
  set href(v) {
    if (!this.#set(SET.href, v)) throw new TypeError(`Invalid URL string: ${v}`);
  }
  get origin() {
    return this.#parts[ORIGIN];
  }
  get protocol() {
    return this.#parts[SET.protocol];
  }
  set protocol(v) {
    this.#set(SET.protocol, v);
  }
  get username() {
    return this.#parts[SET.username];
  }
  set username(v) {
    this.#set(SET.username, v);
  }
  get password() {
    return this.#parts[SET.password];
  }
  set password(v) {
    this.#set(SET.password, v);
  }
  get host() {
    return this.#parts[SET.host];
  }
  set host(v) {
    this.#set(SET.host, v);
  }
  get hostname() {
    return this.#parts[SET.hostname];
  }
  set hostname(v) {
    this.#set(SET.hostname, v);
  }
  get port() {
    return this.#parts[SET.port];
  }
  set port(v) {
    this.#set(SET.port, v);
  }
  get pathname() {
    return this.#parts[SET.pathname];
  }
  set pathname(v) {
    this.#set(SET.pathname, v);
  }
  get search() {
    return this.#parts[SET.search];
  }
  set search(v) {
    this.#set(SET.search, v);
  }
  get hash() {
    return this.#parts[SET.hash];
  }
  set hash(v) {
    this.#set(SET.hash, v);
  }
  get searchParams() {
    if (this.#params === null) {
      this.#params = new URLSearchParams(this.search);
      URLSearchParams.attach(this.#params, this);
    }
    return this.#params;
  }
  toString() {
    return this.#parts[SET.href];
  }
  toJSON() {
    return this.#parts[SET.href];
  }
  get [Symbol.toStringTag]() {
    return 'URL';
  }
}

export class URLSearchParams {
  #list = []; // name, value, name, value …
  #url = null;

  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const [name, value, ...rest] = pair;
          if (value === undefined || rest.length !== 0) {
            throw new TypeError('URLSearchParams: each entry is a pair of name and value');
          }
          this.#list.push(`${name}`, `${value}`);
        }
      } else {
        for (const name of Object.keys(init)) this.#list.push(name, `${init[name]}`);
      }
    } else {
      URLSearchParams.reload(this, `${init}`);
    }
  }
  static reload(params, text) {
    params.#list = native.formParse(text[0] === '?' ? text.slice(1) : text);
  }
  static attach(params, url) {
    params.#url = url;
  }
  #changed() {
    if (this.#url !== null) URL.setQuery(this.#url, this.toString());
  }
  get size() {
    return this.#list.length / 2;
  }
  append(name, value) {
    this.#list.push(`${name}`, `${value}`);
    this.#changed();
  }
  delete(name, value = undefined) {
    this.#list = this.#pairs((n, v) => n !== `${name}` || (value !== undefined && v !== `${value}`));
    this.#changed();
  }
  #pairs(keep) {
    const list = [];
    for (let i = 0; i < this.#list.length; i += 2) {
      if (keep(this.#list[i], this.#list[i + 1])) list.push(this.#list[i], this.#list[i + 1]);
    }
    return list;
  }
  get(name) {
    for (let i = 0; i < this.#list.length; i += 2) {
      if (this.#list[i] === `${name}`) return this.#list[i + 1];
    }
    return null;
  }
  getAll(name) {
    return this.#pairs((n) => n === `${name}`).filter((_, i) => i % 2 === 1);
  }
  has(name, value = undefined) {
    return this.#pairs(
      (n, v) => n === `${name}` && (value === undefined || v === `${value}`)).length !== 0;
  }
  set(name, value) {
    let seen = false;
    const list = [];
    for (let i = 0; i < this.#list.length; i += 2) {
      if (this.#list[i] !== `${name}`) list.push(this.#list[i], this.#list[i + 1]);
      else if (!seen) list.push(this.#list[i], `${value}`);
      seen ||= this.#list[i] === `${name}`;
    }
    if (!seen) list.push(`${name}`, `${value}`);
    this.#list = list;
    this.#changed();
  }
  sort() {
    this.#list = [...this.entries()].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)).flat();
    this.#changed();
  }
  *entries() {
    for (let i = 0; i < this.#list.length; i += 2) yield [this.#list[i], this.#list[i + 1]];
  }
  *keys() {
    for (const e of this.entries()) yield e[0];
  }
  *values() {
    for (const e of this.entries()) yield e[1];
  }
  forEach(fn, self = undefined) {
    for (const [name, value] of this) fn.call(self, value, name, this);
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  toString() {
    let out = '';
    for (let i = 0; i < this.#list.length; i += 2) {
      out += (i === 0 ? '' : '&') + native.formWrite(this.#list[i], this.#list[i + 1]);
    }
    return out;
  }
  get [Symbol.toStringTag]() {
    return 'URLSearchParams';
  }
}
