/**
 * Transcripts of agents on this machine, held against what was imported: new, changed, as it was.
 *
 * Room: edge.
 */
import { Clock, Effect, Path } from "effect";
import { EventLog } from "../../log/EventLog.ts";
import { allTranscripts } from "../import/find/Discover.ts";
import { fingerprintOf, openStamps, type Stamps } from "../import/StampsSqlite.ts";
import { Attach } from "./Attach.ts";
import { where } from "./Flags.ts";
import * as Output from "./Output.ts";

/** A place with its transcripts, by what is to be done about them. */
export interface PlaceState {
  readonly path: string;
  readonly agent: string;
  readonly format: string;
  readonly files: number;
  readonly bytes: number;
  /** Paths that no import has met; that changed since; and how many are as they were. */
  readonly fresh: ReadonlyArray<string>;
  readonly changed: ReadonlyArray<string>;
  readonly unchanged: number;
}

/** The stamps of the store that the command line names. */
export const stampsOfStore = Effect.fnUntraced(function* (tenant: string) {
  const attach = yield* Attach;
  const path = yield* Path.Path;
  const folder = yield* Effect.flatMap(where, attach.folder);
  const log = yield* EventLog;
  const { created, lastSequence } = yield* log.info;
  return yield* openStamps(path.join(folder.root, "imports.db"), { tenant, created, lastSequence });
});

/** Looks at every transcript of this machine. */
export const onThisMachine = Effect.fn("cli.onThisMachine")(function* (stamps: Stamps | undefined) {
  const now = yield* Clock.currentTimeMillis;
  const places: Array<PlaceState> = [];
  for (const { agent, files, format, path } of yield* allTranscripts) {
    const fresh: Array<string> = [];
    const changed: Array<string> = [];
    for (const file of files) {
      const known = stamps?.known(file.path);
      if (known === undefined) fresh.push(file.path);
      else if ((yield* fingerprintOf(file.path, now)) !== known.fingerprint) changed.push(file.path);
    }
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const unchanged = files.length - fresh.length - changed.length;
    places.push({ path, agent, format, files: files.length, bytes, fresh, changed, unchanged });
  }
  return places.toSorted((left, right) => right.bytes - left.bytes);
});

/** The places as a table for a person. */
export const placesTable = (places: ReadonlyArray<PlaceState>): ReadonlyArray<string> =>
  Output.table(
    ["agent", "files", "size", "new", "changed", "place"],
    places.map(({ agent, bytes, changed, files, fresh, path }) => [
      agent,
      Output.count(files),
      Output.bytes(bytes),
      Output.count(fresh.length),
      Output.count(changed.length),
      path,
    ]),
  );
