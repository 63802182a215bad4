// ctx.storage: each method of Store is a test; it gives "ok" or throws.
const { DurableObject } = require('cloudflare:workers');

function show(v) {
  if (v instanceof Map) return `Map${show([...v])}`;
  if (v instanceof Set) return `Set${show([...v])}`;
  if (typeof v === 'bigint') return `${v}n`;
  if (Object.is(v, -0)) return '-0';
  if (typeof v === 'number' || v === undefined) return `${v}`;
  if (Array.isArray(v)) return `[${Array.from(v, show).join(',')}]`;
  return typeof v === 'object' && v !== null && !(v instanceof Date) ? `{${Object.keys(v).map((k) => `${k}:${show(v[k])}`)}}`
    : JSON.stringify(v);
}
function eq(got, want) {
  if (show(got) !== show(want)) throw new Error(`expected ${show(want)}, got ${show(got)}`);
}
function fails(fn, name, text) {
  let caught = null;
  try {
    fn();
  } catch (e) {
    caught = e;
  }
  told(caught, name, text);
}
async function rejects(promise, name, text) {
  let caught = null;
  try {
    await promise;
  } catch (e) {
    caught = e;
  }
  told(caught, name, text);
}
function told(e, name, text) {
  if (e === null) throw new Error(`nothing was thrown, expected ${name}: ${text}`);
  if (e.name !== name || !e.message.includes(text)) throw new Error(`expected ${name}: ${text}, got ${e}`);
}

// What code may have put into the language's own prototypes while fn runs; `reached` counts calls.
let reached = 0;
async function meddled(fn) {
  const undo = [];
  const replace = (object, key, d) => {
    const old = Object.getOwnPropertyDescriptor(object, key);
    undo.push(() => (old === undefined ? delete object[key] : Object.defineProperty(object, key, old)));
    Object.defineProperty(object, key, { __proto__: null, configurable: true, ...d });
  };
  reached = 0;
  const reach = () => {
    reached++;
    return { valueOf: reach, toString: reach };
  };
  try {
    return await fn(replace, reach);
  } finally {
    for (const u of undo.reverse()) u();
  }
}

