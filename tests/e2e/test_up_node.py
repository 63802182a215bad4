"""Modules of Node's as handlers and their packages import them: bundled, evaluated, told of."""
from concurrent.futures import ThreadPoolExecutor

from conftest import processes_of, wait_for
from daemon import write_worker

WORKER = """
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHmac } from 'crypto';
import EventEmitter from 'events';
import * as path from 'node:path';
import { readFileSync } from 'fs';

const store = new AsyncLocalStorage();
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));

async function deep() {
  await pause(1);
  try {
    await Promise.reject(new Error('mine'));
  } catch {
    await null;
  } finally {
    await pause(2);
  }
  return [store.getStore(), await Promise.all([1, 2].map(async (n) => {
    await pause(3 - n);
    return `${store.getStore()}${n}`;
  }))];
}

class Emitter extends EventEmitter {}

export default {
  async fetch(request: Request, env: { KEY: string }) {
    const url = new URL(request.url);
    if (url.pathname === '/fs') {
      try {
        return new Response(readFileSync('/etc/passwd', 'utf8'));
      } catch (e) {
        return new Response((e as Error).message);
      }
    }
    if (url.pathname === '/store') {
      const name = url.searchParams.get('name');
      const found = await store.run(name, async () => {
        await pause(1);
        const inner = await store.run(`${name}!`, deep);
        return [inner, store.getStore(), await deep()];
      });
      return Response.json([found, store.getStore() ?? null]);
    }
    const emitter = new Emitter();
    const heard: string[] = [];
    emitter.on('x', (v: string) => heard.push(v));
    emitter.emit('x', path.join('/a', '../b'));
    return Response.json({
      heard, hmac: createHmac('sha256', env.KEY).update('data').digest('hex'), env: process.env.KEY, buffer: Buffer.from('\\u00e4').toString('base64'),
    });
  },
};
"""


def worker(user, code=WORKER):
    return write_worker(user, code, config={"vars": {"KEY": "key"}})


def test_modules_of_node(up, user):
    daemon = up(worker(user))
    assert daemon.get("/").json == {
        "heard": ["/b"], "env": "key", "buffer": "w6Q=",
        "hmac": "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0"}
    assert daemon.get("/fs").text == "node:fs has no form in a Worker here: readFileSync cannot be used."
    wait_for(lambda: len(processes_of(user, "sallyport-runtime")) == 2, 10, "the spare runtime, which loads it too")
    assert daemon.get("/fs").text.startswith("node:fs")
    assert daemon.said().count("node:fs has no form in a Worker here: what it exports throws when it is used") == 1


def test_a_store_stays_across_await(up, user):
    daemon = up(worker(user))
    names = [f"n{i}" for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: daemon.get(f"/store?name={name}").json, names))
    for name, answer in zip(names, answers):
        assert answer == [[[f"{name}!", [f"{name}!1", f"{name}!2"]], name, [name, [f"{name}1", f"{name}2"]]], None]
    assert "loses its store" not in daemon.said()


def test_what_cannot_be_rewritten_is_told(up, user):
    daemon = up(worker(user, WORKER + "export async function* each() { for await (const x of [1]) yield x; }\n"))
    assert "AsyncLocalStorage loses its store at an await" in daemon.said()
    answer = daemon.get("/store?name=a").json
    assert answer[0][1] is None and answer[1] is None


def test_with_top_level_await(up, user):
    daemon = up(worker(user, '''
import { createHash } from 'crypto';
import { types } from 'node:util';
import { isDate } from 'util/types';
import { connect } from 'cloudflare:sockets';
import { setTimeout as later } from 'timers/promises';
import { ReadableStream as Web } from 'node:stream/web';
import { equal } from 'assert/strict';
import * as parts from '@cloudflare/sandbox/openai';
const digest = await Promise.resolve(createHash('md5').update('abc').digest('hex'));
export default { fetch() {
  try {
    connect('db.example.test:5432');
  } catch (e) {
    return Response.json([digest, types.isDate(1), isDate(new Date()), typeof later, Web === ReadableStream, equal.name !== undefined, typeof parts.Editor, e.message]);
  }
} };
'''))
    assert daemon.get("/").json == ["900150983cd24fb0d6963f7d28e17f72", False, True, "function", True, True,
                                    "function", "connect() has no local form here yet."]


def test_an_unknown_module_is_refused(user):
    folder = worker(user, "import x from 'node:nothing';\nexport default { fetch: () => new Response(x) };\n")
    result = user.call(["sallyport", "up", "-c", folder, "--listen", "127.0.0.1:0"], timeout=30)
    assert result.code == 125 and len(result.err.splitlines()) == 1
    assert "index.ts:1:" in result.err
    assert "Cannot find module 'node:nothing': Node has no module of that name that a Worker may import" in result.err
