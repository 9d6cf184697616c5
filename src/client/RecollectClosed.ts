/**
 * Rejection of a call after `close`.
 *
 * Room: client.
 */
import { Schema } from "effect";

/** The client was closed before the call, or while it waited. Nothing was accepted by it. */
export class RecollectClosed extends Schema.TaggedError<RecollectClosed>()("RecollectClosed", {}) {
  override get message(): string {
    return "This Recollect was closed.";
  }
  readonly hint = "Connect again with Recollect.connect().";
}
