// Runs the usual paths, a few rounds a call, until the engine has compiled them. C answers by itself
// meanwhile (warm.c), and everything has ended when the turn does. Real work goes first.

import { fetch, fetchDone, newestFetch } from './fetch.js';
import { dispatch } from './handler.js';
import { handlers } from './module.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { runningTasks } from './task.js';
import { instanceWarm } from './objects.js';

const ROUNDS = 20;

const samples = [
  (request) => fetch(request),
  (request, env) => {
    const r = new Request(request);
    r.headers.set('authorization', 'x');
    return fetch(r);
  },
  async (request) => {
    const response = await fetch(request);
    return new Response(response.body === null ? null : 'x', response);
  },
  (request) => new Response(request.url + request.method + request.headers.get('accept'), {
    status: 403, headers: { 'x-a': 'b' },
  }),
];

export async function warm() {
  if (runningTasks() !== 0) return;
  const first = handlers.length;
  for (const fn of samples) handlers.push({ fn, kind: 0, self: undefined });
  instanceWarm(true);
  try {
    for (let i = 0; i < ROUNDS; i++) {
      for (let k = 0; k < samples.length; k++) {
        dispatch(0, 0, first + k, undefined); // no task of the host's has this id
        if (k < 3) fetchDone(newestFetch, 200, 0);
        await null;
        await null;
        await null;
        await null;
        await null;
        await null;
      }
    }
  } finally {
    handlers.length = first;
    instanceWarm(false);
  }
}
