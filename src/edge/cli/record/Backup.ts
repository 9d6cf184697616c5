/**
 * `recollect backup`: everything of the store in another folder, and the proof that it can be had back from there.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { resolve } from "node:path";
import { defaultStream } from "../../../log/connection/StreamNats.ts";
import { shellWord } from "../../../machine/CalledAs.ts";
import { version } from "../../../machine/Version.ts";
import { backup as backUp, type Progress as BackupProgress } from "../../../projection/backup/Backup.ts";
import type { Manifest } from "../../../projection/backup/Manifest.ts";
import { prove } from "../../../projection/backup/Restore.ts";
import { Attach } from "../Attach.ts";
import { Different } from "../Failure.ts";
import { json, store, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";

/** Long work with a bar that is gone when it is done. `interrupted`: said when it is ended before. */
export const shownBackup = Effect.fnUntraced(function* <A, E, R>(
  work: (onProgress: (at: BackupProgress) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
  interrupted = "Interrupted. Nothing was changed.",
) {
  const bar = yield* Progress.make((done) => Output.count(Math.round(done)));
  const result = yield* work((at) => Effect.sync(() => bar.show(at))).pipe(
    Effect.onExit(() => Effect.sync(bar.clear)),
    Effect.onInterrupt(() => Output.note(interrupted)),
  );
  return result;
});

/** Summary of a backup, in every answer about it. */
export const summaryOf = ({ at, buckets, files, stream, withKeys }: Manifest) => ({
  at,
  lastSequence: stream.lastSequence,
  chain: stream.chain,
  identity: stream.identity,
  segments: stream.segments.length,
  buckets: buckets.map(({ name }) => name),
  files: files.length,
  withKeys,
});

const folderArgument = Argument.String("dir").pipe(Argument.withDescription("Folder of the backup"));

const verify = Command.make(
  "verify",
  { dir: folderArgument, json },
  Effect.fn("cli.backupVerify")(function* (input) {
    const { faults, manifest } = yield* shownBackup((onProgress) => prove(resolve(input.dir), onProgress));
    if (input.json) yield* Output.json({ ok: faults.length === 0, ...summaryOf(manifest), faults });
    else if (faults.length === 0) {
      yield* Output.line(
        `Whole: ${Output.counted(manifest.stream.lastSequence, "event")} were restored beside it and read back; every file is as it was written.`,
      );
    } else for (const fault of faults) yield* Output.said(fault);
    if (faults.length > 0) return yield* new Different({ message: "the backup is damaged" });
  }, Effect.scoped),
).pipe(
  Command.withDescription("Restore into a temporary folder, compare, and remove it again"),
  Command.withExamples([
    { command: "recollect backup verify ~/backup", description: "Restore it in a temporary place, and compare" },
  ]),
);

export const backup = Command.make(
  "backup",
  {
    dir: folderArgument,
    withKeys: Flag.Boolean("with-keys").pipe(
      Flag.withDefault(false),
      Flag.withDescription("The folder's keys too: whoever has the backup then has every right"),
    ),
    json,
  },
  Effect.fn("cli.backup")(
    function* (input) {
      const attach = yield* Attach;
      const folder = yield* attach.folder(yield* where);
      const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      const into = resolve(input.dir);
      const { added, manifest, writtenBytes } = yield* shownBackup(
        (onProgress) => backUp({ folder, stream: defaultStream, into, withKeys: input.withKeys, version, onProgress }),
        `Interrupted. What an earlier run has backed up in ${into} is as it was; the same command backs up the rest.`,
      );
      const millis = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - started;
      if (input.json) return yield* Output.json({ ...summaryOf(manifest), added, writtenBytes, millis });
      yield* Output.line(
        `Backed up to sequence ${Output.count(manifest.stream.lastSequence)}: ${Output.counted(added, "new event")}, ${Output.bytes(writtenBytes)} written in ${Output.duration(millis)}.`,
      );
      if (!input.withKeys)
        yield* Output.note("Keys are not in it: a restored folder makes new ones. With them: --with-keys");
      yield* Output.note(`Prove it with: recollect backup verify ${shellWord(input.dir)}`);
    },
    Effect.scoped,
    store,
  ),
).pipe(
  Command.withDescription("Back up everything while it runs; the next time only what is new"),
  Command.withSubcommands([verify]),
);
