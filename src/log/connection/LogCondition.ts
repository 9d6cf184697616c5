/**
 * Conditions of the stream of record, or of a server that is not believed to hold it: a name, a sentence, a command.
 *
 * Room: log.
 */
import { Schema } from "effect";

/**
 * - `strangeStream`: the server has another stream of that name than the one this folder or publisher knows
 * - `streamMissing`: the server has no such stream, although one is known to have been there
 * - `streamUnloadable`: the same, and its files still lie in the data folder: the server could not load them
 * - `notPermitted`: the user may not ask for the stream
 * - `credentials`: the server takes our credentials no longer
 * - `streamUnusable`: it cannot hold events (a mirror, in memory, sealed, …)
 * - `logAway`: for longer than a reader waits
 * - `streamDamaged`: events that the server counts and cannot read
 * - `streamRemoves`: a limit or flag that can remove events
 * - `streamFull`: a limit of the stream's own is reached; appends are refused
 * - `streamSettings`: a flag that appends or reads need is not set
 * - `compressed`: the server compresses it
 */
export const LogConditionName = Schema.Literals([
  "strangeStream",
  "streamMissing",
  "streamUnloadable",
  "notPermitted",
  "credentials",
  "streamUnusable",
  "logAway",
  "streamDamaged",
  "streamRemoves",
  "streamFull",
  "streamSettings",
  "compressed",
]);
export type LogConditionName = typeof LogConditionName.Type;

export interface LogCondition {
  readonly name: LogConditionName;
  /** Field of the stream's configuration, where it is one. */
  readonly field?: string | undefined;
  readonly message: string;
  readonly hint: string;
  /** Right that this user lacks: `publish to SUBJECT`, `connect`. */
  readonly denied?: string | undefined;
  /** True where an append would make it worse: appends are refused, and wait in the spool. */
  readonly refusesAppends: boolean;
}
