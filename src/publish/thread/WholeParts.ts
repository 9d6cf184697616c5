/**
 * Parts as they were said, with what their events left in the object store.
 *
 * Room: publish.
 */
import { Effect } from "effect";
import type { Part } from "../../domain/thread/Content.ts";
import { wholePart } from "../../domain/WholePart.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";

/** A part whose bytes are lost keeps its reference, and says so by it. */
export const wholeParts = (
  parts: ReadonlyArray<Part>,
  blob: (sha256: string) => Effect.Effect<Uint8Array | undefined, LogUnavailable>,
  isMeant: (part: Part) => boolean = () => true,
): Effect.Effect<ReadonlyArray<Part>, LogUnavailable> =>
  Effect.forEach(parts, (part) =>
    part.blob == null || !isMeant(part)
      ? Effect.succeed(part)
      : Effect.map(blob(part.blob.sha256), (bytes) => (bytes === undefined ? part : wholePart(part, bytes))),
  );
