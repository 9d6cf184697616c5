/**
 * Transcripts on this machine, in the places where agents keep them.
 *
 * Room: edge.
 *
 * Names and sizes are looked at, contents are not: what a file holds is found out by the import. The look is bounded,
 * because a folder may lie on a slow network: after `mostFiles` files or `mostMillis` the count is "at least".
 */
import { Clock, Effect, FileSystem, Path } from "effect";
import { homes, rootsOf } from "./Homes.ts";
import type { Format } from "../Entry.ts";

export interface Place {
  /** A folder to import. */
  readonly path: string;
  /** Agent of the transcripts, for people. */
  readonly agent: string;
  readonly format: Format;
  readonly files: number;
  readonly bytes: number;
  /** True when there was more than time to count. */
  readonly isAtLeast: boolean;
}

/** Files that are counted in all: 20,000 took 1.7 s, and a person waits. */
const mostFiles = 20_000;
const mostMillis = 3_000;
/** The deepest of these places has its files five folders down. */
const mostDepth = 8;

interface Count {
  files: number;
  bytes: number;
  isAtLeast: boolean;
}

/** Budget of files that is left, for all places together. */
interface Budget {
  files: number;
  readonly until: number;
}

/** Tells each transcript below a place: the place itself, where it is a file. */
const eachBelow = Effect.fnUntraced(function* (
  root: string,
  isTranscript: RegExp,
  see: (path: string, bytes: number) => "stop" | void,
) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const visit = (folder: string, below: string, depth: number): Effect.Effect<"stop" | void> =>
    Effect.gen(function* () {
      const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []));
      for (const name of names) {
        const place = path.join(folder, name);
        const inside = below === "" ? name : `${below}/${name}`;
        const isLink = yield* fs.readLink(place).pipe(
          Effect.as(true),
          Effect.orElseSucceed(() => false),
        );
        const info = isLink ? undefined : yield* fs.stat(place).pipe(Effect.orElseSucceed(() => undefined));
        if (info?.type === "Directory" && depth < mostDepth && (yield* visit(place, inside, depth + 1)) === "stop")
          return "stop";
        if (info?.type !== "File") continue;
        if (see(isTranscript.test(inside) ? place : "", Number(info.size)) === "stop") return "stop";
      }
      return undefined;
    });
  const info = yield* fs.stat(root).pipe(Effect.orElseSucceed(() => undefined));
  if (info?.type === "File") see(root, Number(info.size));
  else if (info?.type === "Directory") yield* visit(root, "", 0);
});

/** Counts below a folder. An unreadable one counts nothing; links are not followed, so a loop cannot be walked. */
const countBelow = Effect.fnUntraced(function* (root: string, isTranscript: RegExp, budget: Budget) {
  const clock = yield* Clock.Clock;
  const count: Count = { files: 0, bytes: 0, isAtLeast: false };
  yield* eachBelow(root, isTranscript, (path, bytes) => {
    if (budget.files <= 0 || clock.currentTimeMillisUnsafe() > budget.until) {
      count.isAtLeast = true;
      return "stop";
    }
    budget.files--;
    if (path === "") return undefined;
    count.files++;
    count.bytes += bytes;
    return undefined;
  });
  return count;
});

/** The folders that hold transcripts, largest first. */
export const discover = Effect.gen(function* () {
  const path = yield* Path.Path;
  const budget: Budget = { files: mostFiles, until: (yield* Clock.currentTimeMillis) + mostMillis };
  const places: Array<Place> = [];
  for (const home of homes) {
    const { agent, folders, format, isTranscript } = home;
    for (const root of yield* rootsOf(home)) {
      for (const folder of folders) {
        const place = path.join(root, folder);
        const { bytes, files, isAtLeast } = yield* countBelow(place, isTranscript, budget);
        if (files > 0) places.push({ path: place, agent, format, files, bytes, isAtLeast });
      }
    }
  }
  return places.toSorted((left, right) => right.bytes - left.bytes);
}).pipe(Effect.withSpan("edge.discover"));

/** A place with the paths of all its transcripts, without a bound: whoever asks is about to read them. */
export interface Transcripts {
  readonly path: string;
  readonly agent: string;
  readonly format: Format;
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>;
}

/** Every transcript of this machine, by place; places without one are left out. */
export const allTranscripts = Effect.gen(function* () {
  const path = yield* Path.Path;
  const places: Array<Transcripts> = [];
  for (const home of homes) {
    const { agent, folders, format, isTranscript } = home;
    for (const root of yield* rootsOf(home)) {
      for (const folder of folders) {
        const place = path.join(root, folder);
        const files: Array<{ readonly path: string; readonly bytes: number }> = [];
        yield* eachBelow(place, isTranscript, (file, bytes) => {
          if (file !== "") files.push({ path: file, bytes });
        });
        if (files.length > 0) places.push({ path: place, agent, format, files });
      }
    }
  }
  return places;
}).pipe(Effect.withSpan("edge.allTranscripts"));
