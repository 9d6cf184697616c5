/**
 * What each role may and must not, tried against a real server as `recollect up` runs it: the table of docs/security.md.
 *
 * Each row is one question over a bare client, so that nothing but the server stands in the way.
 */
import { type NatsConnection as Client, nkeyAuthenticator } from "@nats-io/transport-node";
import { assert, layer } from "@effect/vitest";
import { Context, Effect, Fiber, Layer, Redacted, Stream } from "effect";
import { isMisfit } from "../../src/domain/Event.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import * as Watch from "../../src/coordination/watch/Watch.ts";
import * as History from "../../src/domain/History.ts";
import { inboxOf } from "../../src/log/access/Roles.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Credentials } from "../../src/log/connection/NatsCredentialsNats.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import { encodeToken } from "../../src/log/Subject.ts";
import { create } from "../../src/machine/AccessKeys.ts";
import * as ClosedServer from "../support/ClosedServer.ts";
import { ask, event, type Name, names, publish, rows, who } from "./RoleRows.ts";

class World extends Context.Service<
  World,
  {
    readonly clients: Readonly<Record<Name, Client>>;
    /** Publishers of as many more tenants. */
    readonly crowd: ReadonlyArray<{
      readonly name: string;
      readonly tenant: string;
      readonly key: ReturnType<typeof create>;
    }>;
    readonly log: EventLog["Service"];
    readonly url: string;
  }
>()("recollect/test/Roles") {}

const world = Layer.effect(
  World,
  Effect.gen(function* () {
    const keys = Object.fromEntries(names.map((name) => [name, create()])) as Record<Name, ReturnType<typeof create>>;
    const crowd = Array.from({ length: 62 }, (_, index) => ({
      name: `user-${index}`,
      tenant: `tenant ${index}`,
      key: create(),
    }));
    const users = [
      ...names.map((name) => ({ name, ...who[name], nkey: keys[name].publicKey, createdAt: 0 })),
      ...crowd.map(({ key, name, tenant }) => {
        return { name, tenant, role: "publisher" as const, nkey: key.publicKey, createdAt: 0 };
      }),
    ];
    const { root, url } = yield* ClosedServer.make({ users });
    const daemon = yield* ClosedServer.daemon({ root, url });
    const entries = yield* Effect.forEach(names, (name) =>
      Effect.map(
        ClosedServer.client({
          servers: url,
          inboxPrefix: inboxOf(name),
          authenticator: nkeyAuthenticator(new TextEncoder().encode(keys[name].seed)),
        }),
        (client) => [name, client] as const,
      ),
    );
    const clients = Object.fromEntries(entries) as Record<Name, Client>;
    return World.of({ clients, crowd, log: Context.get(daemon, EventLog), url });
  }),
).pipe(Layer.provide(ClosedServer.machine));

/** Of an answer that is sure to come: 64 clients at once sign in, and write with fsync. */
const patienceMillis = 30_000;

const isYes = (answer: string): boolean =>
  answer === "heard" || (!/^(?:denied|nobody|silent|40\d)$/.test(answer) && !/"code": ?40[34]/.test(answer));

