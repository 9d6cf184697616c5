/**
 * `recollect sources`: what lies on this machine and is not imported, and what was imported and is gone from the disk since.
 *
 * Room: edge.
 *
 * Nothing is removed because its file is gone: that agents delete their transcripts is why they are kept here.
 */
import { Effect, FileSystem } from "effect";
import { Command } from "effect/cli";
import { fileURLToPath } from "node:url";
import { Query } from "../../query/Query.ts";
import { followed, type FollowStatus } from "../import/follow/FollowStatus.ts";
import { Attach } from "./Attach.ts";
import { json, store, tenant, where } from "./Flags.ts";
import { onThisMachine, placesTable, stampsOfStore } from "./OnThisMachine.ts";
import * as Output from "./Output.ts";

/** Files gone from the disk that are shown to a person; the whole list is in `--json`. */
const mostShown = 20;

const statement = `SELECT source, count(*), max(last_activity_at) FROM v_threads WHERE tenant = :tenant
   AND source LIKE 'file:///%' GROUP BY source ORDER BY source`;

/** A file from which threads came and that is not there any more. */
interface Gone {
  readonly path: string;
  readonly threads: number;
  readonly lastActivityAt: number | null;
}

const pathOf = (source: string): string | undefined => {
  try {
    return fileURLToPath(source);
  } catch {
    return undefined;
  }
};

const goneFiles = Effect.fnUntraced(function* (tenantName: string) {
  const fs = yield* FileSystem.FileSystem;
  const query = yield* Query;
  const { rows } = yield* query.select(statement, { tenant: tenantName });
  const gone: Array<Gone> = [];
  for (const [source, threads, last] of rows) {
    const path = typeof source === "string" ? pathOf(source) : undefined;
    if (path === undefined) continue;
    if (yield* fs.exists(path).pipe(Effect.orElseSucceed(() => true))) continue;
    gone.push({ path, threads: Number(threads), lastActivityAt: last === null ? null : Number(last) });
  }
  return gone;
});

const followedRows = (status: FollowStatus): ReadonlyArray<string> => {
  const { events, files, folders, lastAt, lastPath, pid, polled, startedAt } = status;
  const how = polled === 0 ? "" : `, ${Output.count(polled)} of them polled`;
  const row = `\nFollowed by process ${pid} since ${Output.moment(startedAt)}: ${Output.counted(files, "file")} in ${Output.counted(folders, "folder")}${how}, ${Output.counted(events, "entry", "entries")} since`;
  return lastAt === undefined ? [row] : [row, `  last ${Output.moment(lastAt)}  ${lastPath ?? ""}`];
};

export const sources = Command.make(
  "sources",
  { tenant, json },
  Effect.fn("cli.sources")(
    function* (input) {
      const places = yield* onThisMachine(yield* stampsOfStore(input.tenant));
      const gone = yield* goneFiles(input.tenant);
      const attach = yield* Attach;
      const following = yield* followed((yield* Effect.flatMap(where, attach.folder)).root);
      if (input.json) return yield* Output.json({ places, gone, following });
      if (places.length === 0) yield* Output.line("No transcripts where agents keep them on this machine.");
      else for (const row of placesTable(places)) yield* Output.line(row);
      const missing = places.reduce((sum, { changed, fresh }) => sum + changed.length + fresh.length, 0);
      if (missing > 0)
        yield* Output.note(
          `\n${Output.counted(missing, "file")} not imported as ${missing === 1 ? "it is" : "they are"} now: recollect import`,
        );
      for (const row of following.flatMap(followedRows)) yield* Output.line(row);
      if (gone.length === 0) return;
      yield* Output.line(`\nGone from the disk since they were imported (they stay here):`);
      for (const { path, threads } of gone.slice(0, mostShown))
        yield* Output.line(`  ${path}  ${Output.counted(threads, "thread")}`);
      if (gone.length > mostShown) yield* Output.line(`  … and ${gone.length - mostShown} more: --json lists them all`);
    },
    Effect.scoped,
    store,
  ),
).pipe(
  Command.withDescription("What agents keep on this machine: imported or not, and what is gone from the disk since"),
  Command.withExamples([
    { command: "recollect sources", description: "What is there, what is new, and what is gone from the disk" },
  ]),
);
