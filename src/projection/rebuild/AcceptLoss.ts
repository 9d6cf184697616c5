/**
 * Loss of events in a rebuild: refused by default, and once accepted, an event for ever.
 *
 * Room: projection.
 */
import { Clock, Effect, Random, Schema } from "effect";
import type { NewEvent } from "../../domain/Event.ts";
import * as EventId from "../../domain/EventId.ts";
import { storeRecord } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import { type CopyHead, type LossAccepted, SequenceRange } from "../../domain/StoreEvents.ts";
import { EventLog, LogUnavailable } from "../../log/EventLog.ts";

/** The ledger has events that the stream does not have: nothing was changed. */
export class LossRefused extends Schema.TaggedError<LossRefused>()("LossRefused", {
  message: Schema.String,
  hint: Schema.String,
  /** Their sequences in the ledger. */
  ranges: Schema.Array(SequenceRange),
  events: Schema.Natural,
}) {}

/** Acceptance of a loss: actor and reason. */
export interface Acceptance {
  readonly reason: string;
  readonly actor?: string | undefined;
}

export const refused = (ranges: ReadonlyArray<SequenceRange>): LossRefused => {
  const events = Ranges.count(ranges);
  return new LossRefused({
    message: `The ledger has ${events} events that the stream does not have, at ${Ranges.text(ranges)}: a rebuild would drop them.`,
    hint: 'Put them back with: recollect heal. To go on without them: recollect rebuild --accept-loss --reason "…"; they stay in a kept file.',
    ranges,
    events,
  });
};

const source = "recollect rebuild";

/** A UUIDv7 of now. */
const newId = Effect.gen(function* () {
  const word = Random.nextIntBetween(0, 2 ** 32 - 1);
  return EventId.fromTime(yield* Clock.currentTimeMillis, [yield* word, yield* word, yield* word]);
});

/** The id is given here alone, so that any sequence is right. */
const notTaken = ({ _tag }: { readonly _tag: string }) =>
  Effect.fail(new LogUnavailable({ reason: `the log does not take the accepted loss (${_tag})` }));

/** Appends the accepted loss; it is on disk when this returns. Answers its sequence. */
export const record = Effect.fnUntraced(function* (options: {
  readonly acceptance: Acceptance;
  readonly ranges: ReadonlyArray<SequenceRange>;
  readonly stream: CopyHead;
  readonly ledger: CopyHead | undefined;
  readonly kept: string | undefined;
}) {
  const { acceptance, kept, ledger, ranges, stream } = options;
  const data: LossAccepted = {
    reason: acceptance.reason,
    ranges,
    events: Ranges.count(ranges),
    stream,
    ...(ledger === undefined ? {} : { ledger }),
    ...(kept === undefined ? {} : { kept }),
  };
  const event: NewEvent = {
    id: yield* newId,
    type: "recollect.loss_accepted",
    source,
    schemaVersion: 1,
    occurredAt: yield* Clock.currentTimeMillis,
    actor: acceptance.actor,
    body: JSON.stringify(data),
  };
  const log = yield* EventLog;
  const { sequence } = yield* log
    .append({ history: storeRecord, events: [event], expected: "any" })
    .pipe(Effect.catchTags({ AppendRefused: notTaken, SequenceConflict: notTaken }));
  return sequence;
});
