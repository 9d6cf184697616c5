/** Questions that get no answer, each for another reason, and none of them waited for longer than it has to be. */
import { assert, layer } from "@effect/vitest";
import { Effect, Fiber, Redacted } from "effect";
import { TestClock } from "effect/testing";
import { elapsed } from "../../src/log/connection/Elapsed.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Credentials } from "../../src/log/connection/NatsCredentialsNats.ts";
import { ask } from "../../src/log/connection/RequestNats.ts";
import { learn } from "../../src/log/connection/StreamNats.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** `limited` may ask for one thing only. */
const withUsers = (conf: string) => `${conf}
no_auth_user: "anyone"
authorization {
  users: [
    { user: "anyone", password: "x" }
    { user: "limited", password: "p", permissions: { publish: ["$JS.API.INFO", "open.>"], subscribe: ">" } }
  ]
}
`;

const connected = Effect.gen(function* () {
  const { url } = yield* NatsServer.NatsServer;
  const credentials = Credentials.UserPassword({ user: "limited", password: Redacted.make("p") });
  return yield* NatsConnection.make({ servers: url, credentials });
});

/** Far above what any of these takes: an answer that is waited for to the end fails its test by its reason. */
const timeoutMillis = 20_000;

layer(NatsServer.layer({ conf: withUsers }))("a question", (it) => {
  it.effect("to a subject that the user may not publish to has failed, and says so", () =>
    Effect.gen(function* () {
      const { link, nc } = yield* connected;
      const answer = yield* Effect.promise(() => ask(nc, link, { subject: "closed.a", timeoutMillis }));
      assert.strictEqual(answer._tag === "NoAnswer" && answer.why, "failed");
      assert.match(answer._tag === "NoAnswer" ? answer.reason : "", /permissions violation.*closed\.a/i);
    }).pipe(Effect.scoped),
  );

  it.effect("that nobody serves has nobody, and nothing has happened", () =>
    Effect.gen(function* () {
      const { link, nc } = yield* connected;
      const answer = yield* Effect.promise(() => ask(nc, link, { subject: "open.a", timeoutMillis }));
      assert.strictEqual(answer._tag === "NoAnswer" && answer.why, "nobody");
    }).pipe(Effect.scoped),
  );

  it.effect("whose client is closed has failed, also the one that comes after", () =>
    Effect.gen(function* () {
      const { link, nc } = yield* connected;
      nc.subscribe("open.never");
      const asked = ask(nc, link, { subject: "open.never", timeoutMillis });
      yield* Effect.promise(() => nc.close());
      const later = ask(nc, link, { subject: "open.never", timeoutMillis });
      for (const answer of [yield* Effect.promise(() => asked), yield* Effect.promise(() => later)]) {
        assert.strictEqual(answer._tag === "NoAnswer" && answer.why, "failed");
      }
    }).pipe(Effect.scoped),
  );

  it.effect("about the stream is waited for while NATS is away for a restart, and not for longer", () =>
    Effect.gen(function* () {
      const connection = yield* connected;
      const since = yield* elapsed;
      // A connection that was lost just now, and nobody has noticed that it is back.
      const link = { ...connection.link, connected: false, lostAt: since };
      const learning = yield* learn({ ...connection, link }, { stream: "S", patienceMillis: 15_000 }).pipe(
        Effect.flip,
        Effect.forkChild,
      );
      yield* TestClock.adjust(1_990);
      assert.isUndefined(learning.pollUnsafe());
      yield* TestClock.adjust(20);
      assert.strictEqual((yield* Fiber.join(learning)).reason, "NATS is away");
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer())),
  );
});
