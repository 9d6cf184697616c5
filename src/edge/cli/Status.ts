/**
 * `recollect status`: how far everything is, and what stands in its way.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command } from "effect/cli";
import { EventLog, type LogInfo } from "../../log/EventLog.ts";
import type { LogCondition } from "../../log/connection/LogCondition.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { Query } from "../../query/Query.ts";
import { SnapshotStore } from "../../snapshot/SnapshotStore.ts";
import type { Condition } from "../../projection/ProjectorCondition.ts";
import { NotWell } from "./Failure.ts";
import { json, store } from "./Flags.ts";
import * as Output from "./Output.ts";
import { sayIntegrity } from "./StatusIntegrity.ts";
import { conditionsOf, spoolTotals } from "./Spool.ts";

const streamOf = ({ bytes, created, firstSequence, lastSequence, messages }: LogInfo) => ({
  firstSequence,
  lastSequence,
  messages,
  bytes,
  created,
});

const conditionOf = ({ hint, message, name, ...rest }: LogCondition | Condition) => ({
  name,
  field: "field" in rest ? (rest.field ?? null) : null,
  message,
  hint,
});

/** The JSON contract of `status --json` (`docs/cli.md`). */
const spoolUnreadable = {
  name: "spoolUnreadable",
  message: "The spool cannot be read.",
  hint: "Why: recollect spool list",
} as const;

const gather = Effect.gen(function* () {
  const log = yield* EventLog;
  const query = yield* Query;
  const snapshots = yield* SnapshotStore;
  const connection = yield* NatsConnection;
  // A stream that cannot be used is a condition, and what the database has is worth saying all the same.
  const stream = yield* log.info.pipe(
    Effect.catchIf(
      (error) => error.condition !== undefined,
      () => Effect.succeed(undefined),
    ),
  );
  const models = yield* query.status;
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const projections = yield* Effect.forEach(models.projections, ({ checkpoint, deadLetters, name, version }) =>
    Effect.gen(function* () {
      const gap = Math.max(0, (stream?.lastSequence ?? 0) - checkpoint);
      const oldest = gap === 0 ? undefined : yield* log.at(checkpoint + 1);
      const lagMillis = gap === 0 ? 0 : Math.max(0, now - (oldest?.recordedAt ?? now));
      return { name, version, checkpoint, gap, lagMillis, deadLetters };
    }),
  );
  const held = yield* snapshots.info.pipe(Effect.orElseSucceed(() => ({ keys: 0, bytes: 0 })));
  // That the log was away when the projector last looked is known better here.
  const { condition, integrity } = models;
  const noted = [
    ...(condition === undefined || condition.name === "logAway" ? [] : [condition]),
    ...integrity.conditions.filter(({ name }) => name !== condition?.name),
  ];
  const spool = Option.getOrNull(yield* spoolTotals);
  return {
    stream: stream === undefined ? null : streamOf(stream),
    projections,
    snapshots: { keys: held.keys, bytes: held.bytes },
    nats: {
      url: connection.url,
      version: connection.serverInfo().version,
      syncInterval: connection.syncInterval ?? null,
    },
    spool,
    threads: models.threads,
    unknown: models.unknown,
    condition: models.condition ?? null,
    scrub: models.integrity.scrub,
    verified: models.integrity.verified ?? null,
    kept: models.integrity.kept,
    history: models.history,
    conditions: [
      ...[...connection.conditions(), ...noted].map(conditionOf),
      ...(spool === null ? [spoolUnreadable] : conditionsOf(spool)),
    ],
  };
});

/** Conditions that pass by themselves, or only tell. */
const harmless: ReadonlySet<string> = new Set(["rebuilding", "restored"]);

const sayStream = Effect.fnUntraced(function* (stream: ReturnType<typeof streamOf> | null) {
  if (stream === null) return yield* Output.line("stream      cannot be used; see below");
  const range = stream.messages === 0 ? "" : `, sequences ${stream.firstSequence} to ${stream.lastSequence}`;
  return yield* Output.line(
    `stream      ${Output.counted(stream.messages, "event")}, ${Output.bytes(stream.bytes)}${range}, since ${Output.moment(stream.created)} UTC`,
  );
});

export const status = Command.make(
  "status",
  { json },
  Effect.fn("cli.status")(function* (input) {
    const found = yield* gather;
    const bad = found.conditions.filter(({ name }) => !harmless.has(name));
    const ending = bad.length === 0 ? Effect.void : new NotWell({ message: bad.map(({ name }) => name).join(", ") });
    if (input.json) return yield* Effect.andThen(Output.json(found), ending);
    const { conditions, nats, projections, snapshots, spool, stream } = found;
    yield* sayStream(stream);
    yield* Output.line(`threads     ${Output.count(found.threads)}`);
    yield* Output.line(`snapshots   ${Output.count(snapshots.keys)}, ${Output.bytes(snapshots.bytes)}`);
    yield* Output.line(
      `nats        ${nats.url}, version ${nats.version}, sync_interval ${nats.syncInterval ?? "unknown"}`,
    );
    if (spool !== null && spool.waiting + spool.setAside > 0) {
      const overdue = spool.overdue ? ", overdue" : "";
      const since = spool.oldestAt === null ? "" : ` since ${Output.moment(spool.oldestAt)} UTC${overdue}`;
      yield* Output.line(
        `spool       ${Output.counted(spool.waiting, "event")} waiting${since}, ${Output.count(spool.setAside)} set aside; see: recollect spool list`,
      );
    }
    yield* sayIntegrity({ ...found, conditions: [], verified: found.verified ?? undefined }, found.history);
    const rows = projections.map(({ checkpoint, deadLetters, gap, lagMillis, name }) => [
      name,
      String(checkpoint),
      String(gap),
      gap === 0 ? "-" : Output.duration(lagMillis),
      String(deadLetters),
    ]);
    yield* Output.line();
    for (const text of Output.table(["projection", "checkpoint", "gap", "lag", "dead letters"], rows))
      yield* Output.line(text);
    for (const { hint, message, name } of conditions) yield* Output.note(`\n${name}: ${message}\n  ${hint}`);
    yield* ending;
  }, store),
).pipe(Command.withDescription("Stream, projections with gap and lag, snapshots, NATS"));
