/**
 * Conditions: what stands between the projector and the stream, each with a name, a sentence and a command.
 *
 * Room: projection.
 *
 * Whether the stream is the one that was read before is decided here, from three things: when it was created, how
 * far it reaches, and what it holds at the checkpoint. A server can come back with an emptied disk, an older backup,
 * or a torn tail whose sequences it gives out again; going on then would skip new events in silence.
 */
import { Effect, Schema } from "effect";
import type { Sequence } from "../domain/History.ts";
import { EventLog, type LogInfo, type LogUnavailable } from "../log/EventLog.ts";
import type { Checkpoint } from "./Checkpoint.ts";
import { identityOf, type StorageTrouble } from "./ReadModel.ts";

/**
 * - `recreated`: another stream under the same name
 * - `rolledBack`: the stream ends before the checkpoint
 * - `sequenceReused`: another event stands at the checkpoint
 * - `hole`: a sequence is missing
 * - `ledgerAhead`: the ledger has events that the stream does not, found by a rebuild that would have dropped them
 * - `witnessDisagrees`: the witness outside of the folder has seen more than the folder holds
 * - `copiesDiffer`, `eventsLost`, `ledgerDamaged`, `databaseDamaged`: found by the scrubber; what it can mend it mends
 * - `restored`: a new incarnation with the same events; noticed, and gone on
 * - `logAway`, `storage`, `rebuilding`: it goes on by itself
 */
export const ConditionName = Schema.Literals([
  "recreated",
  "rolledBack",
  "sequenceReused",
  "hole",
  "ledgerAhead",
  "witnessDisagrees",
  "copiesDiffer",
  "eventsLost",
  "ledgerDamaged",
  "databaseDamaged",
  "restored",
  "logAway",
  "storage",
  "rebuilding",
]);

export const Condition = Schema.Struct({
  name: ConditionName,
  /** True when nothing is applied until an operator acts; publishing goes on. */
  stopped: Schema.Boolean,
  message: Schema.String,
  hint: Schema.String,
});
export type Condition = typeof Condition.Type;

/** The projector stands still, so what was waited for will not come by itself. */
export class ProjectorStopped extends Schema.TaggedError<ProjectorStopped>()("ProjectorStopped", {
  condition: Condition,
}) {}

const repair =
  "recollect verify names each place; recollect heal puts back into the stream what the ledger still has. Until then nothing is dropped.";

const stopped = (name: Condition["name"], message: string): Condition => ({
  name,
  stopped: true,
  message,
  hint: repair,
});

/** The condition on one line of a log; a message that ends with an error's reason has no full stop of its own. */
export const inOneLine = ({ message, hint }: Condition): string =>
  `${message}${message.endsWith(".") ? "" : "."} ${hint}`;

export const hole = (sequence: Sequence, reason: string): Condition =>
  stopped("hole", `The stream has a hole at sequence ${sequence}: ${reason}`);

export const ledgerAhead = ({ message, hint }: { readonly message: string; readonly hint: string }): Condition => ({
  name: "ledgerAhead",
  stopped: true,
  message,
  hint,
});

export const logAway = ({ reason, hint }: LogUnavailable): Condition => ({
  name: "logAway",
  stopped: false,
  message: `The log cannot be read: ${reason}`,
  hint: hint ?? "It goes on by itself when the log is back.",
});

export const storage = ({ message, hint }: StorageTrouble): Condition => ({
  name: "storage",
  stopped: false,
  message,
  hint,
});

export const rebuilding = (message: string): Condition => ({
  name: "rebuilding",
  stopped: false,
  message,
  hint: "Readers see the database as it was until it is done.",
});

export const restored = (checkpoint: Checkpoint, info: LogInfo): Condition => ({
  name: "restored",
  stopped: false,
  message: `The stream was created anew on ${new Date(info.created).toISOString()} and holds the same event at sequence ${checkpoint.sequence}: a restored backup. It is read on from there.`,
  hint: "recollect verify compares all of it with the ledger.",
});

/** Difference between `checkpoint` and the stream; undefined when the stream is the one known. */
export const identify = Effect.fn("projection.identify")(function* (checkpoint: Checkpoint) {
  const log = yield* EventLog;
  const info = yield* log.info;
  const { sequence } = checkpoint;
  const found = yield* compare({ checkpoint, info, log });
  if (found !== undefined) return { info, condition: found };
  if (info.messages > 0 && info.firstSequence > sequence + 1) {
    return { info, condition: hole(sequence + 1, `the stream begins at ${info.firstSequence}.`) };
  }
  return { info, condition: undefined };
});

const compare = Effect.fnUntraced(function* (options: {
  readonly checkpoint: Checkpoint;
  readonly info: LogInfo;
  readonly log: EventLog["Service"];
}) {
  const { checkpoint, info } = options;
  const { sequence, identity, recordedAt } = checkpoint;
  if (sequence === 0) return undefined;
  const sameIncarnation = checkpoint.streamCreated === info.created;
  const reach = `The database has read up to sequence ${sequence}`;
  if (info.lastSequence < sequence) {
    return sameIncarnation
      ? stopped("rolledBack", `${reach}, but the stream ends at ${info.lastSequence}: its end was lost.`)
      : stopped("recreated", `${reach}, but the stream was created anew and ends at ${info.lastSequence}.`);
  }
  const entry = yield* options.log.at(sequence);
  if (entry !== undefined && identityOf(entry) === identity && entry.recordedAt === recordedAt) {
    return sameIncarnation ? undefined : restored(checkpoint, info);
  }
  if (!sameIncarnation)
    return stopped("recreated", `${reach}, but the stream was created anew and holds something else there.`);
  if (entry !== undefined)
    return stopped(
      "sequenceReused",
      `${reach}, but the stream now holds another event there: its end was lost and written again.`,
    );
  // Events before the first one held are gone from the stream; what follows the checkpoint may still be whole.
  if (info.firstSequence > sequence) return undefined;
  return hole(sequence, "the stream no longer holds what was read there.");
});
