/**
 * A session that does not begin.
 *
 * Room: coordination.
 */
import { Schema } from "effect";

/** This session cannot be registered, or cannot join: nothing was written. */
export class SessionRefused extends Schema.TaggedError<SessionRefused>()("SessionRefused", {
  sessionId: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}
