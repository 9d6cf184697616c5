/**
 * The last list of threads that a person was shown, so that `recollect thread 3` is its third.
 *
 * Room: edge.
 *
 * Kept in a file of the data folder. Where that cannot be read or written, a number is the beginning of an id, as other texts are.
 */
import { Effect, Schema } from "effect";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as DataFolder from "../../../machine/DataFolder.ts";
import * as OwnFile from "../../../machine/OwnFile.ts";
import { where } from "../Flags.ts";

/** A thread by its whole name: two tenants may have one of the same id. */
export const Listed = Schema.Struct({ threadId: Schema.String, tenant: Schema.String });
export type Listed = typeof Listed.Type;

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Listed)));

/** Place in a list: no page has more threads. */
const place = /^[1-9]\d{0,3}$/;

const file = Effect.flatMap(where, ({ data }) =>
  Effect.map(DataFolder.locate(data), (root) => join(root, "last-list.json")),
);

/** Remembers what was shown, in its order. Never fails: a list is shown all the same. */
export const remember = (threads: ReadonlyArray<Listed>) =>
  Effect.flatMap(file, (path) => {
    const half = `${path}.${process.pid}`;
    const listed = threads.map(({ tenant, threadId }) => ({ threadId, tenant }));
    return Effect.try(() => {
      writeFileSync(half, JSON.stringify(listed), { mode: 0o600 });
      renameSync(half, path);
    }).pipe(Effect.onError(() => Effect.ignore(Effect.try(() => rmSync(half, { force: true })))));
  }).pipe(Effect.ignore);

/** The thread at a place of the last list; undefined for a number that it does not have. */
export const atPlace = Effect.fnUntraced(function* (given: string) {
  if (!place.test(given)) return undefined;
  const listed = yield* Effect.flatMap(file, (path) => Effect.try(() => decode(OwnFile.readText(path)))).pipe(
    Effect.orElseSucceed((): ReadonlyArray<Listed> => []),
  );
  return listed[Number(given) - 1];
});
