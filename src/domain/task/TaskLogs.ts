/**
 * Output streams of a task's programs, as its history has them. Pure.
 *
 * Room: domain.
 */
import { Result } from "effect";
import type { RecordedEvent } from "../Event.ts";
import { decodeData } from "../Upcast.ts";

/** A piece of the log of one attempt. */
export interface LogPiece {
  readonly attempt: number | null;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  /** Bytes that were left out before it. */
  readonly omittedBytes: number;
  /** Epoch milliseconds, by the worker's clock. */
  readonly at: number;
}

/** The piece that an event holds; an output that is a text is what the program wrote to stdout. */
export const logPieceOf = (event: RecordedEvent): LogPiece | undefined => {
  const decoded = Result.getOrUndefined(decodeData(event));
  if (decoded?._tag !== "Known") return undefined;
  const at = event.occurredAt;
  if (decoded.type === "task.logged") {
    const { attempt = null, omittedBytes, stream, text } = decoded.data;
    return { attempt, stream, text, omittedBytes: omittedBytes ?? 0, at };
  }
  if (decoded.type !== "task.completed" || typeof decoded.data.output !== "string") return undefined;
  return { attempt: null, stream: "stdout", text: decoded.data.output, omittedBytes: 0, at };
};
