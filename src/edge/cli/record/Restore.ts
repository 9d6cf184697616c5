/**
 * `recollect restore`: a data folder out of a backup, or a damaged one healed with its help.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { existsSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { defaultStream } from "../../../log/connection/StreamNats.ts";
import { shellWord } from "../../../machine/CalledAs.ts";
import type { Manifest } from "../../../projection/backup/Manifest.ts";
import { faults as faultsOf, open, restore as restoreFolder, witness } from "../../../projection/backup/Restore.ts";
import * as HealPlan from "../../../projection/heal/Plan.ts";
import { Attach } from "../Attach.ts";
import { shownBackup, summaryOf } from "./Backup.ts";
import { BadRequest, Different } from "../Failure.ts";
import { json, where } from "../Flags.ts";
import { executeHeal, printPlan, shownHeal } from "./Heal.ts";
import * as Output from "../Output.ts";

const isEmpty = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0;

/** Last sequence of the present folder's copies. */
const reachOf = ({ copies }: HealPlan.Plan): number => Math.max(copies.stream?.last ?? 0, copies.ledger?.last ?? 0);

const printBackup = Effect.fnUntraced(function* (dir: string, manifest: Manifest) {
  const { stream } = manifest;
  yield* Output.line(
    `The backup in ${dir} is whole: ${Output.counted(stream.lastSequence, "event")}, of ${Output.moment(manifest.at)} UTC.`,
  );
});

/** Sentence about what the folder knows and the backup lacks. */
const missing = (manifest: Manifest, reach: number): string =>
  reach > manifest.stream.lastSequence
    ? `It lacks ${Output.counted(reach - manifest.stream.lastSequence, "event")}, sequences ${manifest.stream.lastSequence + 1} to ${reach}, which this folder's own copies reach.`
    : "It reaches as far as this folder's own copies.";

interface Input {
  readonly dir: string;
  readonly execute: boolean;
  readonly reason: string | undefined;
  readonly json: boolean;
}

/** Into a folder that holds nothing. */
const intoEmpty = Effect.fnUntraced(function* (input: Input, manifest: Manifest, into: string) {
  if (input.execute) yield* shownBackup((onProgress) => restoreFolder({ from: input.dir, into, onProgress }));
  if (input.json) return yield* Output.json({ executed: input.execute, into, ...summaryOf(manifest) });
  if (!input.execute) yield* printBackup(input.dir, manifest);
  if (input.execute)
    yield* Output.said(`Restored into ${into}. Prove it with: recollect verify --data ${shellWord(into)}`);
  else yield* Output.note(`It would be restored into ${into}, which is empty. Do it with: --execute`);
});

/** Into a folder that holds a store: the backup is a further copy for a heal, and nothing that the folder has is lost. */
const intoStore = Effect.fnUntraced(function* (input: Input, manifest: Manifest, root: string) {
  const attach = yield* Attach;
  const folder = yield* attach.folder({ ...(yield* where), data: root });
  const copy = witness(input.dir, manifest);
  if (input.execute && input.reason === undefined) {
    return yield* new BadRequest({
      message: `${root} holds a store: it is healed with the backup's help, and --execute needs --reason TEXT.`,
      hint: "To have the backup beside it: --into FOLDER",
    });
  }
  if (input.execute && input.reason !== undefined)
    return yield* executeHeal(folder, { reason: input.reason, json: input.json, witness: copy });
  const plan = yield* shownHeal((onProgress) =>
    HealPlan.plan({ folder, stream: defaultStream, witness: copy, onProgress }),
  );
  const own = yield* shownHeal((onProgress) => HealPlan.plan({ folder, stream: defaultStream, onProgress }));
  const reach = reachOf(own);
  const lacks = Math.max(0, reach - manifest.stream.lastSequence);
  if (input.json) return yield* Output.json({ executed: false, into: root, ...summaryOf(manifest), lacks, heal: plan });
  yield* printBackup(input.dir, manifest);
  yield* Output.line(missing(manifest, reach));
  yield* Output.line(`\n${root} holds a store: the backup would help to heal it.`);
  yield* printPlan(plan);
  if (plan.needed) yield* Output.note('\nDo it with: --execute --reason "…"');
  yield* Output.note("To have the backup beside it: --into FOLDER");
});

export const restore = Command.make(
  "restore",
  {
    dir: Argument.String("dir").pipe(Argument.withDescription("Folder of the backup")),
    into: Flag.String("into").pipe(
      Flag.withMetavar("FOLDER"),
      Flag.withDescription("An empty folder, or one that is not there (default: the data folder)"),
      Flag.optional,
    ),
    execute: Flag.Boolean("execute").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Do it; without this it is only planned"),
    ),
    reason: Flag.String("reason").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why, for the record, where a store is healed with the backup"),
      Flag.optional,
    ),
    json,
  },
  Effect.fn("cli.restore")(function* (flags) {
    const attach = yield* Attach;
    const { root } = yield* attach.folder(yield* where);
    const into = resolve(Option.getOrElse(flags.into, () => root));
    const input: Input = {
      dir: resolve(flags.dir),
      execute: flags.execute,
      reason: Option.getOrUndefined(flags.reason),
      json: flags.json,
    };
    const manifest = yield* open(input.dir);
    const faults = yield* shownBackup((onProgress) => faultsOf(input.dir, manifest, onProgress));
    if (faults.length > 0) {
      if (input.json) yield* Output.json({ executed: false, ...summaryOf(manifest), faults });
      else for (const fault of faults) yield* Output.said(fault);
      return yield* new Different({ message: "the backup is damaged" });
    }
    if (isEmpty(into)) return yield* intoEmpty(input, manifest, into);
    if (Option.isSome(flags.into)) {
      return yield* new BadRequest({
        message: `${into} is not empty.`,
        hint: "Name an empty folder. To heal a store with the backup's help, name its data folder with --data DIR.",
      });
    }
    return yield* intoStore(input, manifest, into);
  }, Effect.scoped),
).pipe(
  Command.withDescription("Restore a backup into an empty folder, or heal the store with its help"),
  Command.withExamples([
    { command: "recollect restore ~/backup", description: "What would be restored" },
    { command: "recollect restore ~/backup --into ./restored --execute", description: "Restore it into a new folder" },
  ]),
);
