// ctx.storage.

import { noLocalForm } from './env.js';

export function storageOf(instance) {
  throw noLocalForm('ctx.storage');
}
