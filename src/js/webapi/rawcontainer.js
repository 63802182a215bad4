// ctx.container: the low-level calls of a sandbox.

import { noLocalForm } from './env.js';

export function containerOf(instance) {
  throw noLocalForm('ctx.container');
}