layer(world, { excludeTestServices: true })("a user of a role", (it) => {
  it.effect("may do what its role says, and nothing else", () =>
    Effect.gen(function* () {
      const { clients } = yield* World;
      yield* Effect.promise(() => publish("thread", "acme")(clients.ope, "ope"));
      yield* Effect.promise(() => publish("thread", "beta")(clients.ope, "ope"));
      const wrong: Array<string> = [];
      for (const [what, question, may] of rows) {
        const answers = yield* Effect.promise(() =>
          Promise.all(names.map(async (name) => [name, await question(clients[name], name)] as const)),
        );
        for (const [name, answer] of answers) {
          if (isYes(answer) === may.includes(name)) continue;
          wrong.push(`${name} (${who[name].role} of ${who[name].tenant}): ${what}: ${answer.slice(0, 120)}`);
        }
      }
      assert.deepStrictEqual(wrong, []);
    }),
  );

  it.effect("of a tenant cannot make the server write into another tenant, or its own, by naming a reply subject", () =>
    Effect.gen(function* () {
      const { clients, log } = yield* World;
      const before = (yield* log.info).lastSequence;
      const { ana } = clients;
      yield* Effect.promise(async () => {
        const own = "$JS.API.DIRECT.GET.RECOLLECT.recollect.acme.thread.t1";
        for (const reply of [
          "recollect.beta.thread.t1",
          "recollect.acme.thread.t9",
          "recollect.default.config.default",
          "$KV.RECOLLECT_THREADS.beta.t1",
          "_INBOX_eve.stolen",
        ]) {
          ana.publish(own, "", { reply });
          ana.publish("recollect-history.acme.thread.t1", JSON.stringify({ ask: "reach" }), { reply });
          ana.publish("recollect-store.MSG.GET", JSON.stringify({ last_by_subj: "recollect.acme.thread.t1" }), {
            reply,
          });
        }
        await ana.flush();
        await ask(ana, "recollect-store.STREAM.INFO");
      });
      assert.strictEqual((yield* log.info).lastSequence, before);
      const beta = yield* Stream.runCollect(log.read({ history: History.thread("t1", "beta") }));
      assert.isTrue(beta.every(({ source }) => source === "test/1"));
    }),
  );

  it.effect("of one of 64 tenants writes its own, under its own name, and nothing of the next one's", () =>
    Effect.gen(function* () {
      const { crowd, log, url } = yield* World;
      const wrong = yield* Effect.forEach(
        crowd,
        ({ key, name, tenant }, index) =>
          Effect.gen(function* () {
            const authenticator = nkeyAuthenticator(new TextEncoder().encode(key.seed));
            const nc = yield* ClosedServer.client({ servers: url, inboxPrefix: inboxOf(name), authenticator });
            const mine = yield* Effect.promise(() => publish("thread", encodeToken(tenant), patienceMillis)(nc));
            const next = encodeToken(`tenant ${(index + 1) % crowd.length}`);
            const theirs = yield* Effect.promise(() => publish("thread", next, patienceMillis)(nc));
            const [said] = yield* Stream.runCollect(log.read({ history: History.thread("t1", tenant) }));
            const isRight = /"seq"/.test(mine) && theirs === "denied" && said?.extensions?.["principal"] === name;
            return isRight ? [] : [`${name}: ${mine} ${theirs} ${JSON.stringify(said?.extensions)}`];
          }).pipe(Effect.scoped),
        { concurrency: 16 },
      );
      assert.deepStrictEqual(wrong.flat(), []);
    }),
  );

  it.effect(
    "of a tenant follows what its tenant has, live, and keeps its blobs, and hears nothing of another tenant",
    () =>
      Effect.gen(function* () {
        const { crowd, url } = yield* World;
        const logs = yield* Effect.forEach(crowd.slice(0, 2), ({ key, name }) =>
          Layer.build(
            EventLogNats.layer().pipe(
              Layer.provide(
                NatsConnection.layer({
                  servers: url,
                  credentials: Credentials.NKey({ seed: Redacted.make(key.seed) }),
                  inboxPrefix: inboxOf(name),
                }),
              ),
            ),
          ),
        );
        const [mine, theirs] = logs.map((context) => Context.get(context, EventLog));
        if (mine === undefined || theirs === undefined) return assert.fail("two tenants");
        const say = (log: EventLog["Service"], tenant: string | undefined, id: string) =>
          log.append({
            history: History.thread(id, tenant),
            events: [
              {
                id: fromContent(`${tenant} ${id}`),
                type: "x.said",
                schemaVersion: 1,
                source: "test",
                occurredAt: 0,
                body: "{}",
              },
            ],
            expected: "any",
          });
        const [own, other] = crowd.map(({ tenant }) => tenant);
        const after = (yield* mine.info).lastSequence;
        yield* say(mine, own, "followed-1");
        const heard = yield* mine.follow({ after }).pipe(Stream.take(3), Stream.runCollect, Effect.forkChild);
        const ofOne = yield* mine
          .follow({ after: 0, history: History.thread("followed-3", own) })
          .pipe(Stream.take(1), Stream.runCollect, Effect.forkChild);
        yield* say(theirs, other, "followed-2");
        yield* say(mine, own, "followed-2");
        yield* say(mine, own, "followed-3");
        const told = yield* Fiber.join(heard);
        assert.deepStrictEqual(
          told.map((entry) => (isMisfit(entry) ? entry.problem : `${entry.history.tenant} ${entry.history.id}`)),
          [1, 2, 3].map((number) => `${own} followed-${number}`),
        );
        assert.strictEqual((yield* Fiber.join(ofOne)).length, 1);
        // What others have written since is behind the tenant's own last event: the past ends all the same.
        yield* say(theirs, other, "followed-4");
        const watch = yield* Watch.make.pipe(Effect.provideService(EventLog, mine));
        const past = yield* watch.watch({ tenant: own ?? "" }, { after }).pipe(
          Stream.takeUntil(({ _tag }) => _tag === "CaughtUp"),
          Stream.runCollect,
        );
        assert.deepStrictEqual(
          past.map(({ _tag }) => _tag),
          ["Event", "Event", "Event", "CaughtUp"],
        );
        const bytes = new TextEncoder().encode("a large part");
        const kept = yield* mine.putBlob(bytes);
        assert.deepStrictEqual(yield* mine.getBlob(kept.sha256), bytes);
      }).pipe(Effect.scoped),
  );

  it.effect("is nobody without a key", () =>
    Effect.gen(function* () {
      const { url } = yield* World;
      for (const how of [
        {},
        { user: "ana", pass: "ana" },
        { token: "x" },
        { authenticator: nkeyAuthenticator(new TextEncoder().encode(create().seed)) },
      ]) {
        const came = yield* Effect.result(
          Effect.scoped(ClosedServer.client({ servers: url, ...how })).pipe(Effect.sandbox),
        );
        assert.strictEqual(came._tag, "Failure");
      }
    }),
  );

  it.effect("that lives in the store's account writes under its own name, whatever it claims, and under no other", () =>
    Effect.gen(function* () {
      const { clients, log } = yield* World;
      const forged = () => {
        const made = event();
        made.set("ce-principal", "king");
        made.set("Nats-Request-Info", '{"user":"king"}');
        return made;
      };
      for (const name of ["wor", "ope"] as const) {
        const written = yield* Effect.promise(() =>
          clients[name].request(`recollect-by.${name}.acme.thread.${name}`, '{"title":"x"}', {
            headers: forged(),
            timeout: patienceMillis,
          }),
        );
        assert.include(written.string(), '"seq"');
        const [said] = yield* Stream.runCollect(log.read({ history: History.thread(name, "acme") }));
        assert.strictEqual(said?.extensions?.["principal"], name);
      }
    }),
  );
});
