/**
 * `recollect rebuild` and `recollect verify`: read models made anew, and the proof that nothing differs.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { readModels } from "../../../../projections/all.ts";
import * as KeptFiles from "../../../projection/rebuild/KeptFiles.ts";
import type { LossRefused } from "../../../projection/rebuild/AcceptLoss.ts";
import { rebuild as rebuildFile, type Rebuilt } from "../../../projection/rebuild/Rebuild.ts";
import * as LastVerified from "../../../projection/verify/LastVerified.ts";
import { verify as verifyFile } from "../../../projection/verify/Verify.ts";
import * as Ranges from "../../../domain/SequenceRanges.ts";
import { Attach } from "../Attach.ts";
import { awaitReadModels, caughtUp } from "../CaughtUp.ts";
import { BadRequest, Different, NotFound } from "../Failure.ts";
import { json, store, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";
import { user } from "../User.ts";
import { report } from "./VerifyReport.ts";

/** Long work over sequences, with a bar that is gone when the work is done. */
const shown = Effect.fnUntraced(function* <A, E, R>(
  work: (
    onProgress: (at: {
      readonly sequence: number;
      readonly head: number;
      readonly step: string;
    }) => Effect.Effect<void>,
  ) => Effect.Effect<A, E, R>,
) {
  const bar = yield* Progress.make(Progress.events);
  const done = yield* Effect.onExit(
    work(({ head, sequence, step }) =>
      Effect.sync(() => bar.show({ done: sequence, total: head, what: step === "folding" ? "" : step })),
    ),
    () => Effect.sync(() => bar.clear()),
  );
  return done;
});

const database = Effect.gen(function* () {
  const attach = yield* Attach;
  return (yield* attach.folder(yield* where)).database;
});

const now = Effect.clockWith((clock) => clock.currentTimeMillis);

const told = Effect.fnUntraced(function* (done: Rebuilt, millis: number) {
  yield* Output.line(
    `Rebuilt from ${Output.counted(done.checkpoint, "event")} in ${Output.duration(millis)}; readers use the new file from now on.`,
  );
  if (done.recovered.length > 0) {
    yield* Output.note(
      `${Output.counted(Ranges.count(done.recovered), "event")} the stream has lost came from the old ledger (${Ranges.text(done.recovered)}). Put them back with: recollect heal`,
    );
  }
  if (done.accepted !== undefined) {
    yield* Output.note(
      `Accepted as lost, for ever in event ${done.accepted.sequence}: ${Output.counted(done.accepted.events, "event")} (${Ranges.text(done.lost)}).`,
    );
  } else if (done.lost.length > 0) {
    yield* Output.note(
      `${Output.counted(Ranges.count(done.lost), "event")} in neither stream nor ledger: ${Ranges.text(done.lost)}`,
    );
  }
  if (done.kept !== undefined)
    yield* Output.note(
      `The old file holds what nothing else does and was kept: ${done.kept}. Remove it for good with: recollect rebuild --discard-kept ${done.kept}`,
    );
});

const refusal = Effect.fnUntraced(function* (refused: LossRefused, isJson: boolean) {
  const { events, hint, message, ranges } = refused;
  if (isJson) yield* Output.json({ refused: true, events, ranges, message, hint });
  else {
    yield* Output.note(`Nothing was changed. ${message}`);
    const rows = ranges.slice(0, 50).map(({ first, last }) => [String(first), String(last), String(last - first + 1)]);
    for (const text of Output.table(["first", "last", "events"], rows)) yield* Output.note(`  ${text}`);
    yield* Output.note(`  ${hint}`);
  }
  return yield* new Different({ message });
});

const discardKept = Effect.fnUntraced(function* (path: string, name: string, isJson: boolean) {
  const isGone = yield* Effect.try({
    try: () => KeptFiles.discard(path, name),
    catch: (cause) => new BadRequest({ message: `${name} cannot be removed: ${String(cause)}` }),
  });
  if (!isGone) {
    const names = KeptFiles.kept(path).map((kept) => kept.name);
    return yield* new NotFound({
      message: `No kept file of this store is named ${name}.`,
      hint: names.length === 0 ? "None is kept." : `There are: ${names.join(", ")}`,
    });
  }
  if (isJson) return yield* Output.json({ discarded: name });
  yield* Output.line(`Removed ${name}.`);
});

