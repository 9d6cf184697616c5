import { assert, describe, it } from "@effect/vitest";
import { StoreCompression } from "@nats-io/jetstream";
import { Effect, Fiber, Layer, Redacted, Stream } from "effect";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Credentials, splitUrls } from "../../src/log/connection/NatsCredentialsNats.ts";
import { NatsUnusable } from "../../src/log/connection/NatsUnusable.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { pretend, proxy } from "./proxy.ts";

/** Why a connection cannot be made. */
const trouble = (options: NatsConnection.Options) =>
  Effect.scoped(NatsConnection.make(options)).pipe(
    Effect.flip,
    Effect.tap((error) =>
      Effect.sync(() => {
        assert.instanceOf(error, NatsUnusable);
        assert.match(error.message, /^The .*\.$|^No .*\.$/);
        assert.isNotEmpty(error.hint);
      }),
    ),
  );

const password = (user: string, text: string) => Credentials.UserPassword({ user, password: Redacted.make(text) });

const withAccounts = (text: string) => `${text}
no_auth_user: "anyone"
accounts {
  APP { jetstream: enabled, users: [{ user: "anyone", password: "x" }, { user: "ada", password: "secret" }] }
  POOR { users: [{ user: "bob", password: "secret" }] }
}
`;

describe("NatsConnection", () => {
  it.live("says that nobody answers at an address", () =>
    Effect.gen(function* () {
      const refused = yield* trouble({ servers: "nats://127.0.0.1:1" });
      assert.strictEqual(refused.reason, "refused");
      assert.match(refused.message, /127\.0\.0\.1:1: the connection was refused/);
      const unknown = yield* trouble({ servers: "nats://no-such-host.invalid:4222" });
      assert.strictEqual(unknown.reason, "refused");
    }),
  );

  it.live("says that a server is too old, or without JetStream", () =>
    Effect.gen(function* () {
      const old = yield* pretend({ version: "2.9.10", jetstream: true });
      const tooOld = yield* trouble({ servers: old.url });
      assert.strictEqual(tooOld.reason, "tooOld");
      assert.match(tooOld.message, /2\.9\.10.*2\.12/);
      const bare = yield* pretend({ version: "2.15.1", jetstream: false });
      assert.strictEqual((yield* trouble({ servers: bare.url })).reason, "noJetStream");
    }),
  );

  it.live("does not call credentials wrong that came too late for a busy server", () =>
    Effect.gen(function* () {
      const busy = yield* pretend({ version: "2.15.1", jetstream: true }, "-ERR 'Authentication Timeout'");
      assert.strictEqual((yield* trouble({ servers: busy.url })).reason, "refused");
      const stranger = yield* pretend({ version: "2.15.1", jetstream: true }, "-ERR 'Authorization Violation'");
      assert.strictEqual((yield* trouble({ servers: stranger.url })).reason, "credentials");
    }),
  );

  it.live("says that credentials are wrong, and shows none of them", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({ conf: withAccounts });
      const wrong = yield* trouble({ servers: url, credentials: password("ada", "guess") });
      assert.strictEqual(wrong.reason, "credentials");
      const inUrl = yield* trouble({ servers: url.replace("nats://", "nats://ada:gu%40ess@") });
      assert.strictEqual(inUrl.reason, "credentials");
      assert.notMatch(inUrl.message, /gu/);
      const poor = yield* trouble({ servers: url, credentials: password("bob", "secret") });
      assert.strictEqual(poor.reason, "noJetStream");
      const missing = yield* trouble({
        servers: url,
        credentials: Credentials.CredentialsFile({ path: "/nowhere/x.creds" }),
      });
      assert.strictEqual(missing.reason, "credentials");

      const right = yield* NatsConnection.make({
        servers: url,
        credentials: password("ada", "secret"),
        syncInterval: "always",
      });
      assert.match(right.serverInfo().version, /^2\./);
      assert.strictEqual(right.url, url);
      assert.strictEqual(right.syncInterval, "always");
      yield* NatsConnection.make({ servers: url.replace("nats://", "nats://ada:secret@") });
    }),
  );

  it.live("tells when the server goes and when it is back, however long it was away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const between = yield* proxy(server.url);
      const connection = yield* NatsConnection.make({ servers: between.url });
      const seen = yield* connection.changes.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true }),
      );
      assert.isTrue(connection.link.connected);
      yield* between.close;
      yield* connection.changes.pipe(
        Stream.filter(({ _tag }) => _tag === "Away"),
        Stream.take(1),
        Stream.runDrain,
      );
      assert.isFalse(connection.link.connected);
      yield* between.open;
      yield* connection.connected;
      assert.isTrue(connection.link.connected);
      assert.deepEqual(yield* Fiber.join(seen), ["Connected", "Away", "Connected"]);
    }),
  );

  it.live("refuses a stream that cannot hold events, and brings in line one that can", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const connection = yield* NatsConnection.make({ servers: url });
      const open = (stream: string, replicas?: 3) =>
        Layer.build(EventLogNats.layer({ stream, replicas })).pipe(
          Effect.provideService(NatsConnection.NatsConnection, connection),
          Effect.scoped,
        );
      const { jsm } = connection;
      yield* Effect.promise(() =>
        jsm.streams.add({ name: "MEMORY", subjects: ["recollect.*.*.*"], storage: "memory" as never }),
      );
      const refused = yield* Effect.flip(open("MEMORY"));
      assert.deepInclude(refused, { _tag: "NatsUnusable", reason: "stream" });
      const overlap = yield* Effect.flip(open("RECOLLECT"));
      assert.deepInclude(overlap, { _tag: "NatsUnusable", reason: "stream" });
      yield* Effect.promise(() => jsm.streams.delete("MEMORY"));
      const alone = yield* Effect.flip(open("RECOLLECT", 3));
      assert.match(alone.message, /three copies, and the cluster has not three servers/);

      yield* Effect.promise(() =>
        jsm.streams.add({
          name: "OLD",
          subjects: ["recollect.*.thread.*"],
          max_bytes: 1e9,
          compression: StoreCompression.S2,
        }),
      );
      yield* open("OLD");
      const { config } = yield* Effect.promise(() => jsm.streams.info("OLD"));
      assert.deepInclude(config, {
        allow_atomic: true,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        max_bytes: 1e9,
        // Changed in place, a block that cannot be read would be lost: `heal` moves a compressed stream over.
        compression: "s2",
      });
      assert.deepEqual(config.subjects, ["recollect.*.*.*"]);
    }),
  );
});

describe("splitUrls", () => {
  it("takes credentials out of addresses and leaves the rest as it is", () => {
    const { addresses, fromUrl, url } = splitUrls("nats://u:p%20w@a:1, b:2 ,tls://c");
    assert.deepEqual(addresses, ["nats://a:1", "b:2", "tls://c"]);
    assert.strictEqual(url, "nats://a:1,b:2,tls://c");
    assert.strictEqual(fromUrl?._tag === "UserPassword" ? Redacted.value(fromUrl.password) : "", "p w");
    assert.strictEqual(splitUrls("nats://tok@a").fromUrl?._tag, "Token");
    assert.isUndefined(splitUrls(["a", "b"]).fromUrl);
  });
});
