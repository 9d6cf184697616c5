/**
 * The promises of sessions and their presence, as one suite for every layer.
 *
 * Time is real, because a server's clock is not ours; nothing is concluded from a pause, only waited for.
 */
import { assert } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import { PresenceBucket } from "../../src/coordination/sessions/Presence.ts";
import { maxJoined, type Registering } from "../../src/coordination/sessions/Sessions.ts";
import { session } from "../../src/domain/History.ts";
import type { EventLog } from "../../src/log/EventLog.ts";
import { type Machine, World } from "../coordination/SessionsWorld.ts";
import { dataOf, eventsOf, until } from "../publish/World.ts";

type Tester = (
  name: string,
  test: () => Effect.Effect<void, unknown, World | PresenceBucket | EventLog | Scope.Scope>,
) => void;

/** Ids of those who are there, of the ones that a test is about. */
const there = ({ sessions }: Machine, ...ids: ReadonlyArray<string>) =>
  Effect.map(sessions.active, (all) => all.map(({ sessionId }) => sessionId).filter((id) => ids.includes(id)));

/** The events of a session, an ending with its reason. */
const historyOf = (id: string) =>
  Effect.map(eventsOf(session(id)), (events) =>
    events.map((event) => (event.type === "session.ended" ? `ended: ${dataOf(event)["reason"]}` : event.type)),
  );

/** Asserts a session's events. On a machine that is busy beyond our patience some are still in the spool: waited for. */
const hasHistory = Effect.fnUntraced(function* (id: string, expected: ReadonlyArray<string>) {
  yield* until(Effect.map(historyOf(id), ({ length }) => length >= expected.length));
  assert.deepStrictEqual(yield* historyOf(id), expected);
});

/** A session whose process is killed when it is told to: from then on nobody hears of it. */
const mortal = Effect.fnUntraced(function* (options: Registering & { readonly id: string }) {
  const machine = yield* (yield* World).machine;
  yield* machine.sessions.register(options);
  machine.link.connected = false;
  machine.log.position = "hanging";
  return machine;
});

/** Sweeps until something is ended. */
const sweepUntil = <A>(sweep: Effect.Effect<ReadonlyArray<A>>, isDone: (ended: ReadonlyArray<A>) => boolean) =>
  until(Effect.map(sweep, isDone));

