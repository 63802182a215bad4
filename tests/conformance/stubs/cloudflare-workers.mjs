// What @cloudflare/containers needs of cloudflare:workers to be loaded by node.
export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}
export class DurableObject extends WorkerEntrypoint {}
export const env = {};
