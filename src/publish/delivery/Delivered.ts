/**
 * Delivery of a command: its outcomes, errors and options.
 *
 * Room: publish.
 */
import type { TaskRefusal } from "../../domain/task/Task.ts";
import type { Sequence } from "../../domain/History.ts";
import type { AccessDenied, AppendRefused, LogUnavailable } from "../../log/EventLog.ts";
import type { Durable } from "../../spool/Spool.ts";
import type { WhenDenied } from "./Denials.ts";
import type { NotAccepted } from "./SpoolOrMemory.ts";

/**
 * Outcome of a command.
 *
 * - `Appended`: the log has it, on disk. `Unchanged`: the task was there already, nothing was added
 * - `Spooled`: on this machine's disk; it reaches the log when the log is back, also without this process
 * - `Held`: in this process's memory only, because the disk is unusable too; lost if the process dies first. Only for
 *   callers that ask for it (`durable: "memory"`)
 * - `Withheld`: nowhere, because the audit policy records nothing of such a call (level `None`)
 */
export type Delivered =
  | { readonly _tag: "Appended"; readonly sequence: Sequence }
  | { readonly _tag: "Unchanged"; readonly sequence: Sequence }
  | { readonly _tag: "Spooled" }
  | { readonly _tag: "Held" }
  | { readonly _tag: "Withheld" };

/** `LogUnavailable` only for a command that must be in the log. */
export type DeliveryError = AccessDenied | AppendRefused | TaskRefusal | LogUnavailable | NotAccepted;

export interface Options {
  /** Patience for the log before a command goes to the spool, milliseconds. Default 250, and 1,000 before it has answered once. */
  readonly patienceMillis?: number | undefined;
  /**
   * For a program that must go on whatever the server says: what it does not let us write is spooled all the same, and this
   * is told why, once until the log takes something. Default: such a call fails with `AccessDenied`.
   */
  readonly whenDenied?: WhenDenied;
  /** Durability that a call waits for, unless the call says otherwise. Default `disk`. */
  readonly durable?: Durable | undefined;
}

export interface Waiting {
  readonly mode: "direct" | "spooling";
  /** Calls that have not returned yet. */
  readonly outstanding: number;
  /** Commands on disk and in memory that the log does not have; those on disk may be of other processes too. */
  readonly spooled: number;
  readonly held: number;
}
