/** Importing transcripts from the page cache into the log, durably, against reading and parsing their lines. */
import { Effect } from "effect";
import { readFileSync } from "node:fs";
import { importPaths } from "../../src/edge/import/Importer.ts";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { inTurns, perSecond, type Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { absent, copiesOf, dataFolder } from "../Transcripts.ts";

const copies = 6;
const rounds = 3;
const megabyte = 1e6;

/** A few of the real lines hold two values, or are torn. */
const parses = (line: string): boolean => {
  try {
    return JSON.parse(line) !== undefined;
  } catch {
    return false;
  }
};

/** What no import can be quicker than: every line is decoded and parsed once, in one thread. */
const parseLines = (files: ReadonlyArray<string>): number => {
  let lines = 0;
  for (const file of files) {
    const bytes = readFileSync(file);
    for (let start = 0; start < bytes.length;) {
      const found = bytes.indexOf(10, start);
      const end = found === -1 ? bytes.length : found;
      if (end > start && parses(bytes.toString("utf8", start, end))) lines++;
      start = end + 1;
    }
  }
  return lines;
};

const run = Effect.gen(function* () {
  const folder = dataFolder("claude-code-entire");
  if (folder === undefined) return absent;
  const target = yield* temporaryFolder;
  const { bytes, files } = copiesOf({ folder, target, copies });
  const appended: Array<number> = [];

  /** Each round has a server of its own: the same transcripts again would be duplicates. */
  const ours = () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { rooms } = yield* world();
        const importing = importPaths({ paths: [target] }).pipe(
          Effect.provide(rooms),
          Effect.provide(NodeServices.layer),
          Effect.tap(({ eventsAppended }) => Effect.sync(() => appended.push(eventsAppended))),
        );
        return yield* perSecond(bytes / megabyte, importing);
      }),
    );

  const peer = () =>
    perSecond(
      bytes / megabyte,
      Effect.sync(() => parseLines(files)),
    );

  const taken = yield* inTurns({ rounds, ours, peer });
  const [events = 0] = appended;
  if (appended.some((count) => count !== events)) return yield* Effect.die(`imports differ: ${appended.join(", ")}`);
  const note = `${copies} copies of claude-code-entire, ${(bytes / megabyte).toFixed(0)} MB, ${events} events, into the log alone`;
  return { ...taken, peerName: "reading and JSON.parse of the same lines (limit)", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "import",
  what: "import of transcripts from page cache, durable",
  unit: "MB/s",
  goal: { of: "ours", is: "at least", limit: 20 },
  run,
};
