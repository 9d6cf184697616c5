/**
 * `recollect spool`: what was accepted while the log was away, what became of it, and its delivery now.
 *
 * Room: edge.
 */
import { Effect, Option, Schema } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import * as SpoolList from "../../../spool/SpoolListSqlite.ts";
import { Attach } from "../Attach.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, limit, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import { drainTargets } from "./SpoolDrain.ts";

/** Some of it is still here. */
class StillWaiting extends Schema.TaggedError<StillWaiting>()("StillWaiting", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Accepted, and neither in the log nor here. */
class CommandsLost extends Schema.TaggedError<CommandsLost>()("CommandsLost", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const spoolFile = Effect.gen(function* () {
  const attach = yield* Attach;
  return (yield* attach.folder(yield* where)).spool;
});

/** Sums over all targets, as `spool list` and `status` tell them. */
export const totals = ({ damaged, missing, overdueMillis, targets }: SpoolList.Survey, now: number) => {
  const sum = (field: "forks" | "setAside" | "waiting") => targets.reduce((total, target) => total + target[field], 0);
  const times = targets.flatMap(({ oldestAt }) => (oldestAt === null ? [] : [oldestAt]));
  const oldestAt = times.length === 0 ? null : Math.min(...times);
  return {
    waiting: sum("waiting"),
    oldestAt,
    overdue: oldestAt !== null && now - oldestAt >= overdueMillis,
    setAside: sum("setAside"),
    forks: sum("forks"),
    damaged,
    lost: missing,
  };
};

/** Conditions for a person to look at, each with the command that shows it. */
export const conditionsOf = ({ damaged, lost }: { readonly damaged: number; readonly lost: number }) => [
  ...(lost === 0
    ? []
    : [
        {
          name: "spoolLost" as const,
          message: `${Output.counted(lost, "event")} accepted while the log was away ${lost === 1 ? "is" : "are"} missing from the spool on this disk, and not known to be in the log.`,
          hint: "Which ones: recollect spool list. Keep what is known of them and settle it: recollect spool discard --all > lost.jsonl",
        },
      ]),
  ...(damaged === 0
    ? []
    : [
        {
          name: "spoolDamaged" as const,
          message: `${Output.counted(damaged, "event")} in the spool ${damaged === 1 ? "is" : "are"} not what was accepted, and not delivered.`,
          hint: "Which ones: recollect spool list. Look at them: recollect spool export --all",
        },
      ]),
];

const nameOf = ({ id, kind }: { readonly id: string | null; readonly kind: string | null }) =>
  id === null ? "(cannot be read)" : `${kind} ${Output.clip(id, 60)}`;

const showSurvey = Effect.fnUntraced(function* (found: SpoolList.Survey, now: number) {
  const { forks, lost, overdue, setAside, waiting } = totals(found, now);
  if (waiting + setAside + forks + lost === 0) return yield* Output.note("Nothing waits: the log has everything.");
  if (waiting > 0) {
    yield* Output.line(`${Output.counted(waiting, "event")} ${waiting === 1 ? "waits" : "wait"} for the log:`);
    const rows = found.histories.map((one) => [
      Output.moment(one.oldestAt),
      Output.count(one.commands),
      nameOf(one),
      one.target,
    ]);
    for (const text of Output.table(["since (UTC)", "events", "of", "for"], rows)) yield* Output.line(text);
    if (overdue) yield* Output.note(`Some have waited for more than ${Output.duration(found.overdueMillis)}.`);
    yield* Output.note("Deliver them now: recollect spool drain");
  }
  if (setAside > 0) {
    yield* Output.line(
      `\n${Output.counted(setAside, "event")} set aside, because the log cannot or must not take them:`,
    );
    for (const one of found.setAside) {
      yield* Output.line(`  ${one.number}  ${one.type ?? "?"} of ${nameOf(one)}, ${Output.moment(one.acceptedAt)}`);
      yield* Output.line(`      ${Output.clip(one.reason, 300)}`);
    }
    yield* Output.note("Deliver all the same: recollect spool retry NUMBER    Give up: recollect spool discard NUMBER");
  }
  if (lost > 0) {
    yield* Output.line(`\n${Output.counted(lost, "event")} lost: accepted, and missing from this disk:`);
    for (const one of found.lost) {
      const when = one.acceptedAt === null ? "" : `, accepted ${Output.moment(one.acceptedAt)}`;
      const what = one.eventId === null ? "nothing is known of it" : `${one.type ?? "?"} ${one.eventId}`;
      yield* Output.line(`  ${one.number}  ${what}${one.id === null ? "" : ` of ${nameOf(one)}`}${when}`);
    }
    yield* Output.note("Settle it when you have looked: recollect spool discard NUMBER");
  }
  if (forks > 0) {
    yield* Output.line(`\n${Output.counted(forks, "event")} went into a fork, because somebody was later:`);
    for (const one of found.forks) {
      yield* Output.line(`  ${one.type ?? "?"} of ${nameOf(one)} is in thread ${one.intoThread}`);
      yield* Output.line(`      ${Output.clip(one.reason, 300)}`);
    }
  }
});

const list = Command.make(
  "list",
  { limit, json },
  Effect.fn("cli.spool.list")(function* (input) {
    const found = yield* SpoolList.survey({ file: yield* spoolFile, limit: input.limit });
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
    if (input.json) yield* Output.json({ ...totals(found, now), ...lists(found) });
    else yield* showSurvey(found, now);
  }),
).pipe(
  Command.withDescription("What waits for the log and since when, what was set aside and why, what was forked"),
  Command.withExamples([
    { command: "recollect spool list", description: "For people" },
    { command: "recollect spool list --limit 1000 --json", description: "More of it, as JSON" },
  ]),
);

/** The lists under names of their own: the totals have the short ones. */
const lists = ({ forks, histories, lost, setAside, targets }: SpoolList.Survey) => ({
  lostEvents: lost,
  targets,
  histories,
  setAsideEvents: setAside,
  forkedEvents: forks,
});

const drain = Command.make(
  "drain",
  { json },
  Effect.fn("cli.spool.drain")(function* (input) {
    const rows = yield* drainTargets({ file: yield* spoolFile, place: yield* where });
    const remaining = rows.reduce((sum, row) => sum + row.waiting, 0);
    const lost = yield* SpoolList.lost(yield* spoolFile);
    const missing = lost.length === 0 ? {} : { lost: lost.length };
    if (input.json) yield* Output.json({ targets: rows, waiting: remaining, ...missing });
    else if (rows.length === 0 && lost.length === 0) yield* Output.note("Nothing waits: the log has everything.");
    else {
      for (const { delivered, forked, setAside, target, waiting } of rows) {
        const also = [
          ...(forked > 0 ? [`${forked} of them into a fork`] : []),
          ...(setAside > 0 ? [`${setAside} set aside`] : []),
          ...(waiting > 0 ? [`${waiting} still wait`] : []),
        ];
        yield* Output.line(`${target}: ${[`${Output.counted(delivered, "event")} delivered`, ...also].join(", ")}`);
      }
      if (rows.some(({ forked, setAside }) => forked + setAside > 0))
        yield* Output.note("What was set aside or forked, and why: recollect spool list");
    }
    const failed = rows.find(({ error }) => error !== null);
    if (lost.length > 0) {
      return yield* new CommandsLost({
        message: `${Output.counted(lost.length, "event")} that ${lost.length === 1 ? "was" : "were"} accepted ${lost.length === 1 ? "is" : "are"} missing from the spool.`,
        hint: "Which ones: recollect spool list",
      });
    }
    if (remaining === 0 && failed === undefined) return;
    return yield* new StillWaiting({
      message: `${Output.counted(remaining, "event")} could not be delivered: ${failed?.error ?? "others put more"}`,
      hint: "They stay on this disk, and are delivered when the log is back.",
    });
  }),
).pipe(
  Command.withDescription("Deliver now what waits, in order; starts the store when none runs"),
  Command.withExamples([
    { command: "recollect spool drain", description: "Into the log each event was meant for" },
    {
      command: "recollect spool drain --nats-url nats://user:secret@host:4222",
      description: "With the credentials of a server (the spool keeps none)",
    },
  ]),
);

const numbers = Argument.Int("number").pipe(
  Argument.withDescription("As recollect spool list shows it"),
  Argument.variadic(),
);

const all = Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("All that were set aside or lost"));

/** Selection of commands; a slip must not mean all. */
const whichOf = Effect.fnUntraced(function* (input: {
  readonly all: boolean;
  readonly numbers: ReadonlyArray<number>;
}): Effect.fn.Return<SpoolList.Which, BadRequest> {
  if (input.all !== input.numbers.length > 0) return input.all ? "all" : input.numbers;
  return yield* new BadRequest({
    message: input.all ? "Numbers and --all do not go together." : "Which ones?",
    hint: "Give the numbers that recollect spool list shows, or --all.",
  });
});

const assertThere = Effect.fnUntraced(function* (which: SpoolList.Which, done: ReadonlyArray<number>) {
  const missing = which === "all" ? [] : which.filter((number) => !done.includes(number));
  if (missing.length === 0) return;
  return yield* new NotFound({
    message: `Nothing was set aside or lost under the number ${missing.join(", ")}.`,
    hint: "recollect spool list shows what was.",
  });
});

const retry = Command.make(
  "retry",
  { numbers, all, json },
  Effect.fn("cli.spool.retry")(function* (input) {
    const which = yield* whichOf(input);
    const done = yield* SpoolList.retry({ file: yield* spoolFile, which });
    if (input.json) yield* Output.json({ retried: done });
    else
      yield* Output.said(
        `${Output.counted(done.length, "event")} ${done.length === 1 ? "waits" : "wait"} again. Deliver now: recollect spool drain`,
      );
    yield* assertThere(which, done);
  }),
).pipe(
  Command.withDescription("Let what was set aside wait again, to be delivered also when another writer was later"),
  Command.withExamples([{ command: "recollect spool retry 17 18", description: "Those two" }]),
);

const exported = Command.make(
  "export",
  { numbers, all },
  Effect.fn("cli.spool.export")(function* (input) {
    const which = yield* whichOf(input);
    const shown = yield* SpoolList.show({ file: yield* spoolFile, which });
    for (const one of shown) yield* Output.json(one);
    yield* assertThere(
      which,
      shown.map(({ number }) => number),
    );
  }),
).pipe(
  Command.withDescription("Print what was set aside, and what is known of what is lost, as JSON lines"),
  Command.withExamples([
    { command: "recollect spool export --all > aside.jsonl", description: "All of it, kept there" },
  ]),
);

const discard = Command.make(
  "discard",
  { numbers, all, json },
  Effect.fn("cli.spool.discard")(function* (input) {
    const which = yield* whichOf(input);
    const file = yield* spoolFile;
    // The commands given up are told first: with this output kept, nothing is lost.
    const shown = yield* SpoolList.show({ file, which });
    if (input.json) yield* Output.json({ discarded: shown });
    else for (const one of shown) yield* Output.json(one);
    yield* Output.written;
    const done = yield* SpoolList.discard({ file, which: shown.map(({ number }) => number) });
    if (!input.json) yield* Output.note(`${Output.counted(done.length, "event")} discarded; they are printed above.`);
    yield* assertThere(which, done);
  }),
).pipe(
  Command.withDescription("Give up what was set aside or lost; prints each as JSON first"),
  Command.withExamples([
    { command: "recollect spool discard 17 > kept.json", description: "One of them, kept elsewhere" },
  ]),
);

export const spool = Command.make("spool").pipe(
  Command.withDescription("Events accepted while the log was away: list, drain, retry, export, discard"),
  Command.withSubcommands([list, drain, retry, exported, discard]),
);

/** For `status`; a spool that cannot be read is said there, and is no reason to say nothing else. */
export const spoolTotals = Effect.fnUntraced(function* (file: string) {
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const found = yield* Effect.option(SpoolList.survey({ file, limit: 1 }));
  return Option.map(found, (survey) => totals(survey, now));
});
