/**
 * Imports texts for people in which programs keep conversations: Aider's chat history and SpecStory's.
 *
 * Room: edge.
 *
 * The text is cut into pieces, each an entry (a JSON string), so that all pieces together are the text again. Aider's file
 * holds one session after the other, each a thread; a file of SpecStory is one session.
 */
import { isUtf8 } from "node:buffer";
import { Effect } from "effect";
import { thread } from "../../../domain/History.ts";
import { replaced } from "../../../domain/WrongBytes.ts";
import type { Entry, TextFormat } from "../Entry.ts";
import { readWhole } from "../find/FileBytes.ts";
import type { Found } from "../find/FileWalk.ts";
import type { ImportRun } from "../ImportRun.ts";
import { aiderSessions, specStorySession, type TextSession } from "../formats/TextFormats.ts";
import { FileThread } from "../Threads.ts";

/** The largest text: Aider's history of years in one project is a few megabytes. */
const maxTextBytes = 64 * 1024 * 1024;

const importSession = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  format: TextFormat,
  session: TextSession,
) {
  const state = yield* job.open(thread(session.name, job.tenant));
  yield* job.threads.complete(state);
  const fileThread = new FileThread(state);
  for (const [index, piece] of session.pieces.entries()) {
    const raw = Buffer.from(JSON.stringify(piece), "utf8");
    const occurredAt = session.time ?? file.modified;
    const entry: Entry = { format, place: "line", raw, kind: "json", value: piece, occurredAt, line: index + 1 };
    const effect = job.take(fileThread, entry);
    if (effect !== undefined) yield* effect;
  }
});

export const importText = Effect.fn("edge.importText")(function* (job: ImportRun, file: Found, format: TextFormat) {
  const bytes = yield* readWhole(file, maxTextBytes);
  if (bytes === undefined || !isUtf8(bytes)) {
    const reason =
      bytes === undefined
        ? `the text is longer than ${maxTextBytes} bytes`
        : `the text is not UTF-8, from byte ${replaced(bytes).first} on: write it in UTF-8 and import it again`;
    job.draft.refused.push({ file: file.path, reason });
    return;
  }
  const text = bytes.toString("utf8");
  const sessions = format === "aider" ? aiderSessions(text, file.path) : [specStorySession(text, file.path)];
  for (const session of sessions) yield* importSession(job, file, format, session);
});
