/**
 * A statement on the command line as an audit event of the store that runs in its folder.
 *
 * Room: edge.
 *
 * The daemon is told, which has a client; where it does not take it, a client of this process does, with the same event
 * id, so that an answer that was lost makes no second event. Where no store runs nothing is recorded: a user who may read the
 * folder may read its database by any other means, and a command that spools would make the next one start a store.
 */
import { Clock, Effect, Random } from "effect";
import { recordedParameters } from "../../../client/RecordedSql.ts";
import * as EventId from "../../../domain/EventId.ts";
import type { Value } from "../../../query/Sql.ts";
import * as RunningDaemon from "../http/RunningDaemon.ts";
import { user } from "../User.ts";

const source = "recollect sql";

/** The moment of the question, and an id made of it. */
const asking = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis;
  const word = Effect.map(Random.next, (part) => part * 2 ** 32);
  return { now, id: EventId.fromTime(now, [yield* word, yield* word, yield* word]) };
});

export const audit = Effect.fnUntraced(function* (asked: {
  readonly statement: string;
  readonly parameters: Readonly<Record<string, Value>>;
  readonly running: RunningDaemon.Running;
}) {
  const { parameters, running, statement } = asked;
  const { id, now } = yield* asking;
  const about = { id, occurredAt: now, source, actor: yield* user };
  const body = { statement, parameters: recordedParameters(parameters), ...about };
  const answer = yield* RunningDaemon.asked(running, { method: "POST", path: "/v1/sql/asked", body });
  if (answer !== undefined) return;
  const { auditHere } = yield* Effect.promise(() => import("./AuditHere.ts"));
  yield* auditHere({ statement, parameters, door: "cli", about, actor: about.actor });
});
