/**
 * The database of a folder brought up to date before it is asked.
 *
 * Room: main.
 *
 * With its server away the database is asked as it is, and says how far it reaches: what it has is worth reading.
 */
import { Effect, Layer, Option, Schedule } from "effect";
import { caughtUp } from "../edge/cli/CaughtUp.ts";
import * as Output from "../edge/cli/Output.ts";
import * as Progress from "../edge/cli/Progress.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import type { NatsUnusable } from "../log/connection/NatsUnusable.ts";
import type { DataFolder } from "../machine/DataFolder.ts";
import { peek } from "../projection/write/WriteLockSqlite.ts";
import { querying } from "./Querying.ts";
import { isOurs, waiting } from "./ReadModels.ts";

type Folder = DataFolder["Service"];

/** A spool of 100,000 commands is drained in less; what stays longer, the log does not take. */
const drainPatienceMillis = 30_000;

/** For when the server cannot be reached: the database as it lies there, where this version made it; else the failure. */
export const withoutLog = (folder: Folder, trouble: NatsUnusable) =>
  Layer.unwrap(
    Effect.gen(function* () {
      // A server that answers and cannot be used is to be mended.
      if (trouble.reason !== "refused" && trouble.reason !== "stranger") return yield* trouble;
      const made = yield* Effect.option(peek(folder.database));
      if (Option.isNone(made) || made.value === undefined || !(yield* isOurs(folder))) return yield* trouble;
      const { recordedAt, sequence } = made.value;
      const upTo = sequence === 0 ? "of nothing yet" : `up to event ${sequence} (${Output.moment(recordedAt)} UTC)`;
      yield* Output.note(`${trouble.message} Answering from the database, ${upTo}.`);
      return querying(folder.database);
    }),
  );

/** Spool drained, everything in the log folded. A failure of that is said on stderr, and the answer is as good as it gets. */
export const broughtUpToDate = (folder: Folder) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { link } = yield* NatsConnection;
      if (link.refused !== undefined) {
        return yield* Output.note(`${link.refused.message} Answering from the database. ${link.refused.hint}`);
      }
      yield* waiting(folder).pipe(
        Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced(20) }),
        Effect.timeoutOption(drainPatienceMillis),
      );
      yield* caughtUp(yield* Progress.make(Progress.events));
    }).pipe(Effect.scoped),
  );