class Store extends DurableObject {
  async keys() {
    const s = this.ctx.storage;
    eq(await s.get('absent'), undefined);
    await s.put('a', 1);
    s.put('b', { deep: [1, 2] }); // not awaited: done all the same
    eq(await s.get('b'), { deep: [1, 2] });
    await s.put({ c: 'three', d: null, skipped: undefined });
    eq(await s.get(['d', 'a', 'a', 'absent']), new Map([['a', 1], ['d', null]]));
    eq(await s.delete('a'), true);
    eq(await s.delete('a'), false);
    eq(await s.delete(['b', 'c', 'absent']), 2);
    eq(await s.list(), new Map([['d', null]]));
    for (const [method, type] of [['get', 'string or Array'], ['delete', 'string or Array'], ['put', 'string or object']]) {
      await rejects(s[method](), 'TypeError', `'${method}' on 'DurableObjectStorage': parameter 1 is not of type '${type}'`);
    }
    fails(() => s.kv.put('k'), 'TypeError', "'put' on 'SyncKvStorage': parameter 2 is not of type 'Value'");
    for (const key of [{ e: 1 }, new Set(), () => {}]) {
      await rejects(s.put(key, 1), 'TypeError', 'put() may only be called with a single key-value pair');
    }
    await rejects(s.put(['e', 'f']), 'TypeError', 'put() called with undefined value.');
    await s.put({ e: 1 }, { allowUnconfirmed: true });
    eq(await s.delete('e'), true);
    await s.put('o', 1, { allowConcurrency: true, allowUnconfirmed: true, noCache: true });
    await s.deleteAll();
    eq((await s.list()).size, 0);
    return 'ok';
  }
  async limits() {
    const s = this.ctx.storage;
    const many = Array.from({ length: 129 }, (_, i) => `k${i}`);
    await rejects(s.get(many), 'RangeError', 'Maximum number of keys is 128.');
    await rejects(s.delete(many), 'RangeError', 'Maximum number of keys is 128.');
    await rejects(s.put(Object.fromEntries(many.map((k) => [k, 1]))), 'RangeError', 'Maximum number of pairs is 128.');
    await s.put(Object.fromEntries(many.slice(1).map((k) => [k, 1])));
    eq((await s.list()).size, 128);
    await rejects(s.put('k', undefined), 'TypeError', 'put() called with undefined value.');
    await rejects(s.put('x'.repeat(2049), 1), 'RangeError', 'Keys cannot be larger than 2048 bytes.');
    await rejects(s.put('', 1), 'RangeError', 'Keys cannot be empty.');
    await rejects(s.put('big', 'x'.repeat(2200000)), 'RangeError', 'Values cannot be larger than 2097152 bytes.');
    await s.put('big', 'x'.repeat(2000000));
    eq((await s.get('big')).length, 2000000);
    await s.deleteAll();
    return 'ok';
  }
  async lists() {
    const s = this.ctx.storage;
    await s.put({ a: 1, b: 2, ba: 3, c: 4, '\uff5e': 5, '\u{1f600}': 6 });
    const of = async (o) => [...(await s.list(o)).keys()].join();
    eq(await of(), 'a,b,ba,c,\uff5e,\u{1f600}'); // by UTF-8, not by UTF-16
    eq([...(await s.get(['\u{1f600}', '\uff5e'])).keys()].join(), '\uff5e,\u{1f600}');
    eq(await of({ prefix: 'b' }), 'b,ba');
    eq(await of({ start: 'b', end: 'c' }), 'b,ba');
    eq(await of({ startAfter: 'b', limit: 1 }), 'ba');
    eq(await of({ end: 'c', reverse: true }), 'ba,b,a');
    for (const limit of [0, -1, 0.5, NaN, Infinity, null, 'x']) {
      await rejects(s.list({ limit }), 'TypeError', 'List limit must be positive.');
    }
    await rejects(s.list({ limit: 2 ** 32 + 1 }), 'TypeError', 'Value out of range.');
    await rejects(s.list('a'), 'TypeError', "'list' on 'DurableObjectStorage': parameter 1 is not of type 'ListOptions'");
    eq(await of({ limit: '2' }), 'a,b');
    eq(await of({ start: 'a', startAfter: undefined, limit: 1.9 }), 'a');
    eq(await of({ prefix: null }), '');
    eq([...s.kv.list({ end: 'b' })], [['a', 1]]);
    fails(() => s.kv.list(5), 'TypeError', "'list' on 'SyncKvStorage'");
    await rejects(s.list({ start: 'a', startAfter: 'b' }), 'TypeError', 'both start and startAfter');
    await s.deleteAll();
    return 'ok';
  }
  async values() {
    const s = this.ctx.storage;
    const cycle = { list: [] };
    cycle.self = cycle;
    cycle.list.push(cycle.list);
    await s.put('cycle', cycle);
    const back = await s.get('cycle');
    eq(back.self === back && back.list[0] === back.list, true);

    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
    class Point {
      constructor() {
        this.x = 1;
      }
    }
    const sparse = [1, , 3];
    sparse.named = 'n';
    const error = new TypeError('why', { cause: 'because' });
    const all = {
      undef: undefined, nil: null, yes: true, no: false, neg: -0, nan: NaN, inf: -Infinity, int: -2147483648,
      big: 123456789012345678901234567890n, less: -1n, zero: 0n, half: 0.5, text: 'plain', wide: 'p\u0142\u{1f600}\ud800',
      date: new Date(1e12), never: new Date(NaN), re: /a(b)/giu, map: new Map([[{ k: 1 }, 'v']]), set: new Set([1, 'a']),
      view: new Uint16Array(buffer, 2, 2), data: new DataView(buffer, 1, 3), floats: new Float64Array([0.25]),
      sparse, point: new Point(), boxed: [Object('s'), Object(1), Object(false)], error, ['__proto__x']: 1,
      long: 'y'.repeat(70000), ranges: [RangeError('r')],
    };
    Object.defineProperty(all, '__proto__', { value: 7, enumerable: true, configurable: true, writable: true });
    await s.put('all', all);
    const got = await s.get('all');
    eq(Object.keys(got), Object.keys(all));
    for (const k of ['undef', 'nil', 'yes', 'no', 'neg', 'nan', 'inf', 'int', 'big', 'less', 'zero', 'half', 'text', 'wide', 'map',
      'set', 'point', 'long']) eq(got[k], all[k]);
    eq(Object.getOwnPropertyDescriptor(got, '__proto__').value, 7);
    eq(Object.getPrototypeOf(got) === Object.prototype && Object.getPrototypeOf(got.point) === Object.prototype, true);
    eq(got.date.getTime(), 1e12);
    eq(got.never.getTime(), NaN);
    eq(`${got.re}`, '/a(b)/giu');
    eq([...got.view], [...all.view]);
    eq(got.view.buffer === got.data.buffer && got.data.getUint8(0), 2);
    eq(got.floats[0], 0.25);
    eq([got.sparse.length, 1 in got.sparse, got.sparse[2], got.sparse.named], [3, false, 3, 'n']);
    eq(got.boxed.map((b) => typeof b), ['object', 'object', 'object']);
    eq([got.error instanceof TypeError, got.error.message, got.error.cause], [true, 'why', 'because']);
    eq(got.error.stack.includes('storage.js') || got.error.stack === error.stack, true);
    eq(got.ranges[0] instanceof RangeError, true);
    await s.deleteAll();
    return 'ok';
  }
  async refusals() {
    const s = this.ctx.storage;
    for (const [v, what] of [[() => {}, 'a function'], [{ f() {} }, 'the function "f"'], [Symbol('s'), 'Symbol(s)'],
      [Promise.resolve(), 'Promise'], [new WeakMap(), 'WeakMap'], [new Headers(), 'Headers'],
      [new Response('x'), 'Response'], [new ReadableStream(), 'ReadableStream']]) {
      await rejects(s.put('k', v), 'DataCloneError', what);
    }
    let deep = null;
    for (let i = 0; i < 1900; i++) deep = { deep };
    await s.put('deep', deep);
    eq(typeof (await s.get('deep')).deep, 'object');
    for (let i = 0; i < 200; i++) deep = { deep };
    await rejects(s.put('deep', deep), 'DataCloneError', 'deep inside each other');
    // A getter that stores meanwhile disturbs neither.
    await s.put('outer', { get inner() {
      s.put('inner', 'i');
      return 'o';
    } });
    eq(await s.get('outer'), { inner: 'o' });
    eq(await s.get('inner'), 'i');
    await s.deleteAll();
    return 'ok';
  }
  async kv_at_once() {
    const { kv } = this.ctx.storage;
    eq(kv.get('a'), undefined);
    kv.put('a', 1);
    kv.put('b', [2]);
    eq(kv.get('b'), [2]);
    eq([...kv.list()], [['a', 1], ['b', [2]]]);
    eq(kv.delete('a'), true);
    eq(kv.delete('a'), false);
    for (let i = 0; i < 600; i++) kv.put(`n${String(i).padStart(3, '0')}`, i);
    eq([...kv.list({ prefix: 'n' })].map(([, v]) => v).join() === Array.from({ length: 600 }, (_, i) => i).join(), true);
    eq([...kv.list({ prefix: 'n', reverse: true, limit: 300 })].at(-1), ['n300', 300]);
    await this.ctx.storage.deleteAll();
    return 'ok';
  }
  async transactions() {
    const s = this.ctx.storage;
    eq(await s.transaction(async (txn) => {
      await txn.put('a', 1);
      eq(await txn.get('a'), 1);
      return 'value';
    }), 'value');
    await rejects(s.transaction(async (txn) => {
      await txn.put('b', 1);
      throw new Error('no');
    }), 'Error', 'no');
    eq(await s.get('b'), undefined);
    let kept;
    await s.transaction(async (txn) => {
      kept = txn;
      await txn.put('c', 1);
      txn.rollback();
      await rejects(txn.put('c', 2), 'Error', 'on rolled back transaction');
    });
    eq(await s.get('c'), undefined);
    await rejects(kept.get('a'), 'Error', 'already committed');
    await s.transaction(async () => {
      await s.put('d', 1);
      await rejects(s.transaction(async (inner) => {
        await inner.put('e', 1);
        throw new Error('inner');
      }), 'Error', 'inner');
      await s.transaction((inner) => inner.put('f', 1));
    });
    eq([...(await s.list()).keys()], ['a', 'd', 'f']);
    eq(await Promise.all([s.transaction(async (t) => t.put('g', 1)), s.transaction(async (t) => t.put('h', 1))]),
      [undefined, undefined]);
    eq(await s.get('h'), 1);
    eq(s.transactionSync(() => {
      s.kv.put('i', 1);
      return 5;
    }), 5);
    fails(() => s.transactionSync(() => {
      s.kv.put('j', 1);
      throw new RangeError('undone');
    }), 'RangeError', 'undone');
    eq(s.kv.get('j'), undefined);
    await rejects(s.transaction((txn) => txn.deleteAll()), 'Error', 'within a transaction');
    await s.deleteAll();
    return 'ok';
  }
  async sql() {
    const { sql } = this.ctx.storage;
    sql.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data)');
    const inserted = sql.exec('INSERT INTO t (name, data) VALUES (?, ?), (?, ?)', 'a', new Uint8Array([1, 2]), 'b', null);
    eq([inserted.rowsWritten, inserted.toArray()], [2, []]);
    const cursor = sql.exec('SELECT * FROM t ORDER BY id');
    eq(cursor.columnNames, ['id', 'name', 'data']);
    const first = cursor.next();
    eq([first.done, first.value.name, first.value.data instanceof ArrayBuffer, first.value.data.byteLength],
      [false, 'a', true, 2]);
    eq(cursor.toArray(), [{ id: 2, name: 'b', data: null }]);
    eq(cursor.next().done, true);
    eq([...sql.exec('SELECT id, name FROM t').raw()], [[1, 'a'], [2, 'b']]);
    eq(sql.exec('SELECT count(*) AS n FROM t').one(), { n: 2 });
    fails(() => sql.exec('SELECT * FROM t').one(), 'Error', 'but got multiple results.');
    fails(() => sql.exec('SELECT * FROM t WHERE id = 9').one(), 'Error', 'but got no results.');
    eq(sql.exec('SELECT ?2 AS b, ?1 AS a', 1, 'x').one(), { b: 'x', a: 1 });
    eq(sql.exec('SELECT ? AS a, ? AS b, typeof(?) AS c', true, undefined, 5).one(), { a: 'true', b: null, c: 'real' });
    fails(() => sql.exec('SELECT ?', 1n), 'TypeError', 'BigInt');
    fails(() => sql.exec('SELEC 1'), 'Error', 'near "SELEC": syntax error at offset 0: SQLITE_ERROR');
    fails(() => sql.exec('SELECT ?'), 'Error', 'Wrong number of parameter bindings for SQL query.');
    fails(() => sql.exec('INSERT INTO t (id) VALUES (1)'), 'Error', 'UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT');
    fails(() => sql.exec('SELECT * FROM _cf_KV'), 'Error', 'prohibited');
    fails(() => sql.exec('ATTACH ? AS x', '/tmp/x'), 'Error', 'SQLITE');
    eq(sql.exec("INSERT INTO t (name) VALUES ('c') RETURNING name").one(), { name: 'c' });
    eq(sql.databaseSize % 4096, 0);
    await this.ctx.storage.deleteAll();
    fails(() => sql.exec('SELECT * FROM t'), 'Error', 'no such table: t');
    return 'ok';
  }
  // Cursors that are read in turns keep to their own rows, and what was not read to its end is let go.
  async cursors() {
    const { sql } = this.ctx.storage;
    sql.exec('CREATE TABLE n (x)');
    sql.exec('WITH RECURSIVE c (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 999) INSERT INTO n SELECT x FROM c');
    const all = [0, 1, 2].map((k) => ({ k, cursor: sql.exec('SELECT x + ? AS y FROM n ORDER BY x', k * 10000) }));
    sql.exec('SELECT 1').toArray();
    for (let i = 0; i < 1000; i++) {
      if (i === 300) all.push({ k: 3, cursor: sql.exec('SELECT x + 30000 AS y FROM n WHERE x >= 300 ORDER BY x') });
      for (const { k, cursor } of all) eq(cursor.next().value, { y: k * 10000 + i });
    }
    for (const { cursor } of all) eq(cursor.next().done, true);
    eq(all[0].cursor.rowsRead >= 1000, true);
    const written = sql.exec('INSERT INTO n SELECT x FROM n RETURNING x'); // more than one fetch, read at once
    eq(written.rowsWritten, 1000);
    eq(sql.exec('SELECT count(*) AS c FROM n').one(), { c: 2000 });
    eq(written.toArray().length, 1000);
    const open = Array.from({ length: 70 }, () => sql.exec('SELECT x FROM n'));
    fails(() => open[0].toArray(), 'Error', 'too many queries were open');
    eq(open[69].toArray().length, 2000);
    sql.exec('DROP TABLE n');
    fails(() => open[68].toArray(), 'Error', 'what it reads was changed');
    await this.ctx.storage.deleteAll();
    return 'ok';
  }
  // For the test of what becomes of cursors that nobody has any more.
  async fill() {
    const { sql } = this.ctx.storage;
    sql.exec('CREATE TABLE g (x)');
    sql.exec('WITH RECURSIVE c (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 999) INSERT INTO g SELECT x FROM c');
    return 'ok';
  }
  async forget() {
    const { sql } = this.ctx.storage;
    const first = sql.exec('SELECT x FROM g');
    const lost = Array.from({ length: 30 }, () => sql.exec('SELECT x FROM g'));
    first.toArray();
    // Each fetches once more, after a lower number has become free.
    for (const cursor of lost) for (let i = 0; i < 200; i++) cursor.next();
    this.held = Array.from({ length: 10 }, () => sql.exec('SELECT x FROM g'));
    return 'ok';
  }
  async remember() {
    for (const cursor of this.held) eq(cursor.toArray().length, 1000);
    return 'ok';
  }
  async alarms() {
    const s = this.ctx.storage;
    eq(await s.getAlarm(), null);
    await s.setAlarm(2000000000000.7);
    eq(await s.getAlarm(), 2000000000000);
    await s.setAlarm(new Date(2000000000001));
    eq(await s.getAlarm(), 2000000000001);
    s.setAlarm(2000000000002);
    await s.sync();
    eq(await s.getAlarm(), 2000000000002);
    await s.deleteAlarm();
    eq(await s.getAlarm(), null);
    const before = Date.now();
    await s.setAlarm(5); // what is past is due now
    const now = await s.getAlarm();
    eq(now >= before && now <= Date.now(), true);
    await s.deleteAll();
    eq(await s.getAlarm(), null);
    for (const time of [0, -1]) await rejects(s.setAlarm(time), 'TypeError', 'alarm time <= 0');
    for (const time of ['soon', '2000000000000', undefined, null, true, 10n, {}, [2000000000000]]) {
      await rejects(s.setAlarm(time), 'TypeError', "'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'");
    }
    for (const time of [NaN, Infinity, -Infinity, new Date(NaN)]) await rejects(s.setAlarm(time), 'TypeError', 'not a valid Date');
    await rejects(s.setAlarm(8.64e15), 'TypeError', 'dates after 2189');
    await s.setAlarm(9223372036854);
    await s.deleteAll();
    return 'ok';
  }
  // An alarm that is set or deleted in a transaction holds when the transaction does.
  async alarmsInTransactions() {
    const s = this.ctx.storage;
    const [T0, T1, T2] = [4000000000000, 4100000000000, 4200000000000];
    const boom = () => {
      throw new Error('boom');
    };
    const leaves = async (expected, closure) => {
      await s.setAlarm(T0);
      await s.transaction(closure).catch((e) => eq(e.message, 'boom'));
      eq(await s.getAlarm(), expected);
    };
    await leaves(T1, async (x) => {
      await x.setAlarm(T1);
      eq([await x.getAlarm(), await s.getAlarm()], [T1, T1]);
    });
    await leaves(null, async (x) => x.deleteAlarm());
    await leaves(T0, async (x) => {
      await x.deleteAlarm();
      eq(await x.getAlarm(), null);
      boom();
    });
    await leaves(T0, async (x) => {
      x.setAlarm(T1);
      boom();
    });
    await leaves(T0, async () => {
      await s.setAlarm(T1);
      boom();
    });
    await leaves(T0, async (x) => {
      await x.setAlarm(T1);
      x.rollback();
      await rejects(x.setAlarm(T1), 'Error', 'Cannot setAlarm() on rolled back transaction');
    });
    await leaves(T2, async (x) => {
      x.rollback();
      await s.setAlarm(T2); // nothing is open any more
      boom();
    });
    await leaves(T1, async (x) => {
      await x.setAlarm(T1);
      await s.transaction(async (y) => {
        await y.setAlarm(T2);
        boom();
      }).catch(() => {});
      eq(await x.getAlarm(), T1);
    });
    await leaves(T0, async () => {
      await s.transaction((y) => y.setAlarm(T2));
      eq(await s.getAlarm(), T2);
      boom();
    });
    await s.setAlarm(T0);
    fails(() => s.transactionSync(() => {
      s.setAlarm(T1);
      boom();
    }), 'Error', 'boom');
    eq(await s.getAlarm(), T0);
    s.transactionSync(() => {
      s.setAlarm(T1);
      fails(() => s.transactionSync(() => {
        s.setAlarm(T2);
        boom();
      }), 'Error', 'boom');
    });
    await s.sync();
    eq(await s.getAlarm(), T1);
    await s.deleteAll();
    return 'ok';
  }
  async inTransaction() {
    await this.ctx.storage.transaction((x) => x.setAlarm(4000000000000));
    return 'ok';
  }
  async inTransactionSync() {
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.setAlarm(4000000000000);
    });
    return 'ok';
  }
  // Not awaited, and its error is nobody's: the answer waits all the same.
  async unawaited() {
    this.ctx.storage.setAlarm(2000000000003).catch(() => {});
    return 'ok';
  }
  async unawaitedDelete() {
    this.ctx.storage.deleteAlarm().catch(() => {});
    throw new Error('its own');
  }
  // Natives put what they give past the prototypes, look no constructor up and convert nothing.
  async meddledLists() {
    const s = this.ctx.storage;
    await s.put({ a: 1, b: [2, 3], c: 3 });
    s.sql.exec('CREATE TABLE m (x, y); INSERT INTO m VALUES (1, 2), (3, 4)');
    const seen = await meddled((replace, reach) => {
      for (let i = 0; i < 30; i++) replace(Array.prototype, `${i}`, { get: reach, set: reach });
      const listed = s.kv.list();
      const pairs = [];
      for (let step = listed.next(); !step.done; step = listed.next()) pairs[`k${step.value[0]}`] = step.value[1];
      const cursor = s.sql.exec('SELECT x, y FROM m WHERE x > ?', 0);
      const params = new URLSearchParams('p=1&q=2&r=3');
      return { pairs, first: cursor.next().value, second: cursor.next().value, r: params.get('r'), text: `${params}` };
    });
    eq([seen.pairs.ka, seen.pairs.kb.join(), seen.pairs.kc], [1, '2,3', 3]);
    eq([seen.first, seen.second], [{ x: 1, y: 2 }, { x: 3, y: 4 }]);
    eq([seen.r, seen.text], ['3', 'p=1&q=2&r=3']);
    await s.deleteAll();
    return 'ok';
  }
  async meddledErrors() {
    const s = this.ctx.storage;
    const { RangeError: Original } = globalThis;
    const caught = await meddled((replace, reach) => {
      replace(globalThis, 'RangeError', { get: reach, set: reach });
      replace(globalThis, 'Error', { get: reach, set: reach });
      const errors = [];
      for (const key of ['', 'x'.repeat(2049)]) {
        try {
          s.kv.put(key, 1);
        } catch (e) {
          errors.push(e);
        }
      }
      return errors;
    });
    eq(reached, 0);
    eq(caught.map((e) => e instanceof Original && e.constructor === Original), [true, true]);
    return 'ok';
  }
  // A number that is none and bytes that are none: refused, never asked for their value.
  async meddledArguments() {
    const s = this.ctx.storage;
    const fired = [];
    await meddled((replace, reach) => {
      replace(Math, 'max', { value: reach });
      fired.push(new Promise((resolve) => setTimeout(resolve, 1, 'fired')));
    });
    eq(await Promise.all(fired), ['fired']);
    eq(reached, 1); // by the shim; what it gave was not asked for its value
    const { iterator } = Symbol;
    const strings = ['k1', 'v'.repeat(100), 'k2', 'w'.repeat(100000)];
    const put = await meddled((replace) => {
      const original = Array.prototype[iterator];
      replace(Array.prototype, iterator, { value() {
        return original.call(this[0] === 'k1' ? strings : this);
      } });
      return [s.put({ k1: 1, k2: 2 })];
    });
    await rejects(put[0], 'RangeError', 'do not fit into memory');
    eq((await s.list()).size, 0);
    return 'ok';
  }
  // Views whose buffer shrank or went away have the bytes that are left.
  async resized() {
    const buffer = new ArrayBuffer(8, { maxByteLength: 1 << 20 });
    const fixed = new Uint8Array(buffer, 0, 8);
    const tracking = new Uint8Array(buffer);
    fixed.fill(65);
    const text = async (view) => new Response(new ReadableStream({
      start(c) {
        c.enqueue(view);
        c.close();
      },
    })).text();
    eq(await text(tracking), 'AAAAAAAA');
    buffer.resize(1 << 20);
    tracking.fill(66);
    eq((await text(tracking)).length, 1 << 20);
    buffer.resize(4);
    eq([await text(fixed), await text(tracking)], ['', 'BBBB']);
    eq((await crypto.subtle.digest('SHA-256', tracking)).byteLength, 32);
    const gone = new Uint8Array(1000);
    gone.buffer.transfer();
    eq(await text(gone), '');
    eq(new TextDecoder().decode(gone), '');
    eq(crypto.getRandomValues(gone).length, 0);
    await rejects(this.ctx.storage.put('v', gone), 'DataCloneError', 'ArrayBuffer');
    await this.ctx.storage.put('v', fixed);
    eq((await this.ctx.storage.get('v')).length, 0);
    await this.ctx.storage.deleteAll();
    return 'ok';
  }
  async absent() {
    const s = this.ctx.storage;
    for (const name of ['getCurrentBookmark', 'getBookmarkForTime', 'onNextSessionRestoreBookmark']) {
      fails(() => s[name](), 'Error', `ctx.storage.${name}()`);
    }
    fails(() => s.kv.get.call({}), 'TypeError', '');
    return 'ok';
  }
  // The bytes as they are, for the test that damages them.
  async write() {
    await this.ctx.storage.put('v', { a: [1, 'two', new Map([[1n, new Date(3)]])], b: new Uint8Array(4), e: new Error('x') });
    return 'ok';
  }
  async read() {
    try {
      await this.ctx.storage.get('v');
      return 'read';
    } catch (e) {
      return e.message;
    }
  }
  alarm() {}
}

class NoAlarm extends DurableObject {
  async setsAlarm() {
    await rejects(this.ctx.storage.setAlarm(5), 'TypeError', 'must have an alarm() handler');
    return 'ok';
  }
  async refused() {
    await rejects(this.ctx.storage.get('a'), 'Error', 'no place for it');
    return 'ok';
  }
}

exports.Store = Store;
exports.NoAlarm = NoAlarm;
