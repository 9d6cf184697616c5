/**
 * `recollect heal`: what a heal would do, and the heal itself.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { readModels } from "../../../../projections/all.ts";
import * as DataFolder from "../../../machine/DataFolder.ts";
import * as FolderLock from "../../../machine/FolderLockSqlite.ts";
import * as NatsStart from "../../../machine/nats/NatsStart.ts";
import * as StoreRecord from "../../../machine/StoreRecord.ts";
import * as StoreSwap from "../../../machine/StoreSwap.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { defaultStream } from "../../../log/connection/StreamNats.ts";
import * as Heal from "../../../projection/heal/Heal.ts";
import * as HealPlan from "../../../projection/heal/Plan.ts";
import type { LedgerCopy } from "../../../projection/heal/Merge.ts";
import { rebuild } from "../../../projection/rebuild/Rebuild.ts";
import { Attach } from "../Attach.ts";
import { awaitReadModels, caughtUp } from "../CaughtUp.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";

/** At most so many ranges of one kind are printed for a person; `--json` has all. */
const mostRanges = 8;

const ranges = (list: ReadonlyArray<{ readonly first: number; readonly last: number }>): string => {
  const texts = list.slice(0, mostRanges).map(({ first, last }) => (first === last ? `${first}` : `${first}–${last}`));
  return list.length > mostRanges
    ? `${texts.join(", ")}, and ${list.length - mostRanges} more ranges`
    : texts.join(", ");
};

/** Prints a heal, planned or done, for a person. */
export const printPlan = Effect.fnUntraced(function* (plan: HealPlan.Plan) {
  const { copies, disk, events } = plan;
  for (const { message } of plan.findings) yield* Output.said(message);
  if (plan.findings.length === 0) yield* Output.line("Nothing to heal: stream and ledger are whole and say the same.");
  for (const { message, state } of plan.rest) if (state === "damaged") yield* Output.said(message);
  if (!plan.needed) return;
  yield* Output.line("");
  const row = (name: string, text: string) => Output.line(`  ${name.padEnd(12)}${text}`);
  const { ledger, stream } = copies;
  const damaged = stream !== null && stream.damagedBlocks > 0 ? `, ${stream.damagedBlocks} damaged blocks` : "";
  yield* row("stream", stream === null ? "not there" : `to sequence ${Output.count(stream.last)}${damaged}`);
  yield* row("ledger", ledger === null ? "not there" : `to sequence ${Output.count(ledger.last)}`);
  yield* Output.line(`\nThe new stream has ${Output.counted(events.total, "event")}:`);
  yield* row("in both", Output.count(events.inBoth));
  yield* row("from stream", Output.count(events.fromStream));
  if (events.fromLedger > 0)
    yield* row("from ledger", `${Output.count(events.fromLedger)} (${ranges(plan.fromLedger)})`);
  if (events.lost > 0)
    yield* row("lost", `${Output.count(events.lost)} (${ranges(plan.lost)}): an event says so there`);
  if (plan.changed.length > 0) yield* row("changed", ranges(plan.changed));
  for (const { first, last, to } of plan.moved.slice(0, mostRanges))
    yield* row("new numbers", `${first}–${last} become ${to}–${to + last - first}`);
  if (plan.doubled.length > 0) yield* row("once only", `${ranges(plan.doubled)}: the ledger has them elsewhere`);
  yield* row("disk", `${Output.bytes(disk.neededBytes)} needed, ${Output.bytes(disk.freeBytes)} free`);
});

const printKept = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  if (names.length === 0) return;
  yield* Output.note(`\nKept from earlier heals, until discarded by name: ${names.join(", ")}`);
  yield* Output.note(`  recollect heal --discard-kept ${names[0]}`);
});

/** No daemon holds the folder, and no server that one has left is on the store. */
const alone = (folder: DataFolder.DataFolder["Service"]) =>
  FolderLock.acquire().pipe(
    Effect.catchTag("FolderHeld", (held) =>
      Effect.fail(
        new FolderLock.FolderHeld({
          ...held,
          message: `${held.message} A heal needs it for itself.`,
          hint:
            held.holder === 0
              ? "Try again in a moment."
              : `Stop it first (Ctrl-C in its terminal, or: kill ${held.holder}), then run this again. Publishers go on into their spool.`,
        }),
      ),
    ),
    Effect.andThen(NatsStart.endOrphan(`${folder.natsStore}/nats-server.pid`)),
    Effect.provideService(DataFolder.DataFolder, folder),
  );

