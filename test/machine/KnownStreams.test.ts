/** Streams that a publisher has seen at addresses: which server is believed. */
import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, References, Stream } from "effect";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as StreamGuard from "../../src/log/connection/StreamGuardNats.ts";
import * as DataFolder from "../../src/machine/DataFolder.ts";
import * as Connect from "../../src/publish/Connect.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** The first state of a connection to a server, for a publisher of this folder that knows its streams by `target`. */
const connect = Effect.fnUntraced(function* (root: string, target: string) {
  const folder = yield* DataFolder.at(root);
  const guard = yield* Connect.guardOf(folder, target);
  const connection = yield* NatsConnection.make({ servers: target, guard: guard() });
  const state = connection.changes.pipe(
    Stream.filter(({ _tag }) => _tag !== "Away"),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
  );
  return yield* state;
}, Effect.scoped);

/** A server with a stream of its own. */
const store = Effect.gen(function* () {
  const server = yield* NatsServer.make();
  yield* Effect.scoped(NatsConnection.make({ servers: server.url, guard: StreamGuard.withoutMemory() }));
  return server;
});

describe("the list of known streams", () => {
  it.live("that is damaged lets no server be believed, and is left as it is; one that is not there the first", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-known-" });
      const { url } = yield* store;
      assert.strictEqual((yield* connect(root, url))._tag, "Connected");
      const file = `${root}/known-streams.json`;
      const whole = yield* fs.readFileString(file);
      for (const damaged of ["", whole.slice(0, 20), '{"nats://a":7}', "[]"]) {
        yield* fs.writeFileString(file, damaged);
        const state = yield* connect(root, url);
        assert.deepNestedInclude(state, { _tag: "Refused", "condition.name": "strangeStream" });
        assert.match(state._tag === "Refused" ? state.condition.message : "", /known-streams\.json.*damaged/);
        assert.strictEqual(yield* fs.readFileString(file), damaged);
      }
      yield* fs.writeFileString(file, whole);
      assert.strictEqual((yield* connect(root, url))._tag, "Connected");
    }).pipe(Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "None")),
  );
});
