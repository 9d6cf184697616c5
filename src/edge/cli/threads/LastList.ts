/**
 * The last list of threads that a person was shown, so that `recollect thread 3` is its third.
 *
 * Room: edge.
 *
 * Kept in a file of the data folder. Where that cannot be read or written, a number is the beginning of an id, as other texts are.
 */
import { Effect } from "effect";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as DataFolder from "../../../machine/DataFolder.ts";
import { where } from "../Flags.ts";

/** Place in a list: no page has more threads. */
const place = /^[1-9]\d{0,3}$/;

const file = Effect.flatMap(where, ({ data }) =>
  Effect.map(DataFolder.locate(data), (root) => join(root, "last-list.json")),
);

/** Remembers what was shown, in its order. Never fails: a list is shown all the same. */
export const remember = (ids: ReadonlyArray<string>) =>
  Effect.flatMap(file, (path) =>
    Effect.try({
      try: () => {
        const half = `${path}.${process.pid}`;
        writeFileSync(half, JSON.stringify(ids), { mode: 0o600 });
        renameSync(half, path);
      },
      catch: () => undefined,
    }),
  ).pipe(Effect.ignore);

/** Id of the thread at a place of the last list; undefined for what is no place of it. */
export const atPlace = Effect.fnUntraced(function* (given: string) {
  if (!place.test(given)) return undefined;
  const ids = yield* Effect.flatMap(file, (path) =>
    Effect.try({ try: (): unknown => JSON.parse(readFileSync(path, "utf8")), catch: () => undefined }),
  ).pipe(Effect.orElseSucceed(() => []));
  const id: unknown = Array.isArray(ids) ? ids[Number(given) - 1] : undefined;
  return typeof id === "string" ? id : undefined;
});