const acceptance = Effect.fnUntraced(function* (input: {
  readonly acceptLoss: boolean;
  readonly reason: Option.Option<string>;
}) {
  const reason = Option.getOrElse(input.reason, () => "").trim();
  if (!input.acceptLoss) return undefined;
  if (reason === "") {
    return yield* new BadRequest({
      message: "--accept-loss needs a reason: it stays in the record for ever.",
      hint: 'recollect rebuild --accept-loss --reason "…"',
    });
  }
  return { reason, actor: yield* user };
});

export const rebuild = Command.make(
  "rebuild",
  {
    acceptLoss: Flag.Boolean("accept-loss").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "Go on without events that the ledger has and the stream does not; they stay in a kept file",
      ),
    ),
    reason: Flag.String("reason").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why the loss is accepted: an event, for ever"),
      Flag.optional,
    ),
    discardKept: Flag.String("discard-kept").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Only remove this kept file, for good"),
      Flag.optional,
    ),
    json,
  },
  Effect.fn("cli.rebuild")(
    function* (input) {
      const path = yield* database;
      if (Option.isSome(input.discardKept)) return yield* discardKept(path, input.discardKept.value, input.json);
      const acceptLoss = yield* acceptance(input);
      // A database of another version is being rebuilt at this moment: two rebuilds at once refuse each other.
      const waiting = yield* Progress.make(Progress.events);
      yield* awaitReadModels(waiting);
      waiting.clear();
      const started = yield* now;
      const rebuilding = shown((onProgress) =>
        rebuildFile({ path, projections: readModels, acceptLoss, onProgress }),
      ).pipe(Effect.onInterrupt(() => Output.note("Interrupted. The read models are as they were.")));
      const done = yield* Effect.catchTag(rebuilding, "LossRefused", (refused) => refusal(refused, input.json));
      const millis = (yield* now) - started;
      if (input.json) return yield* Output.json({ ...done, millis });
      yield* told(done, millis);
    },
    Effect.scoped,
    store,
  ),
).pipe(
  Command.withDescription("Make the read models anew from stream and ledger, beside the live ones, then swap"),
  Command.withExamples([{ command: "recollect rebuild", description: "Read models made anew beside the live ones" }]),
);

const sequence = (name: string, text: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= 1,
      () => "sequences begin at 1",
    ),
    Flag.withMetavar("SEQUENCE"),
    Flag.withDescription(text),
    Flag.optional,
  );

/** Start position, when everything before was verified and has not changed in the ledger since. */
const sinceLast = Effect.fnUntraced(function* (path: string) {
  const last = yield* LastVerified.read(path);
  return last === undefined || last.sequence === 0 ? undefined : last;
});

export const verify = Command.make(
  "verify",
  {
    from: sequence("from", "First sequence to compare; read models are not compared then"),
    to: sequence("to", "Last sequence to compare; read models are not compared then"),
    since: Flag.Literals("since", ["last", "LAST"]).pipe(
      Flag.withDescription("Only what came after the last verification that found nothing"),
      Flag.optional,
    ),
    all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("Every table and figure")),
    json,
  },
  Effect.fn("cli.verify")(
    function* (input) {
      if (Option.isSome(input.since) && Option.isSome(input.from))
        return yield* new BadRequest({ message: "--since and --from both say where to begin.", hint: "Give one." });
      // Events not folded yet could not be compared.
      yield* caughtUp(yield* Progress.make(Progress.events));
      const path = yield* database;
      const started = yield* now;
      const last = Option.isSome(input.since) ? yield* sinceLast(path) : undefined;
      const from = last === undefined ? Option.getOrUndefined(input.from) : last.sequence + 1;
      const to = Option.getOrUndefined(input.to);
      const found = yield* shown((onProgress) =>
        verifyFile({ path, projections: readModels, from, to, chainBefore: last?.chain, onProgress }),
      );
      const at = yield* now;
      const millis = at - started;
      const isComplete = Option.isNone(input.from) && to === undefined;
      if (found.ok && isComplete)
        yield* LastVerified.write(path, { sequence: found.upTo, chain: found.chain.ledger, at });
      if (input.json) yield* Output.json({ ...found, millis });
      else yield* report(found, { millis, isAll: input.all });
      if (!found.ok) return yield* new Different({ message: "something differs" });
    },
    Effect.scoped,
    store,
  ),
).pipe(
  Command.withDescription("Compare stream, ledger, read models and file; exit code 3 on any difference"),
  Command.withExamples([
    { command: "recollect verify", description: "Stream, ledger and read models against each other" },
    { command: "recollect verify --since last", description: "Only what has come since the last time" },
  ]),
);
