/** What somebody may write into the stream past his permissions, or under headers of the server's own, is never an event. */
import { headers } from "@nats-io/transport-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { isMisfit } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { logOnServer } from "../log/natsLayers.ts";

const event = (id: string, more: Readonly<Record<string, string>> = {}) => {
  const found = headers();
  const all = {
    "ce-id": id,
    "ce-type": "thread.message_appended",
    "ce-schemaversion": "2",
    "ce-source": "mallory/1",
    "ce-time": "2026-01-01T00:00:00Z",
    ...more,
  };
  for (const [name, value] of Object.entries(all)) found.set(name, value);
  return found;
};
const body = JSON.stringify({ messageId: "m", role: "user", parts: [{ type: "text", text: "pay" }] });

const subject = "recollect.acme.thread.t1";
const victim = "recollect.beta.thread.t1";

const seen = (id: string, tenant: string) =>
  EventLog.use((log) => Stream.runCollect(log.read({ history: History.thread(id, tenant) })));

describe("a message that claims to be the server's answer", () => {
  it.live("is no event in the history that it was sent to as the answer to a read", () =>
    Effect.gen(function* () {
      const { js, nc } = yield* NatsConnection;
      yield* Effect.promise(() => js.publish(subject, body, { headers: event("carrier") }));
      yield* Effect.promise(async () => {
        nc.publish(`$JS.API.DIRECT.GET.RECOLLECT.${subject}`, "", { reply: victim });
        await nc.flush();
      });
      const log = yield* EventLog;
      const planted = yield* log.at(2).pipe(Effect.repeat({ until: (entry) => entry !== undefined }));
      assert.isTrue(planted !== undefined && isMisfit(planted), "the server takes it: it is for us to refuse");
      assert.deepStrictEqual(yield* seen("t1", "beta"), []);
      assert.lengthOf(yield* seen("t1", "acme"), 1);
    }).pipe(Effect.provide(logOnServer())),
  );

  it.live("cannot pass for another history or another number, by whatever way it is read", () =>
    Effect.gen(function* () {
      const { js } = yield* NatsConnection;
      const forged = { "Nats-Subject": victim, "Nats-Sequence": "999", "Nats-Stream": "X" };
      yield* Effect.promise(() => js.publish(subject, body, { headers: event("a", forged) }));
      yield* Effect.promise(() => js.publish(subject, body, { headers: event("b") }));
      const log = yield* EventLog;
      const entry = yield* log.at(1);
      assert.isTrue(entry !== undefined && isMisfit(entry));
      assert.propertyVal(entry, "sequence", 1);
      assert.propertyVal(entry, "subject", subject);
      const read = yield* seen("t1", "acme");
      assert.deepStrictEqual(
        read.map(({ id, sequence }) => [id, sequence]),
        [["b", 2]],
      );
      const followed = yield* log.follow({ after: 0 }).pipe(Stream.take(2), Stream.runCollect);
      assert.deepStrictEqual(followed.map(isMisfit), [true, false]);
      assert.strictEqual((yield* log.last(History.thread("t1", "acme")))?.id, "b");
    }).pipe(Effect.provide(logOnServer())),
  );
});
