/** The promises of inboxes, as one suite for every layer. Time is real: a server's clock is not ours. */
import { assert } from "@effect/vitest";
import { Deferred, Effect, Fiber, Option, type Scope } from "effect";
import { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import { Inbox, maxBodyBytes, maxBodyDepth, type Message, type Receiving } from "../../src/coordination/inbox/Inbox.ts";
import { bounds, settings } from "../../src/coordination/inbox/InboxQueue.ts";
import { session } from "../../src/domain/History.ts";
import type { EventLog } from "../../src/log/EventLog.ts";
import { dataOf, eventsOf, until } from "../publish/World.ts";

type Tester = (
  name: string,
  test: () => Effect.Effect<void, unknown, Inbox | Buckets | EventLog | Scope.Scope>,
) => void;

/** Receives in the background and keeps what was handled. */
const receiving = Effect.fnUntraced(function* <E>(
  options: Omit<Receiving<E>, "handle"> & { readonly handle?: Receiving<E>["handle"] },
) {
  const { receive } = yield* Inbox;
  const handled: Array<Message> = [];
  const { handle = () => Effect.void } = options;
  const fiber = yield* Effect.forkScoped(
    receive({
      ...options,
      handle: (message, reply) =>
        Effect.andThen(
          handle(message, reply),
          Effect.sync(() => void handled.push(message)),
        ),
    }),
  );
  return { handled, fiber };
});

const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

const bodies = (messages: ReadonlyArray<Message>) => messages.map(({ body }) => body);

export const suite = (test: Tester) => {
  test("holds a secret in a message as a mark alone, wherever the message lies", () =>
    Effect.gen(function* () {
      const { send, waiting } = yield* Inbox;
      const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(settings));
      const secret = `ghp_${"k3Jq".repeat(9)}`;
      yield* send({ from: "teller", to: "keeper", body: { deep: [`use ${secret}`] } });
      const [lying] = yield* waiting("keeper");
      assert.match(JSON.stringify(lying?.body), /use \[redacted:github-token:[0-9a-f]{16}\]/);
      const values = (yield* bucket.entries(">")).map(({ value }) => Buffer.from(value ?? []).toString());
      assert.notInclude(values.join(), secret);
    }));

  test("keeps what is sent until somebody listens, and hands it over in order, once", () =>
    Effect.gen(function* () {
      const { send, waiting } = yield* Inbox;
      for (const body of [1, { two: "zwei 🙂" }, [3]]) yield* send({ from: "ann", to: "bob / é", body });
      assert.deepStrictEqual(bodies(yield* waiting("bob / é")), [1, { two: "zwei 🙂" }, [3]]);
      const { handled } = yield* receiving({ name: "bob / é" });
      yield* send({ from: "ann", to: "bob / é", body: 4 });
      yield* send({ from: "ann", to: "somebody else", body: 5 });
      yield* until(Effect.sync(() => handled.length === 4));
      assert.deepStrictEqual(bodies(handled), [1, { two: "zwei 🙂" }, [3], 4]);
      yield* until(Effect.map(waiting("bob / é"), ({ length }) => length === 0));
      const events = yield* eventsOf(session("ann"));
      assert.deepStrictEqual(
        events.map((event) => [event.type, dataOf(event)["to"], dataOf(event)["body"]]),
        [1, { two: "zwei 🙂" }, [3], 4, 5].map((body) => [
          "session.message_sent",
          body === 5 ? "somebody else" : "bob / é",
          body,
        ]),
      );
      assert.deepStrictEqual(
        handled.map(({ id }) => id),
        events.slice(0, 4).map(({ id }) => id),
      );
    }));

  test("a message is handled by one of several receivers", () =>
    Effect.gen(function* () {
      const { send } = yield* Inbox;
      const receivers = yield* Effect.forEach([1, 2, 3], () => receiving({ name: "shared" }));
      const ids = yield* Effect.forEach(Array.from({ length: 30 }), (_, n) =>
        send({ from: "a", to: "shared", body: n }),
      );
      const all = () => receivers.flatMap(({ handled }) => handled.map(({ id }) => id));
      yield* until(Effect.sync(() => all().length >= ids.length));
      assert.deepStrictEqual(all().toSorted(), ids.toSorted());
    }));

  test("what a receiver failed at is tried again, and is a dead letter after its last attempt until it is retried", () =>
    Effect.gen(function* () {
      const { clear, dead, retry, send, waiting } = yield* Inbox;
      let failures = 2;
      const handle = () => (failures-- > 0 ? Effect.fail("not yet") : Effect.void);
      const { handled } = yield* receiving({ name: "fails", maxAttempts: 2, handle });
      const id = yield* send({ from: "a", to: "fails", body: "x" });
      yield* until(Effect.map(dead("fails"), ({ length }) => length === 1));
      const [letter] = yield* dead("fails");
      assert.deepInclude(letter?.message, { id, body: "x" });
      assert.deepInclude(letter, { attempts: 2 });
      assert.match(letter?.reason ?? "", /not yet/);
      assert.lengthOf(yield* waiting("fails"), 0);
      assert.strictEqual(yield* retry({ name: "fails", id: "another" }), 0);
      assert.strictEqual(yield* retry({ name: "fails" }), 1);
      yield* until(Effect.sync(() => handled.length === 1));
      assert.strictEqual(failures, -1);
      yield* until(Effect.map(waiting("fails"), ({ length }) => length === 0));
      assert.lengthOf(yield* dead("fails"), 0);
      assert.strictEqual(yield* clear({ name: "fails", dead: true }), 0);
    }));

  test("what is never acknowledged is a dead letter after its last lease", () =>
    Effect.gen(function* () {
      const { dead, send, take } = yield* Inbox;
      const id = yield* send({ from: "a", to: "forgetful", body: "x" });
      const taking = take({ name: "forgetful", leaseMillis: 100, maxAttempts: 2, waitMillis: 20_000 });
      const attempts = yield* Effect.forEach([1, 2], () => Effect.map(taking, Option.getOrThrow));
      assert.deepStrictEqual(
        attempts.map((taken) => [taken.id, taken.attempt]),
        [
          [id, 1],
          [id, 2],
        ],
      );
      yield* until(
        Effect.andThen(
          take({ name: "forgetful", maxAttempts: 2 }),
          Effect.map(dead("forgetful"), ({ length }) => length === 1),
        ),
      );
      assert.match((yield* dead("forgetful"))[0]?.reason ?? "", /taken 2 times, and never acknowledged/);
    }));

  test("what a stopped receiver was handling is free at once, and the attempt does not count", () =>
    Effect.gen(function* () {
      const { send, take } = yield* Inbox;
      const took = yield* Deferred.make<void>();
      const stopped = yield* receiving({
        name: "heir",
        handle: () => Effect.andThen(Deferred.succeed(took, undefined), Effect.never),
      });
      const id = yield* send({ from: "a", to: "heir", body: "x" });
      yield* Deferred.await(took);
      assert.isTrue(Option.isNone(yield* take({ name: "heir" })));
      yield* Fiber.interrupt(stopped.fiber);
      assert.deepInclude(Option.getOrThrow(yield* take({ name: "heir" })), { id, attempt: 1 });
    }));

  test("a receiver that lives keeps its message for longer than a lease", () =>
    Effect.gen(function* () {
      const { send } = yield* Inbox;
      const isTaking = yield* Deferred.make<void>();
      const slow = yield* receiving({
        name: "slow",
        leaseMillis: 1_000,
        handle: () => Effect.andThen(Deferred.succeed(isTaking, undefined), Effect.sleep(2_500)),
      });
      yield* send({ from: "a", to: "slow", body: "x" });
      yield* Deferred.await(isTaking);
      const other = yield* receiving({ name: "slow", leaseMillis: 1_000 });
      yield* until(Effect.sync(() => slow.handled.length === 1));
      assert.lengthOf(other.handled, 0);
    }));

  test("a receipt settles nothing that another receiver has taken since", () =>
    Effect.gen(function* () {
      const { acknowledge, extend, release, reply, send, take, waiting } = yield* Inbox;
      const name = "fenced";
      yield* send({ from: "a", to: name, body: "x" });
      const lapsed = Option.getOrThrow(yield* take({ name, leaseMillis: 100 }));
      const holder = Option.getOrThrow(yield* take({ name, leaseMillis: 60_000, waitMillis: 20_000 }));
      assert.strictEqual(holder.id, lapsed.id);
      const { receipt } = lapsed;
      assert.isFalse(yield* acknowledge({ name, receipt }));
      assert.isFalse(yield* release({ name, receipt }));
      assert.isFalse(yield* release({ name, receipt, failed: "late" }));
      assert.strictEqual((yield* Effect.flip(extend({ name, receipt })))._tag, "NoSuchMessage");
      assert.strictEqual((yield* Effect.flip(reply({ name, receipt, body: 1 })))._tag, "NoSuchMessage");
      for (const odd of ["", "7", "7.inbox.", "x.inbox.y", `${receipt}x`, "x".repeat(5_000)])
        assert.isFalse(yield* acknowledge({ name, receipt: odd }));
      assert.lengthOf(yield* waiting(name), 1);
      const later = yield* extend({ name, receipt: holder.receipt, leaseMillis: 60_000 });
      assert.isFalse(yield* acknowledge({ name, receipt: holder.receipt }));
      assert.isTrue(yield* acknowledge({ name, receipt: later }));
      assert.lengthOf(yield* waiting(name), 0);
    }));

  test("what is released is free at once or after its rest, and tried again when it failed", () =>
    Effect.gen(function* () {
      const { dead, release, send, take, waiting } = yield* Inbox;
      const name = "released";
      yield* send({ from: "a", to: name, body: "x" });
      const taking = take({ name, maxAttempts: 2, waitMillis: 20_000 });
      const one = Option.getOrThrow(yield* taking);
      assert.isTrue(yield* release({ name, receipt: one.receipt }));
      const two = Option.getOrThrow(yield* taking);
      assert.isTrue(yield* release({ name, receipt: two.receipt, delayMillis: 60_000 }));
      assert.isTrue(Option.isNone(yield* take({ name })));
      const [resting] = yield* waiting(name);
      assert.deepInclude(resting, { attempts: 0 });
      assert.isAbove(resting?.takenUntil ?? 0, resting?.sentAt ?? Infinity);
      yield* send({ from: "a", to: name, body: "y" });
      for (const attempt of [1, 2]) {
        const taken = Option.getOrThrow(yield* taking);
        assert.deepInclude(taken, { body: "y", attempt });
        assert.isTrue(yield* release({ name, receipt: taken.receipt, failed: "broken" }));
      }
      assert.deepStrictEqual(
        (yield* dead(name)).map(({ message, reason }) => [message.body, reason]),
        [["y", "broken"]],
      );
    }));

  test("a request gets its reply, and both are events of one exchange", () =>
    Effect.gen(function* () {
      const { request, waiting } = yield* Inbox;
      yield* receiving({
        name: "adder",
        session: "adder's session",
        handle: ({ body }, reply) => reply(Number(body) + 1),
      });
      const replies = yield* Effect.forEach([1, 2, 3], (body) => request({ from: "asker", to: "adder", body }), {
        concurrency: 3,
      });
      assert.deepStrictEqual(bodies(replies), [2, 3, 4]);
      const asked = yield* eventsOf(session("asker"));
      const answered = yield* eventsOf(session("adder's session"));
      for (const { body, correlationId, id, inReplyTo } of replies) {
        const event = answered.find((one) => one.id === id);
        assert.deepInclude(event, { correlationId, causationId: String(inReplyTo), actor: "adder" });
        const question = asked.find((one) => one.id === inReplyTo);
        assert.strictEqual(question?.correlationId, correlationId);
        assert.strictEqual(question === undefined ? undefined : Number(dataOf(question)["body"]) + 1, body);
      }
      assert.lengthOf(yield* waiting("asker"), 0, "a reply goes to who asked, not into its inbox");
    }));

  test("a reply to a message that was no request is in the sender's inbox", () =>
    Effect.gen(function* () {
      const { send } = yield* Inbox;
      yield* receiving({ name: "polite", handle: (_, reply) => reply("thanks") });
      const { handled } = yield* receiving({ name: "giver" });
      const id = yield* send({ from: "giver", to: "polite", body: "a gift" });
      yield* until(Effect.sync(() => handled.length === 1));
      assert.deepInclude(handled[0], { body: "thanks", from: "polite", inReplyTo: id, correlationId: id });
    }));

  test("is handled in steps: taken under a lease, replied to, and gone when it is acknowledged", () =>
    Effect.gen(function* () {
      const { acknowledge, reply, request, send, take, waiting } = yield* Inbox;
      const name = "stepper";
      assert.isTrue(Option.isNone(yield* take({ name })));
      const ids = yield* Effect.forEach([1, 2], (body) => send({ from: "a", to: name, body }));
      const taken = yield* Effect.forEach([1, 2], () => Effect.map(take({ name }), Option.getOrThrow));
      assert.deepStrictEqual(
        taken.map(({ id }) => id),
        ids,
      );
      const [first = { receipt: "" }] = taken;
      assert.isTrue(yield* acknowledge({ name, receipt: first.receipt }));
      assert.isFalse(yield* acknowledge({ name, receipt: first.receipt }));
      assert.deepStrictEqual(bodies(yield* waiting(name)), [2]);
      const gone = yield* Effect.flip(reply({ name, receipt: first.receipt, body: "late" }));
      assert.deepInclude(gone, { _tag: "NoSuchMessage", name, receipt: first.receipt });
      const asked = yield* Effect.forkScoped(request({ from: "b", to: name, body: "?" }));
      const question = Option.getOrThrow(yield* take({ name, waitMillis: 20_000 }));
      assert.deepInclude(question, { body: "?", from: "b", isRequest: true });
      yield* reply({ name, receipt: question.receipt, body: "!" });
      assert.deepInclude(yield* Fiber.join(asked), { body: "!", inReplyTo: question.id });
      assert.isTrue(yield* acknowledge({ name, receipt: question.receipt }));
      for (const odd of [{ leaseMillis: 0 }, { leaseMillis: 99 }, { leaseMillis: Number.NaN }, { maxAttempts: 0 }]) {
        assert.strictEqual((yield* Effect.flip(take({ name, ...odd })))._tag, "InboxRefused");
      }
    }));

  test("says that nobody replied, and forgets what nobody handled in time", () =>
    Effect.gen(function* () {
      const { request, send, waiting } = yield* Inbox;
      const error = yield* Effect.flip(request({ from: "a", to: "nobody", body: 1, ttlMillis: 1_000 }));
      assert.deepInclude(error, { _tag: "NoReply", afterMillis: 1_000 });
      yield* send({ from: "a", to: "nobody", body: 2, ttlMillis: 1_000 });
      yield* until(Effect.map(waiting("nobody"), ({ length }) => length === 0));
    }));

  test("one that is full takes no more and says what empties it, while others go on", () =>
    Effect.gen(function* () {
      const { clear, send, waiting } = yield* Inbox;
      const large = { from: "stuffer", to: "no end", body: "x".repeat(maxBodyBytes - 2) };
      const ids = yield* Effect.replicateEffect(send(large), bounds.large, { concurrency: 16 });
      const full = yield* Effect.flip(send(large));
      assert.deepInclude(full, { _tag: "InboxFull", name: "no end", messages: bounds.large });
      assert.match(String(Reflect.get(full, "hint")), /recollect inbox clear 'no end' empties it\.$/);
      assert.lengthOf(yield* eventsOf(session("stuffer")), ids.length);
      // What lies there already is no more, and short messages have a bound of their own.
      assert.strictEqual(yield* send({ ...large, id: ids[0] }), ids[0]);
      yield* send({ ...large, body: "short" });
      yield* send({ ...large, to: "somewhere else", body: "hello" });
      assert.strictEqual(yield* clear({ name: "no end" }), ids.length + 1);
      assert.lengthOf(yield* waiting("no end"), 0);
      yield* send({ ...large, body: "there is room" });
      assert.deepStrictEqual(bodies(yield* waiting("no end")), ["there is room"]);
    }));

  test("a request takes one reply; another one, or one that comes too late, lies nowhere", () =>
    Effect.gen(function* () {
      const { request } = yield* Inbox;
      const { handled } = yield* receiving({
        name: "talker",
        handle: ({ body }, reply) =>
          body === "now"
            ? Effect.andThen(reply("one"), reply("two"))
            : Effect.andThen(Effect.sleep(1_200), reply("late")),
      });
      const asked = { from: "listener", to: "talker" };
      assert.strictEqual((yield* request({ ...asked, body: "now" })).body, "one");
      const late = yield* Effect.flip(request({ ...asked, body: "later", ttlMillis: 1_000 }));
      assert.strictEqual(late._tag, "NoReply");
      yield* until(Effect.sync(() => handled.length === 2));
      assert.lengthOf(yield* eventsOf(session("talker")), 3);
      const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(settings));
      assert.deepStrictEqual(yield* bucket.entries("reply.>"), []);
    }));

  test("the same id twice is one message and one event", () =>
    Effect.gen(function* () {
      const { send, waiting } = yield* Inbox;
      const once = { from: "twice", to: "double", body: 1, id: "01a21378-c3f9-7dfd-86f2-b3b973e5c29e" };
      yield* send(once);
      yield* send(once);
      assert.lengthOf(yield* waiting("double"), 1);
      assert.lengthOf(yield* eventsOf(session("twice")), 1);
    }));

  test("sending an id again does not take the message from who is handling it", () =>
    Effect.gen(function* () {
      const { send } = yield* Inbox;
      const once = { from: "again", to: "busy", body: 1, id: "01a21378-c3f9-7dfd-86f2-b3b973e5c29d" };
      const [isTaken, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()];
      let calls = 0;
      const handle = () =>
        Effect.suspend(() => (calls++, Effect.andThen(Deferred.succeed(isTaken, undefined), Deferred.await(goOn))));
      const first = yield* receiving({ name: "busy", handle });
      yield* send(once);
      yield* Deferred.await(isTaken);
      const second = yield* receiving({ name: "busy", handle });
      yield* send(once);
      // What comes behind it is handled, so the one before it was looked at.
      yield* send({ ...once, id: undefined, body: 2 });
      yield* until(Effect.sync(() => calls === 2));
      yield* Deferred.succeed(goOn, undefined);
      yield* until(Effect.sync(() => first.handled.length + second.handled.length === 2));
      assert.deepStrictEqual([bodies(first.handled), bodies(second.handled), calls], [[1], [2], 2]);
    }));

  test("refuses what can never be sent, and writes nothing", () =>
    Effect.gen(function* () {
      const { acknowledge, reply, send, take, waiting } = yield* Inbox;
      const good = { from: "careless", to: "picky", body: 1 };
      const loop: { self?: unknown } = {};
      loop.self = loop;
      for (const bad of [
        { ...good, to: "" },
        { ...good, from: "x".repeat(201) },
        { ...good, body: "x".repeat(maxBodyBytes) },
        { ...good, body: loop },
        { ...good, body: nested(maxBodyDepth + 1) },
        { ...good, body: () => 1 },
        { ...good, body: 1n },
        { ...good, session: "x".repeat(201) },
        { ...good, ttlMillis: 10 },
        { ...good, ttlMillis: Number.NaN },
        { ...good, ttlMillis: 1e12 },
      ]) {
        const { _tag } = yield* Effect.flip(send(bad));
        // The session's name is the event's, and the publisher knows what it may be.
        assert.strictEqual(_tag, "session" in bad ? "InvalidEvent" : "InboxRefused");
      }
      assert.lengthOf(yield* waiting("picky"), 0);
      assert.lengthOf(yield* eventsOf(session("careless")), 0);
      yield* send({ ...good, body: "x".repeat(maxBodyBytes - 2) });
      yield* send({ ...good, body: nested(maxBodyDepth) });
      assert.lengthOf(yield* waiting("picky"), 2);
      for (const name of ["", "x".repeat(201), "\ud800"]) {
        for (const refused of [
          waiting(name),
          take({ name }),
          acknowledge({ name, receipt: "1.inbox.x" }),
          reply({ name, receipt: "1.inbox.x", body: 1 }),
        ]) {
          assert.strictEqual(
            (yield* Effect.flip(Effect.asVoid<unknown, { readonly _tag: string }, never>(refused)))._tag,
            "InboxRefused",
          );
        }
      }
    }));
};
