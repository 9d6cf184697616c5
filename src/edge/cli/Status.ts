/**
 * `recollect status`: how far everything is, and what stands in its way.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command } from "effect/cli";
import { EventLog } from "../../log/EventLog.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { Query } from "../../query/Query.ts";
import { SnapshotStore } from "../../snapshot/SnapshotStore.ts";
import { json, store } from "./Flags.ts";
import * as Output from "./Output.ts";
import { conditionsOf, spoolTotals } from "./Spool.ts";

/** The JSON contract of `status --json` (`docs/cli.md`). */
const gather = Effect.gen(function* () {
  const log = yield* EventLog;
  const query = yield* Query;
  const snapshots = yield* SnapshotStore;
  const connection = yield* NatsConnection;
  const stream = yield* log.info;
  const models = yield* query.status;
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const projections = yield* Effect.forEach(models.projections, ({ checkpoint, deadLetters, name, version }) =>
    Effect.gen(function* () {
      const gap = Math.max(0, stream.lastSequence - checkpoint);
      const oldest = gap === 0 ? undefined : yield* log.at(checkpoint + 1);
      const lagMillis = gap === 0 ? 0 : Math.max(0, now - (oldest?.recordedAt ?? now));
      return { name, version, checkpoint, gap, lagMillis, deadLetters };
    }),
  );
  const held = yield* snapshots.info.pipe(Effect.orElseSucceed(() => ({ keys: 0, bytes: 0 })));
  const { firstSequence, lastSequence, messages, bytes, created } = stream;
  return {
    stream: { firstSequence, lastSequence, messages, bytes, created },
    projections,
    snapshots: { keys: held.keys, bytes: held.bytes },
    nats: {
      url: connection.url,
      version: connection.serverInfo().version,
      syncInterval: connection.syncInterval ?? null,
    },
    spool: Option.getOrNull(yield* spoolTotals),
    threads: models.threads,
    unknown: models.unknown,
    condition: models.condition ?? null,
  };
});

export const status = Command.make(
  "status",
  { json },
  Effect.fn("cli.status")(function* (input) {
    const found = yield* gather;
    if (input.json) return yield* Output.json(found);
    const { nats, projections, snapshots, spool, stream } = found;
    const range = stream.messages === 0 ? "" : `, sequences ${stream.firstSequence} to ${stream.lastSequence}`;
    yield* Output.line(
      `stream      ${Output.counted(stream.messages, "event")}, ${Output.bytes(stream.bytes)}${range}, since ${Output.moment(stream.created)} UTC`,
    );
    yield* Output.line(`threads     ${Output.count(found.threads)}`);
    yield* Output.line(`snapshots   ${Output.count(snapshots.keys)}, ${Output.bytes(snapshots.bytes)}`);
    yield* Output.line(
      `nats        ${nats.url}, version ${nats.version}, sync_interval ${nats.syncInterval ?? "unknown"}`,
    );
    if (spool === null) yield* Output.note("The spool cannot be read; see: recollect spool list");
    else if (spool.waiting + spool.setAside > 0) {
      const overdue = spool.overdue ? ", overdue" : "";
      const since = spool.oldestAt === null ? "" : ` since ${Output.moment(spool.oldestAt)} UTC${overdue}`;
      yield* Output.line(
        `spool       ${Output.counted(spool.waiting, "event")} waiting${since}, ${Output.count(spool.setAside)} set aside; see: recollect spool list`,
      );
    }
    for (const { hint, message } of spool === null ? [] : conditionsOf(spool)) {
      yield* Output.note(`${message}\n  ${hint}`);
    }
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
    if (found.condition !== null) {
      yield* Output.note(`\n${found.condition.message}\n  ${found.condition.hint}`);
    }
  }, store),
).pipe(Command.withDescription("Stream, projections with gap and lag, snapshots, NATS"));
