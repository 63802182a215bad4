// WorkerEntrypoint and what is called over RPC besides objects.

export class RpcTarget {}

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkflowEntrypoint extends WorkerEntrypoint {}
