/**
 * Versions of files that a thread saw: each content once by hash, and an event that names it.
 *
 * Room: publish.
 *
 * The content goes where every large payload goes: the object store that is kept as long as the events, never a cache.
 * The caller decides before which files may be shown to a model, and so be kept here.
 */
import { Effect } from "effect";
import { createHash } from "node:crypto";
import type { EventData } from "../../domain/Event.ts";
import type { History } from "../../domain/History.ts";
import { type About, type Given } from "../write/NewEvent.ts";
import { InvalidEvent } from "../write/InvalidEvent.ts";
import type { Publisher } from "../Publisher.ts";

/**
 * Largest content: it is held, hashed and sent in one piece, and a model reads a tenth of this (a million tokens are some
 * 4 MB).
 */
export const maxFileBytes = 32 * 1024 * 1024;
/** Longest path, in bytes of UTF-8: what Linux takes. */
export const maxPathBytes = 4_096;

export interface ReadFile extends Omit<Given<EventData<"thread.file_read">>, "blob">, About {
  /** All of the file as it was read; a text is taken as UTF-8. */
  readonly bytes: Uint8Array | string;
}

const refused = (message: string, hint: string) => new InvalidEvent({ type: "thread.file_read", message, hint });

/** Publishes that the thread has read the file. The same content again costs a question, not its bytes. */
export const fileRead = Effect.fn("publish.fileRead")(function* (options: {
  readonly publisher: Publisher["Service"];
  readonly history: History;
  readonly about: About;
  readonly data: Omit<ReadFile, keyof About>;
}) {
  const { about, history, publisher } = options;
  const { bytes: given, callId, fromLine, machine, messageId, modifiedAt, path, toLine } = options.data;
  const read = typeof given === "string" ? Buffer.from(given, "utf8") : given;
  if (read.byteLength > maxFileBytes) {
    const message = `The file has ${read.byteLength} bytes; at most ${maxFileBytes} are kept.`;
    return yield* refused(message, "Say which part of it was read, as a message.");
  }
  if (path === "" || Buffer.byteLength(path, "utf8") > maxPathBytes) {
    return yield* refused(`A path has 1 to ${maxPathBytes} bytes.`, "Name the file as it is on the disk.");
  }
  // A version that holds secrets is kept, and named, without them.
  const bytes = publisher.policy().stored?.bytes(read) ?? read;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return yield* publisher.publish({
    ...about,
    history,
    type: "thread.file_read",
    // By name, because a file of the cache has more to say, and an event is for ever.
    data: {
      path,
      blob: { sha256, bytes: bytes.byteLength },
      modifiedAt,
      machine,
      fromLine,
      toLine,
      callId,
      messageId,
    },
    blobs: [{ sha256, bytes }],
  });
});
