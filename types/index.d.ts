// The module "sallyport" and what Sallyport adds to the classes of @cloudflare/containers, from
// which those of @cloudflare/sandbox inherit. Types only: the module itself is built in.

// Everything of both packages under one name.
export * from "@cloudflare/sandbox";
export {
  Container,
  ContainerProxy,
  getContainer,
  getRandom,
  loadBalance,
  outboundParams,
  switchPort,
} from "@cloudflare/containers";
export type {
  ContainerOptions,
  ContainerStartConfigOptions,
  OutboundHandler,
  OutboundHandlerContext,
  OutboundHandlerParams,
  OutboundHandlerParamsOf,
  OutboundHandlers,
  State,
  StopParams,
  WaitOptions,
} from "@cloudflare/containers";

/** Why a request of a sandbox is denied. */
export interface Denial {
  /** What decided. The name of a setter: the handler that it named is not in the code. */
  rule:
    | "allowedHosts"
    | "deniedHosts"
    | "enableInternet"
    | "setOutboundByHost"
    | "setOutboundHandler";
  /** The canonical name of the host, without a port. */
  host: string;
  /** The entry of the list, or the key, as it was written; "" when there is none. */
  pattern: string;
  /** Half a sentence for people. */
  reason: string;
}

/** Answers in place of the status 520 `Origin is disallowed`. */
export type DeniedHandler = (request: Request, denial: Denial) => Response | Promise<Response>;

/** The key "sallyport" of wrangler.jsonc. */
export interface Settings {
  limits?: {
    /** CPU time of one turn of JavaScript, in ms; by default 1000. */
    turn_ms?: number;
    /** Memory above that of the loaded Worker, in bytes; by default 512 MiB. */
    heap_bytes?: number;
    /** How long a handler may wait without a fetch under way, in ms; by default 30000. */
    request_ms?: number;
    /** Exchanges of one sandbox that are open at once; by default 1024. */
    exchanges?: number;
  };
}

declare module "@cloudflare/containers" {
  interface Container<Env> {
    /** Raw TCP that is let through, each `host:port`. */
    allowedTcp?: string[];

    /** Takes back what `setOutboundHandler` set: the class's own `outbound` applies again. */
    removeOutboundHandler(): Promise<void>;
  }

  namespace Container {
    /** Also as a `static` field. A class inherits that of its parent. */
    let denied: DeniedHandler | undefined;
  }
}
