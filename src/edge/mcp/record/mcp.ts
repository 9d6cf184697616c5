/**
 * `recollect/mcp`: one line that records an MCP server of the official SDKs, of both generations.
 *
 * Room: edge.
 *
 * ```ts
 * import { Recollect } from "recollect";
 * import { record } from "recollect/mcp";
 * record(server, await Recollect.connect({ client: "my-server" }));
 * ```
 *
 * Works on what both have in common, `connect(transport)` and the two ways of a transport, so it imports neither. An answer is
 * never changed, and never waits for the record.
 */
import type { Recollect } from "../../../client/Recollect.ts";
import { type RecordOptions, Seen } from "./Seen.ts";

export type { RecordOptions } from "./Seen.ts";

/** A transport of either SDK, as far as it is looked at. */
interface Transport {
  onmessage?: ((...message: ReadonlyArray<never>) => void) | undefined;
  onclose?: (() => void) | undefined;
  send(...message: ReadonlyArray<never>): Promise<void>;
}

/** `McpServer` or `Server` of `@modelcontextprotocol/sdk` 1 or `@modelcontextprotocol/server` 2. */
export interface RecordedServer {
  connect(...transport: ReadonlyArray<never>): Promise<void>;
}

type Anything = (...words: ReadonlyArray<unknown>) => unknown;

/** Both ways of a transport that a server has taken. */
const tap = (transport: Transport, seen: Seen): void => {
  const hear = transport.onmessage as Anything | undefined;
  const onmessage = (message: unknown, ...more: ReadonlyArray<unknown>) => {
    seen.passed("toServer", message);
    return hear?.call(transport, message, ...more);
  };
  const say = transport.send as Anything;
  const send = (message: unknown, ...more: ReadonlyArray<unknown>) => {
    seen.passed("toClient", message);
    return say.call(transport, message, ...more);
  };
  const close = transport.onclose;
  const onclose = () => {
    seen.ended("closed");
    close?.call(transport);
  };
  // A transport has one of each, and no listeners beside them.
  Object.assign(transport, { onmessage, send, onclose });
};

/** Servers that are recorded already: twice would count each call twice. */
const recorded = new WeakSet<RecordedServer>();

/**
 * Records each connection that the server takes from now on: its session, and each tool call with arguments, outcome, result
 * and duration, in a thread of its own or in `options.thread`. Returns the server. A second time it changes nothing.
 */
export const record = <Server extends RecordedServer>(
  server: Server,
  recollect: Recollect,
  options: RecordOptions = {},
): Server => {
  if (recorded.has(server)) return server;
  recorded.add(server);
  const connect = server.connect.bind(server) as Anything;
  const taking = async (transport: Transport, ...more: ReadonlyArray<unknown>): Promise<void> => {
    const seen = new Seen(recollect, options);
    // A transport may speak as soon as it is connected, so that its ways are taken before and, as the server sets them
    // while it connects, once more as they are set.
    let onmessage = transport.onmessage;
    let isTapped = false;
    const tapOnce = () => {
      if (isTapped) return;
      isTapped = true;
      Object.defineProperty(transport, "onmessage", {
        value: onmessage,
        writable: true,
        configurable: true,
        enumerable: true,
      });
      tap(transport, seen);
    };
    Object.defineProperty(transport, "onmessage", {
      configurable: true,
      enumerable: true,
      get: () => onmessage,
      set: (given: Transport["onmessage"]) => {
        onmessage = given;
        if (given !== undefined) tapOnce();
      },
    });
    await connect(transport, ...more);
    tapOnce();
  };
  server.connect = taking as unknown as Server["connect"];
  return server;
};