/** Long work with a bar that is gone when it is done. */
export const shownHeal = Effect.fnUntraced(function* <A, E, R>(
  work: (onProgress: (at: HealPlan.Progress) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
) {
  const bar = yield* Progress.make(Progress.events);
  return yield* work(({ sequence, step, total }) =>
    Effect.sync(() => bar.show({ done: sequence, total, what: step })),
  ).pipe(Effect.onExit(() => Effect.sync(bar.clear)));
});

/** A database of an earlier version is rebuilt by itself, at this rate or faster; one look waits for ten seconds. */
const eventsInOneLook = 10_000;

/** Waits for read models that may be made anew from the beginning, which a single look gives up on. */
const awaitPatiently = Effect.fnUntraced(function* (bar: Progress.Bar) {
  const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
  const looks = 1 + Math.ceil(lastSequence / eventsInOneLook);
  yield* Effect.repeat(awaitReadModels(bar), { until: (outcome) => outcome !== "still", times: looks });
  yield* caughtUp(bar);
});

/** The read models in step with the stream; with the store, as every other command has it. */
const inStep = Effect.fnUntraced(function* (path: string, needsRebuild: boolean) {
  const attach = yield* Attach;
  const place = yield* where;
  const work = Effect.gen(function* () {
    const bar = yield* Progress.make(Progress.events);
    // Two rebuilds at once refuse each other.
    yield* awaitPatiently(bar);
    if (needsRebuild) {
      yield* rebuild({
        path,
        projections: readModels,
        onProgress: ({ head, sequence, step }) =>
          Effect.sync(() => bar.show({ done: sequence, total: head, what: step })),
      });
      yield* awaitPatiently(bar);
    }
    bar.clear();
  });
  yield* Effect.scoped(work).pipe(Effect.provide(attach.store(place, "there")));
});

const interrupted =
  "Interrupted. No event is lost by it: the same command begins the heal anew, or goes on where it was.";

/** The heal from its beginning, or from where it was interrupted, to read models that are in step. */
export const executeHeal = Effect.fnUntraced(function* (
  folder: DataFolder.DataFolder["Service"],
  options: { readonly reason: string; readonly json: boolean; readonly witness?: LedgerCopy | undefined },
) {
  const done = yield* Effect.scoped(
    Effect.gen(function* () {
      yield* alone(folder);
      const left = Heal.resume(folder.root);
      if (left !== undefined) {
        yield* Output.note(`Going on with the heal ${left.name}, which was interrupted.`);
        return { plan: left.summary as HealPlan.Plan, kept: left.name, needsRebuild: left.needsRebuild };
      }
      const heal = (onProgress: (at: HealPlan.Progress) => Effect.Effect<void>) =>
        Heal.execute({
          folder,
          stream: defaultStream,
          reason: options.reason,
          witness: options.witness,
          actor: process.env["USER"],
          onProgress,
        });
      return yield* shownHeal(heal);
    }),
  ).pipe(Effect.onInterrupt(() => Output.note(interrupted)));
  const { kept, needsRebuild, plan } = done;
  if (kept !== undefined || needsRebuild) {
    yield* inStep(folder.database, needsRebuild);
    Heal.finished(folder.root);
  }
  if (options.json) return yield* Output.json({ executed: true, ...plan, kept: kept ?? null });
  yield* printPlan(plan);
  if (kept === undefined) return;
  yield* Output.said(
    `\nDone: the stream is whole. The old one is kept as ${kept}, until: recollect heal --discard-kept ${kept}`,
  );
  yield* Output.said("Prove it with: recollect verify");
});

const discard = Effect.fnUntraced(function* (root: string, name: string) {
  const names = StoreSwap.kept(root);
  if (!names.includes(name)) {
    return yield* new NotFound({
      message: `Nothing is kept under the name ${name}.`,
      hint: names.length === 0 ? "Nothing is kept at all." : `Kept: ${names.join(", ")}`,
    });
  }
  StoreSwap.discard(root, name);
  yield* Output.line(`Discarded: ${name}`);
});

const assertStore = Effect.fnUntraced(function* (folder: DataFolder.DataFolder["Service"]) {
  const plan = yield* shownHeal((onProgress) => HealPlan.plan({ folder, stream: defaultStream, onProgress }));
  const { ledger, stream } = plan.copies;
  if ((stream?.last ?? 0) > 0 || (ledger?.last ?? 0) > 0) return plan;
  const known = yield* StoreRecord.read().pipe(Effect.provideService(DataFolder.DataFolder, folder));
  if (known._tag !== "None" && stream === null) {
    return yield* new NotFound({
      message: `Both copies are gone: ${folder.root} held events, and neither its stream nor its ledger is there.`,
      hint: "Put a backup in with recollect restore DIR, or begin anew in another folder with --data DIR.",
    });
  }
  if (stream !== null || ledger !== null) return plan;
  return yield* new NotFound({
    message: `${folder.root} holds neither a stream nor a ledger.`,
    hint: "Name the data folder with --data DIR. A server of somebody else's is healed where its files are: docs/heal.md.",
  });
});

export const heal = Command.make(
  "heal",
  {
    execute: Flag.Boolean("execute").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Do it; without this it is only planned"),
    ),
    reason: Flag.String("reason").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why, for the record; with --execute"),
      Flag.optional,
    ),
    discardKept: Flag.String("discard-kept").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Remove what an earlier heal has kept under this name"),
      Flag.optional,
    ),
    json,
  },
  Effect.fn("cli.heal")(function* (input) {
    const attach = yield* Attach;
    const folder = yield* attach.folder(yield* where);
    if (Option.isSome(input.discardKept)) return yield* discard(folder.root, input.discardKept.value);
    if (input.execute && Option.isNone(input.reason)) {
      return yield* new BadRequest({
        message: "--execute needs --reason TEXT: a heal is an event, and says why it was done.",
        hint: 'For example: recollect heal --execute --reason "block damaged on the old disk"',
      });
    }
    if (input.execute) {
      if (Heal.resume(folder.root) === undefined) yield* assertStore(folder);
      return yield* executeHeal(folder, { reason: Option.getOrElse(input.reason, () => ""), json: input.json });
    }
    const plan = yield* assertStore(folder);
    const kept = StoreSwap.kept(folder.root);
    if (input.json) return yield* Output.json({ executed: false, ...plan, kept });
    yield* printPlan(plan);
    if (plan.needed) yield* Output.note('\nDo it with: recollect heal --execute --reason "…"');
    else if (plan.needsRebuild) yield* Output.note("\nMend the read models with: recollect rebuild");
    yield* printKept(kept);
  }, Effect.scoped),
).pipe(
  Command.withDescription("Make the stream whole again from stream and ledger; without --execute only a plan"),
  Command.withExamples([
    { command: "recollect heal", description: "What would be done, and how many events come from where" },
    { command: 'recollect heal --execute --reason "bit rot"', description: "Do it" },
  ]),
);
