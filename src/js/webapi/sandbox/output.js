// What a process writes: readers of its pipes. Nothing is read before someone asks for it, so a
// slow reader holds the process, not our memory.

import { adoptReader } from '../body.js';
import { addWork, enter, nextSequence, owner } from '../task.js';

// One pipe, chunk by chunk. It ends at the end of the pipe, or once the process has ended and
// nothing waits in it: what children of the process still write is read and dropped, so that they
// live on.
export class Output {
  constructor(instance, number) {
    this.seq = nextSequence();
    this.task = null;
    this.reader = null; // body.js keeps it set while the pipe is open
    this.waiting = null; // whoever takes the next chunk goes on as this task
    this.over = false; // the process has ended
    this.body = adoptReader(number, this);
    if (instance.task) addWork(instance.task, this);
  }
  get closed() {
    return this.reader === null;
  }
  get closedForBodies() {
    return this.reader === null;
  }
  // Uint8Array, null at the end, or a promise of either.
  next() {
    this.waiting = owner();
    const chunk = this.body.read();
    if (!(chunk instanceof Promise) || !this.over) return chunk;
    this.#drop(chunk);
    return null;
  }
  processEnded() {
    if (this.over) return;
    this.over = true;
    const wake = this.body.wake;
    if (wake === null) return;
    this.body.wake = null;
    if (this.waiting !== null && !this.waiting.over) enter(this.waiting);
    try {
      wake.resolve(this.next());
    } catch (e) {
      wake.reject(e);
    }
  }
  async #drop(chunk) {
    this.waiting = null;
    try {
      while ((await chunk) !== null) chunk = this.body.read();
    } catch {
      // the pipe broke: there is nobody to tell
    }
  }
  cancel() {
    if (this.reader !== null) this.body.cancel();
  }
}

// Several outputs as one sequence of {name, chunk}; holds at most one chunk of each.
export class Merged {
  #slots;
  #wake = null;
  #at = 0;
  constructor(outputs) {
    this.#slots = Object.keys(outputs).map(
      (name) => ({ name, output: outputs[name], chunk: undefined, pending: false, error: null }));
  }
  // null at the end of all.
  async next() {
    for (;;) {
      let open = false;
      for (let i = 0; i < this.#slots.length; i++) {
        const slot = this.#slots[this.#at++ % this.#slots.length];
        this.#fill(slot);
        if (slot.error !== null) throw slot.error;
        if (slot.pending) {
          open = true;
        } else if (slot.chunk !== null) {
          const chunk = slot.chunk;
          slot.chunk = undefined;
          return { name: slot.name, chunk };
        }
      }
      if (!open) return null;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  #fill(slot) {
    if (slot.pending || slot.chunk !== undefined) return;
    try {
      const chunk = slot.output.next();
      if (!(chunk instanceof Promise)) {
        slot.chunk = chunk;
        return;
      }
      slot.pending = true;
      chunk.then((v) => this.#settle(slot, v, null), (e) => this.#settle(slot, undefined, e));
    } catch (e) {
      slot.error = e;
    }
  }
  #settle(slot, chunk, error) {
    slot.pending = false;
    slot.chunk = chunk;
    slot.error = error;
    const wake = this.#wake;
    this.#wake = null;
    if (wake !== null) wake();
  }
  cancel() {
    for (const slot of this.#slots) slot.output.cancel();
  }
}
