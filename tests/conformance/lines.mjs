// Feeds JSON lines to a driver program and gives its lines back; and random numbers with a seed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

/** Runs program over all cases, in order; gives the parsed answers. */
export async function drive(program, cases) {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = [];
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line));
  })();
  const exit = new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  for (const c of cases) {
    if (!child.stdin.write(JSON.stringify(c) + '\n')) {
      await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), exit]);
    }
  }
  child.stdin.end();
  await reading;
  const code = await exit;
  if (code !== 0 || answers.length !== cases.length) {
    throw new Error(`${program}: ended with ${code} after ${answers.length} of ${cases.length} lines`);
  }
  return answers;
}

/** A generator of numbers below n (mulberry32), the same for the same seed. */
export function random(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  return { below, pick: (list) => list[below(list.length)], chance: (percent) => below(100) < percent };
}

/** The file behind a package installed in folder, as something to import. */
export function installed(folder, name) {
  return pathToFileURL(createRequire(join(folder, 'package.json')).resolve(name)).href;
}

/** The seeds of a run: one that never changes, one of today unless --seed says which. */
export function seeds(argv) {
  const given = argv.indexOf('--seed');
  if (given >= 0) return [Number(argv[given + 1])];
  return [1, (Date.now() ^ (process.pid << 8)) >>> 0];
}
