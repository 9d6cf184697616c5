/** Bound of the sessions that the HTTP door holds. */
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import { type Held, Sessions } from "../../../src/coordination/sessions/Sessions.ts";
import { withWall } from "../../support/wallClock.ts";
import { HeldSessions, layer, mostOfOne } from "../../../src/edge/http/HeldSessions.ts";
import { TenantClients } from "../../../src/edge/http/TenantClients.ts";

const held = (id: string): Held => ({ id, join: () => Effect.void, leave: () => Effect.void, end: () => Effect.void });
let count = 0;
let users = 0;
const clients = Layer.succeed(TenantClients, {
  enter: () => undefined,
  of: () =>
    Effect.acquireRelease(
      Effect.sync(() => {
        users++;
        return Context.empty() as never;
      }),
      () => Effect.sync(() => users--),
    ),
});
const sessions = Layer.mock(Sessions, { register: () => Effect.sync(() => held(`s-${count++}`)) });

const ours = Layer.merge(layer.pipe(Layer.provide(clients)), sessions);

describe("sessions that are held over HTTP", () => {
  it.effect("are bounded for each tenant, so that one that has them all leaves those of others", () =>
    Effect.gen(function* () {
      const all = yield* HeldSessions;
      const register = (tenant: string) => all.register(tenant, {}, "http/test");
      for (let n = 0; n < mostOfOne; n++) yield* register("greedy");
      assert.strictEqual((yield* Effect.flip(register("greedy")))._tag, "HttpRefused");
      yield* register("other");
    }).pipe(Effect.provide(ours)),
  );

  it.effect("keep their tenant's client in use until they end", () =>
    Effect.gen(function* () {
      const all = yield* HeldSessions;
      const { id } = yield* Effect.scoped(all.register("acme", {}, "http/test"));
      assert.strictEqual(users, 1);
      yield* all.end("acme", id, { reason: "done" });
      assert.strictEqual(users, 0);
    }).pipe(Effect.provide(ours)),
  );

  it.effect("are kept where the clock is set forward, and end when they were silent for as long", () => {
    let wall = 0;
    return Effect.gen(function* () {
      const all = yield* HeldSessions;
      const { id } = yield* all.register("acme", {}, "http/test");
      wall = 86_400_000;
      yield* TestClock.adjust(20_000);
      assert.strictEqual((yield* all.of("acme", id)).id, id);
      yield* TestClock.adjust(60_000);
      assert.strictEqual((yield* Effect.flip(all.of("acme", id)))._tag, "HttpRefused");
    }).pipe(
      Effect.provide(ours),
      withWall(() => wall),
    );
  });
});
