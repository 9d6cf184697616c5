/**
 * The streams that publishers of this folder have seen on servers by address, in `known-streams.json` beside the spool.
 *
 * Room: machine.
 *
 * At the first use of an address the stream found there is remembered; from then on another one is refused. A file that is
 * there and cannot be read is never taken for none, because then any server at an address would be believed.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { Data, Effect, Schema } from "effect";
import { dirname, join } from "node:path";
import * as OwnFile from "./OwnFile.ts";

/** Identity by address, without credentials. */
const KnownStreams = Schema.Record(Schema.String, Schema.String);
const KnownFile = Schema.fromJsonString(KnownStreams);

const fileOf = (spool: string): string => join(dirname(spool), "known-streams.json");

type Known = Readonly<Record<string, string>>;

/** The file is there and cannot be read: which streams it names is not known. */
export class Unreadable extends Data.TaggedError("Unreadable")<{ readonly path: string; readonly why: string }> {}

const readAll = (spool: string): Effect.Effect<Known, Unreadable> => {
  const path = fileOf(spool);
  return OwnFile.text(path).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(Schema.decodeUnknownEffect(KnownFile)(text), () => ({ _tag: "Damaged" as const })),
    ),
    Effect.catch((error) => {
      if (error._tag === "Damaged") return Effect.fail(new Unreadable({ path, why: "it is damaged" }));
      return OwnFile.isMissing(error)
        ? Effect.succeed<Known>({})
        : Effect.fail(new Unreadable({ path, why: error.message }));
    }),
  );
};

/** The identity that is known at an address; undefined before its first use. */
export const identity = (options: { readonly spool: string; readonly target: string }) =>
  Effect.map(readAll(options.spool), (known) => known[options.target]);

/** Remembers it. A disk that cannot take it is no reason not to publish: the next use is the first one again. */
export const remember = Effect.fn("machine.rememberStream")(
  function* (options: { readonly spool: string; readonly target: string; readonly identity: string }) {
    const path = fileOf(options.spool);
    const known = { ...(yield* readAll(options.spool)), [options.target]: options.identity };
    const text = yield* Schema.encodeEffect(KnownFile)(known).pipe(Effect.orDie);
    const unfinished = `${path}.${randomUUID()}`;
    // In one step: a write that goes on behind an interruption would meet a folder whose user has closed it.
    yield* Effect.try(() => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(unfinished, `${text}\n`, { mode: 0o600 });
      renameSync(unfinished, path);
    });
  },
  Effect.catch((cause) => Effect.logDebug(`which stream it is cannot be remembered: ${String(cause)}`)),
);
