/**
 * Messages between the proxy and its recorder, which live in two threads.
 *
 * Room: edge.
 */
import type { How, Refusal } from "./InPlace.ts";
import type { Protocol, State } from "./Protocol.ts";
import type { Direction, Moment } from "./Traffic.ts";

/** Options of the recorder; plain data, which crosses threads. */
export interface RecorderOptions {
  /** A UUID: with it and its place each event has its id, whoever records it. */
  readonly sessionId: string;
  /** Thread to write to where none is named. */
  readonly ownThreadId: string;
  readonly threadId: string | undefined;
  readonly tenant: string | undefined;
  readonly url: string | undefined;
  readonly data: string | undefined;
  /** Credentials for the server. */
  readonly access: Access | undefined;
  readonly command: ReadonlyArray<string>;
  /** Default: mcp. */
  readonly protocol?: Protocol | undefined;
  /** Transport to the server. Default: stdio. */
  readonly transport?: string | undefined;
  readonly cwd: string;
  /** The agent's own session, where the environment tells it; the thread is linked to it. */
  readonly parentThreadId: string | undefined;
  /** Tools whose answers may be given again, whatever the configuration says. */
  readonly cacheTools: ReadonlyArray<string>;
  /** True when the configuration is asked for more of them. */
  readonly cache: boolean;
  readonly started: Moment;
  /** True when limits are asked, and whose calls they are. */
  readonly limits: LimitOptions | undefined;
}

/** Files with credentials, and where answers are listened for; as ServerAccess has it. */
export interface Access {
  readonly creds?: string | undefined;
  readonly nkey?: string | undefined;
  readonly inboxPrefix?: string | undefined;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
}

export interface LimitOptions {
  readonly user: string | undefined;
}

/** End of the wrapped process: one of the two is null. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type ToRecorder =
  | {
      readonly _tag: "Chunk";
      readonly direction: Direction;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly at: Moment;
    }
  /** May this tool be called now? Answered by `Decided` of the same number. */
  | { readonly _tag: "Ask"; readonly number: number; readonly tool: string }
  /** Has an equal call been answered lately? `request` is the call's id in JSON, `find` numbers the questions. */
  | {
      readonly _tag: "Find";
      readonly find: number;
      readonly request: string;
      readonly name: string;
      readonly arguments: unknown;
    }
  /** The call has gone its way: unless it was refused, its line was told of just before. */
  | { readonly _tag: "Went"; readonly find: number; readonly how: How }
  | { readonly _tag: "Ended"; readonly ended: Ended; readonly at: Moment };

export type FromRecorder =
  /** So many bytes are dealt with. */
  | { readonly _tag: "Taken"; readonly bytes: number }
  /** All that was told so far, in bytes, is in the log or the spool; and this is what was seen. */
  | { readonly _tag: "Settled"; readonly bytes: number; readonly state: State }
  /** The result in JSON; null when there is none. */
  | { readonly _tag: "Found"; readonly find: number; readonly result: string | null }
  | { readonly _tag: "Decided"; readonly number: number; readonly refusal: Refusal | undefined }
  /** From now on the answers of these tools may be given again, beside those that were named at the start. */
  | { readonly _tag: "Tools"; readonly tools: ReadonlyArray<string> }
  /** Said at once on standard error, in place of at the end. */
  | { readonly _tag: "Warned"; readonly text: string }
  /** Everything is durable, or `lost` says how many events are not; and in sentences what was not done beside. */
  | { readonly _tag: "Done"; readonly lost: number; readonly problems: ReadonlyArray<string> };
