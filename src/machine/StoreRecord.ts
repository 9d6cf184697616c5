/**
 * A data folder's record of its stream, in `store.json`: its identity, and that it was there.
 *
 * Room: machine.
 *
 * Promises: a reader sees a whole file or none; a file that is there and cannot be read is never taken for none, because
 * then a stream could be made in the place of one that held something.
 */
import { createHash, randomUUID } from "node:crypto";
import { Effect, FileSystem, Option, Schema } from "effect";
import { DataFolder, folderTrouble } from "./DataFolder.ts";
import * as OwnFile from "./OwnFile.ts";

export const StoreRecord = Schema.Struct({
  /** Random UUID, also in the stream's metadata. */
  identity: Schema.String,
  stream: Schema.String,
  /** Creation of the stream, epoch milliseconds. */
  created: Schema.Finite,
  /** Always true: the file is written once the stream is there. */
  heldSomething: Schema.Boolean,
  /** The last sequence that was there, some seconds ago at the latest while a daemon ran: an end that is before it was lost. */
  reached: Schema.optionalKey(Schema.Int),
  /** Checksum of the others: a changed digit is a damaged file. Absent in a file of an earlier version. */
  sum: Schema.optionalKey(Schema.String),
});
export type StoreRecord = typeof StoreRecord.Type;

const StoreFile = Schema.fromJsonString(StoreRecord);

/** `Unreadable`: there is one, and it cannot be decoded. */
export type Known =
  | { readonly _tag: "None" }
  | { readonly _tag: "Unreadable" }
  | { readonly _tag: "Known"; readonly record: StoreRecord };

const sumOf = ({ created, heldSomething, identity: name, reached, stream }: StoreRecord): string =>
  createHash("sha256")
    .update(JSON.stringify([name, stream, created, heldSomething, reached ?? null]))
    .digest("hex")
    .slice(0, 16);

/** The record in the text of such a file. */
export const parse = (text: string): Known =>
  Option.match(Schema.decodeUnknownOption(StoreFile)(text), {
    onNone: () => ({ _tag: "Unreadable" }),
    onSome: (record) =>
      record.sum === undefined || record.sum === sumOf(record) ? { _tag: "Known", record } : { _tag: "Unreadable" },
  });

/** Reads the folder's record. Never fails: a damaged one is `Unreadable`. */
export const read = Effect.fn("machine.readStoreRecord")(function* (): Effect.fn.Return<Known, never, DataFolder> {
  const { store } = yield* DataFolder;
  const text = yield* Effect.result(OwnFile.text(store));
  if (text._tag === "Failure") {
    return OwnFile.isMissing(text.failure) ? { _tag: "None" } : { _tag: "Unreadable" };
  }
  return parse(text.success);
});

/** The identity that is expected; undefined where the folder knows none. */
export const identity = Effect.map(read(), (known) => (known._tag === "Known" ? known.record.identity : undefined));

/** Writes it in one step: a temporary file, synced and renamed. */
export const write = Effect.fn("machine.writeStoreRecord")(function* (record: StoreRecord) {
  const fs = yield* FileSystem.FileSystem;
  const { store: path } = yield* DataFolder;
  const text = yield* Schema.encodeEffect(StoreFile)({ ...record, sum: sumOf(record) }).pipe(Effect.orDie);
  const unfinished = `${path}.${randomUUID()}`;
  yield* Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fs.open(unfinished, { flag: "wx", mode: 0o600 });
      yield* file.writeAll(new TextEncoder().encode(`${text}\n`));
      yield* file.sync;
    }),
  ).pipe(
    Effect.andThen(fs.rename(unfinished, path)),
    Effect.onError(() => fs.remove(unfinished, { force: true }).pipe(Effect.ignore)),
    Effect.mapError((cause) => folderTrouble({ path, cause })),
  );
});
