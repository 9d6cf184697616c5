/**
 * `recollect status`: how far everything is, and what stands in its way.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { NotWell } from "../Failure.ts";
import { json, recollect, store } from "../Flags.ts";
import * as RunningDaemon from "../http/RunningDaemon.ts";
import * as Output from "../Output.ts";
import { sayIntegrity } from "./StatusIntegrity.ts";
import { severityOf } from "./Named.ts";
import type { StoreNumbers } from "./StoreNumbers.ts";

const sayStream = Effect.fnUntraced(function* (stream: StoreNumbers["stream"]) {
  if (stream === null) return yield* Output.line("stream      cannot be used; see below");
  const range = stream.messages === 0 ? "" : `, sequences ${stream.firstSequence} to ${stream.lastSequence}`;
  return yield* Output.line(
    `stream      ${Output.counted(stream.messages, "event")}, ${Output.bytes(stream.bytes)}${range}, since ${Output.moment(stream.created)} UTC`,
  );
});

/** All together, and the agent type whose tasks have waited longest. */
const tasksLine = (groups: StoreNumbers["tasks"]): string => {
  const sum = (of: "waiting" | "delayed" | "held") => groups.reduce((all, group) => all + group[of], 0);
  const [oldest] = groups
    .flatMap(({ agentType, held, oldestAt }) => (oldestAt === null ? [] : [{ agentType, held, oldestAt }]))
    .toSorted((one, other) => one.oldestAt - other.oldestAt);
  const since =
    oldest === undefined
      ? ""
      : ` since ${Output.moment(oldest.oldestAt)} UTC (${oldest.agentType}${oldest.held === 0 ? ", which no worker runs" : ""})`;
  const later = sum("delayed") === 0 ? "" : `, ${Output.count(sum("delayed"))} are due later`;
  const waits = groups.flatMap(({ longestWaitMillis: millis }) => (millis === null ? [] : [millis]));
  const lately =
    waits.length === 0 ? "" : `; those that began lately had waited ${Output.duration(Math.max(...waits))} at most`;
  return `${Output.count(sum("waiting"))} wait${since}, ${Output.count(sum("held"))} run${later}${lately}`;
};

/** True when there is nothing to tell: no condition, nothing waits, and every projection has everything. */
const isQuiet = ({ conditions, projections, spool, stream }: StoreNumbers): boolean =>
  stream !== null &&
  conditions.length === 0 &&
  spool !== null &&
  spool.waiting + spool.setAside + spool.lost === 0 &&
  projections.every(({ deadLetters, gap }) => gap === 0 && deadLetters === 0);

/** Extent of the last comparison: events outside it are not called well. */
export const comparedText = ({ scrub }: Pick<StoreNumbers, "scrub">, now: number): string => {
  if (scrub.passes > 0) return `compared as a whole ${Output.duration(Math.max(0, now - scrub.finishedAt))} ago`;
  return scrub.sequence === 0
    ? "stream and ledger are not compared yet"
    : `compared to ${Output.count(scrub.sequence)} of ${Output.count(scrub.head)} so far`;
};

const sayAllWell = Effect.fnUntraced(function* (found: StoreNumbers) {
  const { stream, threads } = found;
  const now = yield* Clock.currentTimeMillis;
  yield* Output.line(
    `All well: ${Output.counted(stream?.messages ?? 0, "event")}, ${Output.counted(threads, "thread")}, ${Output.bytes(stream?.bytes ?? 0)}; nothing waits; ${comparedText(found, now)}.`,
  );
});

/** Projections that are behind or refused an event; `isAll`: each of them. */
const sayProjections = Effect.fnUntraced(function* (projections: StoreNumbers["projections"], isAll: boolean) {
  const rows = projections
    .filter(({ deadLetters, gap }) => isAll || gap > 0 || deadLetters > 0)
    .map(({ checkpoint, deadLetters, gap, lagMillis, name }) => [
      name,
      String(checkpoint),
      String(gap),
      gap === 0 ? "-" : Output.duration(lagMillis),
      String(deadLetters),
    ]);
  if (rows.length < projections.length)
    yield* Output.line(`projections ${Output.count(projections.length - rows.length)} without gap and dead letters`);
  if (rows.length === 0) return;
  yield* Output.line();
  for (const text of Output.table(["projection", "checkpoint", "gap", "lag", "dead letters"], rows))
    yield* Output.line(text);
});

