/**
 * `recollect check`: whether all is well, for a monitor: numbers, thresholds, one exit code.
 *
 * Room: edge.
 *
 * Decision: it never starts a store. A monitor that starts what it watches says "ok" of a daemon that is not there.
 */
import { Effect, Option, Result } from "effect";
import { Command, Flag } from "effect/cli";
import { DataFolder } from "../../../machine/DataFolder.ts";
import * as Instance from "../../../machine/Instance.ts";
import { variable } from "../../../machine/UserFolders.ts";
import { Attach, type Where } from "../Attach.ts";
import * as Formats from "./CheckFormats.ts";
import { codeOf, measures, type Report, reportOf, type State, thresholdOf } from "./CheckReport.ts";
import { Checked } from "../Failure.ts";
import { where } from "../Flags.ts";
import * as Output from "../Output.ts";
import type { Named } from "./Named.ts";
import { gather, machineNumbers, type StoreNumbers } from "./StoreNumbers.ts";

const maxThresholds = 64;
const defaultTimeoutSeconds = 10;

const names = measures.map(({ name }) => name).join(", ");

const threshold = (name: "critical" | "warning") =>
  Flag.String(name).pipe(
    Flag.filter(
      (word) => thresholdOf(word) !== undefined,
      () => `it is NAME=VALUE, with one of ${names}. Values: 500, 10m, 26h, 64MiB, 8%, off.`,
    ),
    Flag.withMetavar("NAME=VALUE"),
    Flag.withDescription(`Another threshold: gap=500, lag=10m, wal-size=64MiB, disk-free=8%, scrub-age=off`),
    Flag.atMost(maxThresholds),
  );

const thresholds = (words: ReadonlyArray<string>) =>
  new Map(words.map(thresholdOf).filter((given) => given !== undefined));

const condition = (name: string, message: string, hint: string): Named => ({ name, field: null, message, hint });

const notRunning = (root: string): Named =>
  condition(
    "notRunning",
    `No daemon runs on ${root}: what is published waits in the spool, and nothing is scrubbed.`,
    "Start it: recollect up, or as a service: recollect service install",
  );

const isRunning = Effect.fnUntraced(function* (place: Where, folder: DataFolder["Service"]) {
  const url = place.natsUrl ?? (yield* variable("RECOLLECT_NATS_URL"));
  const found = yield* Instance.find().pipe(
    Effect.provideService(DataFolder, folder),
    Effect.orElseSucceed(Option.none<Instance.Instance>),
  );
  return url.trim() !== "" || (Option.isSome(found) && found.value.role !== "command");
});

type Asked =
  | { readonly _tag: "Answered"; readonly numbers: StoreNumbers }
  | { readonly _tag: "Silent"; readonly condition: Named };

/** Asks the store, in bounded time. */
const ask = Effect.fnUntraced(function* (place: Where, seconds: number) {
  const attach = yield* Attach;
  const found = yield* gather.pipe(
    Effect.provide(attach.store(place, "there")),
    Effect.timeoutOption(seconds * 1000),
    Effect.result,
  );
  const silent = (one: Named): Asked => ({ _tag: "Silent", condition: one });
  if (Result.isFailure(found)) {
    const { failure } = found;
    const words = "message" in failure && failure.message !== "" ? failure.message : failure._tag;
    const hint = "hint" in failure && typeof failure.hint === "string" ? failure.hint : "See: recollect status";
    return silent(condition("storeAway", `The store cannot be asked: ${words}`, hint));
  }
  if (Option.isSome(found.success)) return { _tag: "Answered", numbers: found.success.value } satisfies Asked;
  return silent(
    condition("storeAway", `The store did not answer within ${seconds} s.`, "See: recollect status --log-level info"),
  );
});

const inForm = { text: Formats.text, nagios: Formats.nagios, prometheus: Formats.prometheus };

const say = Effect.fnUntraced(function* (report: Report, format: "json" | "nagios" | "prometheus" | "text") {
  if (format === "json") return yield* Output.json(Formats.json(report));
  for (const line of inForm[format](report)) yield* Output.said(line);
});

const ending = (state: State) => (state === "ok" ? Effect.void : new Checked({ message: state, code: codeOf[state] }));

export const check = Command.make(
  "check",
  {
    format: Flag.Literals("format", ["text", "json", "nagios", "prometheus"]).pipe(
      Flag.withDefault("text"),
      Flag.withDescription("For whom: text, json, nagios (and Icinga, Sensu …), prometheus (a textfile collector)"),
    ),
    warning: threshold("warning"),
    critical: threshold("critical"),
    ignore: Flag.String("ignore").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Leave out this number or condition; may be repeated"),
      Flag.atMost(maxThresholds),
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.filter(
        (seconds) => seconds >= 1 && seconds <= 3600,
        () => "it is from 1 to 3600 seconds",
      ),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription(`A store that does not answer in this time is critical (default: ${defaultTimeoutSeconds})`),
      Flag.withDefault(defaultTimeoutSeconds),
    ),
  },
  Effect.fn("cli.check")(function* (input) {
    const attach = yield* Attach;
    const place = yield* where;
    const folder = yield* attach.folder(place);
    const asked: Asked = (yield* isRunning(place, folder))
      ? yield* ask(place, input.timeout)
      : { _tag: "Silent", condition: notRunning(folder.root) };
    const store = asked._tag === "Answered" ? asked.numbers : undefined;
    const machine = store ?? (yield* machineNumbers(folder));
    const conditions = asked._tag === "Answered" ? asked.numbers.conditions : [asked.condition, ...machine.conditions];
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
    const report = reportOf(
      { now, machine, store, conditions },
      {
        warning: thresholds(input.warning),
        critical: thresholds(input.critical),
        ignored: new Set(input.ignore),
      },
    );
    yield* say(report, input.format);
    yield* ending(report.state);
  }),
).pipe(
  Command.withDescription("Whether all is well, for a monitor: exit code 0 ok, 1 warning, 2 critical, 3 unknown"),
  Command.withExamples([
    { command: "recollect check", description: "For a person: every number with its thresholds" },
    {
      command: "recollect check --format nagios --warning lag=5m --critical disk-free=3%",
      description: "A plugin of Nagios, Icinga or Sensu, with thresholds of its own",
    },
    {
      command: "recollect check --format prometheus > /var/lib/node_exporter/recollect.prom",
      description: "For a textfile collector; from a timer",
    },
  ]),
);
