// Web APIs that few Workers use, evaluated on first use of one of them. core: what they need of the
// shim, which the user cannot have changed.

import { cacheApi } from './web/cache.js';
import { compression } from './web/compress.js';
import { digestStream } from './web/digest.js';
import { entries } from './web/entries.js';
import { messages } from './web/messages.js';
import { passing } from './web/passing.js';
import { textStreams } from './web/text.js';

export function create(core) {
  return {
    ...cacheApi(core), ...compression(core), ...digestStream(core), ...entries(core), ...messages(core),
    ...passing(core), ...textStreams(core),
  };
}