const show = Effect.fnUntraced(function* (
  found: StoreNumbers,
  input: { readonly all: boolean; readonly json: boolean },
) {
  const bad = found.conditions.filter((one) => severityOf(one) !== "ok");
  const ending = bad.length === 0 ? Effect.void : new NotWell({ message: bad.map(({ name }) => name).join(", ") });
  if (input.json) return yield* Effect.andThen(Output.json(found), ending);
  const { conditions, disk, nats, projections, replicas, snapshots, spool, stream, wal } = found;
  // The same at a terminal and in a pipe: scripts have --json.
  if (!input.all && isQuiet(found)) return yield* sayAllWell(found);
  yield* sayStream(stream);
  yield* Output.line(`threads     ${Output.count(found.threads)}`);
  if (found.tasks.length > 0) yield* Output.line(`tasks       ${tasksLine(found.tasks)}`);
  for (const { bytesPerDay, eventsPerMinute, tenant, threads } of found.quotas) {
    const said = [
      bytesPerDay === null ? [] : [`${Output.bytes(bytesPerDay.used)} of ${Output.bytes(bytesPerDay.limit)} today`],
      threads === null ? [] : [`${Output.count(threads.used)} of ${Output.count(threads.limit)} threads`],
      eventsPerMinute === null ? [] : [`at most ${Output.count(eventsPerMinute.limit)} events a minute`],
    ].flat();
    yield* Output.line(`quota       ${tenant}: ${said.join(", ")}`);
  }
  yield* Output.line(`snapshots   ${Output.count(snapshots.keys)}, ${Output.bytes(snapshots.bytes)}`);
  yield* Output.line(
    `nats        ${nats.url}, version ${nats.version}, sync_interval ${nats.syncInterval ?? "unknown"}`,
  );
  if (spool !== null && spool.waiting + spool.setAside > 0) {
    const overdue = spool.overdue ? ", overdue" : "";
    const since = spool.oldestAt === null ? "" : ` since ${Output.moment(spool.oldestAt)} UTC${overdue}`;
    yield* Output.said(
      `spool       ${Output.counted(spool.waiting, "event")} waiting${since}, ${Output.count(spool.setAside)} set aside; see: recollect spool list`,
    );
  }
  if (disk !== null)
    yield* Output.line(
      `disk        ${Output.bytes(disk.freeBytes)} free, ${disk.freePercent} %; WAL ${Output.bytes(wal.databaseBytes + wal.spoolBytes)}`,
    );
  if (replicas !== null && replicas.wanted > 1)
    yield* Output.line(`replicas    ${replicas.current} of ${replicas.wanted} current`);
  yield* sayIntegrity({ ...found, conditions: [], verified: found.verified ?? undefined }, found.history);
  yield* sayProjections(projections, input.all);
  for (const { hint, message, name } of conditions) yield* Output.note(`\n${name}: ${message}\n  ${hint}`);
  yield* ending;
});

/** The daemon's answer, which asks the server anew; where none comes, this command opens the store and looks itself. */
const found = Effect.gen(function* () {
  if (Option.isSome((yield* recollect).asOf)) return undefined;
  const running = yield* RunningDaemon.instance;
  const question = { method: "GET", path: "/v1/status" } as const;
  return Option.isNone(running) ? undefined : yield* RunningDaemon.asked(running.value, question);
});

export const status = Command.make(
  "status",
  {
    all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("Everything, also when all is well")),
    json,
  },
  Effect.fn("cli.status")(function* (input) {
    const answer = yield* found;
    if (answer !== undefined) return yield* show(answer as StoreNumbers, input);
    const { gather } = yield* Effect.promise(() => import("./StoreNumbers.ts"));
    return yield* store(Effect.flatMap(gather, (numbers) => show(numbers, input)));
  }),
).pipe(
  Command.withDescription("Stream, projections with gap and lag, snapshots, NATS"),
  Command.withExamples([{ command: "recollect status", description: "Exit code 0 only when all is well" }]),
);