export const suite = (test: Tester) => {
  test("a session's presence has no secret of its client", () =>
    Effect.gen(function* () {
      const { sessions } = yield* (yield* World).machine;
      yield* sessions.register({ id: "discreet", client: { name: `ghp_${"k3Jq".repeat(9)}`, version: "1" } });
      const [present] = (yield* sessions.active).filter(({ sessionId }) => sessionId === "discreet");
      assert.match(String(present?.client?.name), /^\[redacted:github-token:[0-9a-f]{16}\]$/);
    }));

  test("a session is in the list of every machine, with its client, since when, and what it is in", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* (yield* World).machine, yield* (yield* World).machine];
      const held = yield* one.sessions.register({
        id: "listed",
        client: { name: "zed", version: "1.2" },
        machine: "ant",
        processId: 77,
        threadId: "t1",
      });
      yield* held.join({ task: "a" });
      yield* held.join({ thread: "t2" });
      yield* held.join({ thread: "t2" });
      yield* held.leave({ thread: "t1" });
      const [mine] = (yield* one.sessions.active).filter(({ sessionId }) => sessionId === "listed");
      const [theirs] = (yield* other.sessions.active).filter(({ sessionId }) => sessionId === "listed");
      assert.deepStrictEqual(mine, theirs);
      assert.deepInclude(theirs, {
        tenant: "default",
        client: { name: "zed", version: "1.2" },
        machine: "ant",
        processId: 77,
        threads: ["t2"],
        tasks: ["a"],
      });
      yield* until(Effect.map(historyOf("listed"), ({ length }) => length > 0));
      const [started] = yield* eventsOf(session("listed"));
      assert.strictEqual(started?.occurredAt, theirs?.since);
    }));

  test("a session is there for many leases, and gone with its scope, closed", () =>
    Effect.gen(function* () {
      const bucket = yield* PresenceBucket;
      const { machine } = yield* World;
      const [one, other] = [yield* machine, yield* machine];
      const scope = yield* Scope.make();
      yield* one.sessions.register({ id: "lives" }).pipe(Scope.provide(scope));
      const first = (yield* bucket.get({ tenant: "default", sessionId: "lives" })).present?.seenAt ?? Infinity;
      yield* until(
        Effect.gen(function* () {
          const { present } = yield* bucket.get({ tenant: "default", sessionId: "lives" });
          assert.isDefined(present, "it was never gone");
          return (present?.seenAt ?? 0) > first + 2 * bucket.leaseMillis;
        }),
      );
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* there(other, "lives"), []);
      yield* hasHistory("lives", ["session.started", "ended: closed"]);
    }));

  test("ending twice ends once, and the first reason stands", () =>
    Effect.gen(function* () {
      const { sessions } = yield* (yield* World).machine;
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* sessions.register({ id: "twice" });
          yield* Effect.all([held.end({ reason: "exit", exitCode: 0 }), held.end({ reason: "again" })], {
            concurrency: 2,
          });
        }),
      );
      yield* hasHistory("twice", ["session.started", "ended: exit"]);
    }));

  test("an id that was ended can begin again, and end again", () =>
    Effect.gen(function* () {
      const { sessions } = yield* (yield* World).machine;
      for (const reason of ["first", "second"]) {
        const held = yield* sessions.register({ id: "again" });
        yield* held.end({ reason });
      }
      yield* hasHistory("again", ["session.started", "ended: first", "session.started", "ended: second"]);
    }));

  test("a killed session disappears by itself, and is ended once by however many sweepers", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const looker = yield* world.machine;
      yield* mortal({ id: "killed", client: { name: "c", version: null } });
      assert.deepStrictEqual(yield* there(looker, "killed"), ["killed"]);
      yield* until(Effect.map(there(looker, "killed"), ({ length }) => length === 0));
      const sweepers = yield* Effect.all(Array.from({ length: 4 }, () => world.sweeper));
      let ended = 0;
      yield* sweepUntil(
        Effect.map(
          Effect.all(
            sweepers.map(({ sweep }) => sweep),
            { concurrency: "unbounded" },
          ),
          (all) => all.flat().filter(({ id }) => id === "killed"),
        ),
        (found) => (ended += found.length) > 0,
      );
      for (const { sweep } of sweepers) yield* sweep;
      assert.strictEqual(ended, 1);
      yield* hasHistory("killed", ["session.started", "ended: lease expired"]);
      yield* world.caughtUp;
      const [row] = (yield* world.query.sessions({ limit: 1000 })).filter(({ sessionId }) => sessionId === "killed");
      assert.deepInclude(row, { client: "c", reason: "lease expired", leaseMillis: 1500, processId: process.pid });
    }));

  test("a session that is there is not ended, nor one that was missed for a moment only", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const machine = yield* world.machine;
      yield* machine.sessions.register({ id: "kept" });
      const { sweep } = yield* world.sweeper;
      for (let look = 0; look < 6; look++) assert.notDeepInclude(yield* sweep, session("kept"));
      machine.link.connected = false;
      const looker = yield* world.machine;
      yield* until(Effect.map(there(looker, "kept"), ({ length }) => length === 0));
      for (let look = 0; look < 2; look++) assert.notDeepInclude(yield* sweep, session("kept"));
      machine.link.connected = true;
      yield* until(Effect.map(there(looker, "kept"), ({ length }) => length === 1));
      for (let look = 0; look < 2; look++) assert.notDeepInclude(yield* sweep, session("kept"));
      yield* hasHistory("kept", ["session.started", "session.resumed"]);
    }));

  test("a session that was taken for dead comes back, and ends by its own word", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const machine = yield* world.machine;
      const held = yield* machine.sessions.register({ id: "slept" });
      machine.link.connected = false;
      const { sweep } = yield* world.sweeper;
      yield* sweepUntil(sweep, (ended) => ended.some(({ id }) => id === "slept"));
      machine.link.connected = true;
      yield* until(Effect.map(historyOf("slept"), (found) => found.includes("session.resumed")));
      yield* world.caughtUp;
      const row = Effect.map(world.query.sessions({ limit: 1000 }), (all) =>
        all.find(({ sessionId }) => sessionId === "slept"),
      );
      assert.deepInclude(yield* row, { endedAt: null, reason: null });
      yield* held.end({ reason: "exit", exitCode: 3 });
      yield* hasHistory("slept", ["session.started", "ended: lease expired", "session.resumed", "ended: exit"]);
      yield* world.caughtUp;
      assert.deepInclude(yield* row, { reason: "exit", exitCode: 3 });
    }));

  test("an end that waited in the spool while a sweeper said it first is no second end", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const machine = yield* world.machine;
      const held = yield* machine.sessions.register({ id: "spooled" });
      machine.link.connected = false;
      machine.log.position = "away";
      yield* held.end({ reason: "exit" });
      const { sweep } = yield* world.sweeper;
      yield* sweepUntil(sweep, (ended) => ended.some(({ id }) => id === "spooled"));
      machine.log.position = "there";
      yield* machine.drained;
      yield* hasHistory("spooled", ["session.started", "ended: lease expired"]);
    }));

  test("registers with everything away, and is in the list when it is back", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const [machine, looker] = [yield* world.machine, yield* world.machine];
      machine.link.connected = false;
      machine.log.position = "away";
      const held = yield* machine.sessions.register({ id: "early" });
      yield* held.join({ thread: "t" });
      machine.link.connected = true;
      machine.log.position = "there";
      yield* until(Effect.map(there(looker, "early"), ({ length }) => length === 1));
      yield* machine.drained;
      yield* hasHistory("early", ["session.started"]);
    }));

  test("waits for no presence that does not answer: not to begin, to join, or to end", () =>
    Effect.gen(function* () {
      const machine = yield* (yield* World).machine;
      machine.link.hanging = true;
      const held = yield* machine.sessions.register({ id: "unheard" });
      yield* held.join({ thread: "t" });
      yield* held.end({ reason: "exit" });
      yield* hasHistory("unheard", ["session.started", "ended: exit"]);
    }));

  test("refuses a session id that another process holds, and a thread or task too many", () =>
    Effect.gen(function* () {
      const world = yield* World;
      const [one, other] = [yield* world.machine, yield* world.machine];
      const held = yield* one.sessions.register({ id: "mine", machine: "ant", processId: 5 });
      const taken = yield* Effect.flip(other.sessions.register({ id: "mine" }));
      assert.deepInclude(taken, { _tag: "SessionRefused", sessionId: "mine" });
      assert.match(String("reason" in taken && taken.reason), /process 5 on ant/);
      yield* hasHistory("mine", ["session.started"]);
      for (let n = 0; n < maxJoined; n++) yield* held.join({ task: `task ${n}` });
      assert.strictEqual((yield* Effect.flip(held.join({ task: "one more" })))._tag, "SessionRefused");
      yield* held.leave({ task: "task 0" });
      yield* held.join({ task: "one more" });
      assert.strictEqual((yield* Effect.flip(held.join({ thread: "x".repeat(201) })))._tag, "SessionRefused");
    }));

  test("refuses a session that no list could show, and leaves nothing of it", () =>
    Effect.gen(function* () {
      const looker = yield* (yield* World).machine;
      const before = yield* looker.sessions.active;
      for (const odd of [
        { id: "" },
        { id: "x".repeat(201) },
        { id: "half a character \ud800" },
        { id: "odd", threadId: "" },
        { id: "odd", threadId: "x".repeat(201) },
        { id: "odd", machine: "x".repeat(300) },
        { id: "odd", processId: -1 },
        { id: "odd", processId: Number.NaN },
      ]) {
        const refused = yield* Effect.flip(looker.sessions.register(odd));
        assert.strictEqual(refused._tag, "SessionRefused");
      }
      yield* hasHistory("odd", []);
      assert.strictEqual((yield* looker.sessions.active).length, before.length);
      const held = yield* looker.sessions.register({ id: "even", client: { name: "🙂".repeat(150) } });
      for (const what of [{ thread: "" }, { task: "\ud800" }]) {
        assert.strictEqual((yield* Effect.flip(held.join(what)))._tag, "SessionRefused");
      }
      yield* until(Effect.map(there(looker, "even"), ({ length }) => length === 1));
      const found = (yield* looker.sessions.active).find(({ sessionId }) => sessionId === "even");
      assert.isTrue(found?.client?.name.isWellFormed());
    }));

  test("a value is not put over what another has put, nor over what is gone", () =>
    Effect.gen(function* () {
      const bucket = yield* PresenceBucket;
      const of = { tenant: "t", sessionId: "one at a time" };
      const one = { ...of, client: null, machine: "m", processId: 1, since: 0, threads: [], tasks: [], holder: "h" };
      const first = yield* bucket.put(one, 0);
      assert.isUndefined(yield* bucket.put(one, 0));
      const second = yield* bucket.put({ ...one, processId: 2 }, first ?? 0);
      assert.isUndefined(yield* bucket.put(one, first ?? 0));
      assert.strictEqual((yield* bucket.get(of)).present?.processId, 2);
      yield* bucket.remove(of);
      assert.isUndefined((yield* bucket.get(of)).present);
      assert.isUndefined(yield* bucket.put(one, second ?? 0));
      assert.isDefined(yield* bucket.put(one, (yield* bucket.get(of)).revision));
      yield* until(Effect.map(bucket.get(of), ({ present }) => present === undefined));
      assert.isDefined(yield* bucket.put(one, (yield* bucket.get(of)).revision));
    }));
};

/** Promise of presences whose lease is longer than it takes to write them all. */
export const listsAll = {
  name: "lists more sessions than one answer holds, each once",
  test: () =>
    Effect.gen(function* () {
      const bucket = yield* PresenceBucket;
      const ids = Array.from({ length: 1_100 }, (_, n) => `many ${n}`);
      const one = { tenant: "many", client: null, machine: "m", processId: 1, since: 0, threads: [], tasks: [] };
      yield* Effect.forEach(ids, (sessionId) => bucket.put({ ...one, sessionId, holder: "h" }, 0), {
        concurrency: 200,
      });
      const all = (yield* bucket.list).filter(({ tenant }) => tenant === "many");
      assert.deepStrictEqual(all.map(({ sessionId }) => sessionId).toSorted(), ids.toSorted());
    }),
};
