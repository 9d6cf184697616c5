/**
 * The log of one attempt: what its program writes becomes events of the task, in pieces and within bounds.
 *
 * Room: coordination.
 *
 * The first half of the bound is written as it comes, each second, so that a worker that dies has said most of it; of what
 * comes beyond, the last half is kept in memory and written at the end, and what lies between is counted and left out.
 */
import { Effect } from "effect";
import type { EventData } from "../../domain/Event.ts";
import type { TaskLease } from "./TaskLease.ts";

type Piece = Pick<EventData<"task.logged">, "stream" | "text">;

/** Bound of one attempt, in bytes of UTF-8: half as it comes, half at its end. */
export const maxLogBytes = 1024 * 1024;
const halfBytes = maxLogBytes / 2;
/** One event each: a fifth of what an attempt may report. */
const maxPieces = 2_000;
/** Largest piece, in UTF-16 units: 48 KiB of JSON at worst, far below what an event may have. */
const maxPieceUnits = 8_192;
const everyMillis = 1_000;
/** An attempt that is over waits so long for its log to be written. */
const endMillis = 5_000;

export interface TaskLog {
  /** Never waits and never fails. */
  readonly write: (stream: Piece["stream"], text: string) => void;
}

const bytesOf = (text: string): number => Buffer.byteLength(text, "utf8");

/** The first units of a text, never half a character. */
const headUnits = (text: string, units: number): string => {
  const head = text.slice(0, units);
  return units > 1 && units < text.length && !head.isWellFormed() ? head.slice(0, -1) : head;
};

/** Consecutive pieces of one stream joined, as few as fit. */
const piecesOf = (said: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const joined: Array<Piece> = [];
  for (const { stream, text } of said) {
    const last = joined.at(-1);
    if (last?.stream === stream) joined[joined.length - 1] = { stream, text: last.text + text };
    else joined.push({ stream, text });
  }
  return joined.flatMap(({ stream, text }) => {
    const pieces: Array<Piece> = [];
    for (let rest = text; rest !== ""; rest = rest.slice(pieces.at(-1)?.text.length)) {
      pieces.push({ stream, text: headUnits(rest, maxPieceUnits) });
    }
    return pieces;
  });
};

/** A log for the scope of an attempt; what is left is written when the scope ends. */
export const make = Effect.fnUntraced(function* (lease: Pick<TaskLease, "log">) {
  let waiting: Array<Piece> = [];
  let tail: Array<Piece> = [];
  let tailBytes = 0;
  let keptBytes = 0;
  let pieces = 0;
  let omittedBytes = 0;

  const send = (piece: Piece, omitted = 0) =>
    Effect.suspend(() => {
      pieces++;
      return lease.log(omitted > 0 ? { ...piece, omittedBytes: omitted } : piece);
    });
  const drain = Effect.suspend(() => {
    const said = waiting;
    waiting = [];
    return Effect.forEach(piecesOf(said), (piece) => send(piece), { discard: true });
  });

  const write: TaskLog["write"] = (stream, given) => {
    const text = given.toWellFormed();
    const bytes = bytesOf(text);
    if (tail.length === 0 && keptBytes + bytes <= halfBytes && pieces < maxPieces) {
      keptBytes += bytes;
      waiting.push({ stream, text });
      return;
    }
    tail.push({ stream, text: bytes > halfBytes ? text.slice(-halfBytes / 4).toWellFormed() : text });
    tailBytes += bytesOf(tail.at(-1)?.text ?? "");
    omittedBytes += bytes - bytesOf(tail.at(-1)?.text ?? "");
    while (tailBytes > halfBytes && tail.length > 1) {
      const dropped = bytesOf(tail.shift()?.text ?? "");
      tailBytes -= dropped;
      omittedBytes += dropped;
    }
  };

  const end = Effect.gen(function* () {
    yield* drain;
    let omitted = omittedBytes;
    for (const piece of piecesOf(tail)) {
      yield* send(piece, omitted);
      omitted = 0;
    }
    tail = [];
  }).pipe(
    Effect.timeoutOption(endMillis),
    Effect.catch(({ message }) => Effect.logDebug(`the log of a task was not written: ${message}`)),
  );
  // The worker notices a lost lease; the rest of its output is dropped.
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.delay(drain, everyMillis))));
  yield* Effect.addFinalizer(() => end);
  return { write } satisfies TaskLog;
});
