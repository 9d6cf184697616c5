/**
 * A connection as those see it who ask over it, and the guard that says whether its server is the one that is meant.
 *
 * Room: log.
 */
import type { NatsConnection as Client } from "@nats-io/transport-node";
import type { Effect } from "effect";
import type { LogCondition } from "./LogCondition.ts";
import type { Replies } from "./RepliesNats.ts";

/** True when the server is there. `since` is in epoch milliseconds. */
export type LinkState =
  | { readonly _tag: "Connected"; readonly server: string; readonly since: number }
  /** A server is there, and it is not the one that is meant: nothing is written to it and nothing of it is believed. */
  | { readonly _tag: "Refused"; readonly server: string; readonly since: number; readonly condition: LogCondition }
  | { readonly _tag: "Away"; readonly since: number };

/** The connection as hot paths see it: plain values, no effect to run. */
export interface Link {
  /** True while the server is there and, with a guard, was found to be the one that is meant. */
  readonly connected: boolean;
  /** Reason for distrusting the connected server; undefined while it is trusted, or while none is there. */
  readonly refused: LogCondition | undefined;
  /** Time of the connection's loss, as `Elapsed` counts; undefined while connected. */
  readonly lostAt: number | undefined;
  /** Calls back at the next disconnect; the result ends the subscription. */
  readonly onLost: (callback: () => void) => () => void;
  readonly replies: Pick<Replies, "open">;
  /**
   * Subject of a question of JetStream's API: as it is, or, of a tenant's account, at the daemon, which answers what the
   * server cannot bound to one tenant.
   */
  readonly route: (subject: string) => string;
  /**
   * Subject that an event of a history is written to: the history's own, or, of a worker or operator, one that names this
   * user and that the daemon hands on (see TenantWritesNats).
   */
  readonly writes: (subject: string) => string;
  /** Reports an oddity (the stream is not served): the guard looks again at once. */
  readonly doubt: () => void;
}

/** Client and link that a question is asked over. */
export interface Asking {
  readonly nc: Client;
  readonly link: Link;
}

export type Verdict =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Refused"; readonly condition: LogCondition }
  /** The server did not answer: what was believed before still is. */
  | { readonly _tag: "Unsure"; readonly reason: string };

/** Says whether a server is the one that is meant: at each connect before anything else is asked, and again and again. */
export interface Guard {
  readonly look: (asking: Asking) => Effect.Effect<Verdict>;
  /** Conditions of the stream that was admitted last. */
  readonly conditions: () => ReadonlyArray<LogCondition>;
}
