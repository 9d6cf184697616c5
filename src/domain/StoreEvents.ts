/**
 * The events of the store itself: what was lost, what was accepted as lost, what was put back.
 *
 * Room: domain.
 *
 * They stand in the history `recollect.default.store.record`, are facts for an audit and never messages. Who, when and
 * on whose behalf stand around them, as with every event. Digests and running hashes are lower-case hexadecimal
 * (`src/log/Digest.ts`).
 */
import { Schema } from "effect";
import { maybe } from "./thread/Content.ts";
import { Sequence } from "./History.ts";

const Text = Schema.String;

/** Sequences that follow on each other, both ends included. */
export const SequenceRange = Schema.Struct({ first: Sequence, last: Sequence });
export type SequenceRange = typeof SequenceRange.Type;

/** Last sequence of a copy of the stream, and its running hash there. */
export const CopyHead = Schema.Struct({ sequence: Sequence, chain: maybe(Text) });
export type CopyHead = typeof CopyHead.Type;

/** Stands at the place of an event that every copy has lost, and says what is still known of it. */
export const EventLost = Schema.Struct({
  /** The place: the sequence that this event has itself. */
  sequence: Sequence,
  reason: Text,
  eventId: maybe(Text),
  type: maybe(Text),
  subject: maybe(Text),
  digest: maybe(Text),
  /** Epoch milliseconds, by the log's clock. */
  recordedAt: maybe(Schema.Finite),
});

/** A decision to go on without these events. Events that only the ledger had lie in the kept file. */
export const LossAccepted = Schema.Struct({
  reason: Text,
  ranges: Schema.Array(SequenceRange),
  /** Number of events. */
  events: Schema.Natural,
  /** Both copies as they were then. */
  stream: CopyHead,
  ledger: maybe(CopyHead),
  /** Name of the file within the data folder. */
  kept: maybe(Text),
});
export type LossAccepted = typeof LossAccepted.Type;

/** The stream was made anew from its copies, each event at its sequence. */
export const Healed = Schema.Struct({
  reason: Text,
  /** Everything up to here was put in its place by the heal. */
  through: Sequence,
  /** The running hash at `through`. */
  chain: maybe(Text),
  fromStream: Schema.Natural,
  fromLedger: Schema.Natural,
  /** Sequences that neither copy had: `recollect.event_lost` stands there. */
  lost: Schema.Array(SequenceRange),
  /** Random identities of the streams, where they have one. */
  identityBefore: maybe(Text),
  identity: maybe(Text),
});
export type Healed = typeof Healed.Type;
