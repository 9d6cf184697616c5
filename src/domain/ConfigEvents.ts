/**
 * The event of a configuration: a change made while everything runs, and its reason.
 *
 * Room: domain.
 *
 * Actor and time stand around the event, as with every other. Secrets are no part of a configuration that is an event.
 */
import { Schema } from "effect";
import { maybe } from "./thread/Content.ts";

/** One event is one version: all of its changes hold from the same moment. */
export const ConfigChanged = Schema.Struct({
  /** Each field once. Without a value (or with `null`) the field falls back to what it is without this history. */
  changes: Schema.Array(Schema.Struct({ field: Schema.String, value: maybe(Schema.Unknown) })),
  why: maybe(Schema.String),
  /** The version whose values these are, when this goes back to one. */
  rolledBackTo: maybe(Schema.Natural),
});
