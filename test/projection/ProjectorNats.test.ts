import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import type { NewEvent } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import { verify } from "../../src/projection/verify/Verify.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { ask, temporaryFolder } from "./World.ts";

const saying = (n: number): NewEvent => ({
  id: fromContent(`message ${n}`),
  type: "thread.message_appended",
  schemaVersion: 2,
  source: "test",
  occurredAt: 1_700_000_000_000 + n,
  body: JSON.stringify({ messageId: `m${n}`, role: "user", parts: [{ type: "text", text: `word ${n}` }] }),
});

describe("a projector on a real server", () => {
  it.live(
    "reads on when the server was killed, and all that was acknowledged is in the database once",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make();
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* Effect.gen(function* () {
          const log = yield* EventLog;
          const projector = yield* Projector.make({ path, projections: readModels });
          const append = (n: number) =>
            log
              .append({ history: thread(`t${n % 7}`), events: [saying(n)], expected: "any" })
              .pipe(Effect.retry({ while: ({ _tag }) => _tag === "LogUnavailable", times: 200 }));
          const publishing = yield* Effect.forkChild(
            Effect.forEach(
              Array.from({ length: 300 }, (_, n) => n),
              append,
              { concurrency: 16 },
            ),
          );
          yield* projector.awaitSequence(100);
          yield* server.kill9;
          yield* Fiber.join(publishing);
          const { lastSequence } = yield* log.info;
          yield* projector.awaitSequence(lastSequence);
          assert.strictEqual(ask(path, "SELECT count(DISTINCT message_id) AS n FROM v_messages")[0]?.["n"], 300);
          assert.deepInclude(yield* projector.status, { condition: undefined });
          assert.isTrue((yield* verify({ path, projections: readModels })).ok);
          yield* rebuild({ path, projections: readModels });
          const verified = yield* verify({ path, projections: readModels });
          assert.deepInclude(verified, { ok: true, upTo: lastSequence, differing: 0 });
        }).pipe(
          Effect.provide(EventLogNats.layer().pipe(Layer.provideMerge(NatsConnection.layer({ servers: server.url })))),
        );
      }),
    60_000,
  );
});
