import { assert, describe, it } from "@effect/vitest";
import { Clock, Context, Effect, Fiber, Latch, Layer, Schema, Stream } from "effect";
import { TestClock } from "effect/testing";
import type { LogEntry } from "../../src/domain/Event.ts";
import { type History, thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { EventLog, LogDamaged, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import { ThreadCache } from "../../src/snapshot/ThreadCache.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import { append, newEvent, recorded, say, sayNew, wholeFold } from "./ThreadWorld.ts";

/** The log as other processes have it: what is appended here, the reader hears of from the tail alone. */
class Others extends Context.Service<
  Others,
  {
    readonly log: EventLog["Service"];
    /** Closed: what is followed is held up. */
    readonly tail: Latch.Latch;
    readonly asked: { reads: number; infos: number; follows: number; ended: number };
    /** Ends every follower at the next event. */
    readonly damage: { now: LogDamaged | LogUnavailable | undefined };
    /** Closed: the log does not say how far it reaches. */
    readonly infos: Latch.Latch;
    readonly lost: { tell: () => void };
  }
>()("test/Others") {}

const tapped = Layer.effectContext(
  Effect.gen(function* () {
    const log = yield* EventLog;
    const asked = { reads: 0, infos: 0, follows: 0, ended: 0 };
    const damage: Others["Service"]["damage"] = { now: undefined };
    const infos = yield* Latch.make(true);
    const tail = yield* Latch.make(true);
    const passed = (entry: LogEntry) =>
      Effect.andThen(
        tail.await,
        Effect.suspend(() => (damage.now === undefined ? Effect.succeed(entry) : Effect.fail(damage.now))),
      );
    const tap = EventLog.of({
      ...log,
      read: (options) => {
        asked.reads++;
        return log.read(options);
      },
      last: (history) => {
        asked.reads++;
        return log.last(history);
      },
      info: Effect.suspend(() => {
        asked.infos++;
        return Effect.andThen(infos.await, log.info);
      }),
      follow: (options) => {
        asked.follows++;
        return Stream.mapEffect(log.follow(options), passed).pipe(Stream.ensuring(Effect.sync(() => asked.ended++)));
      },
    });
    const others = Others.of({ log, tail, infos, asked, damage, lost: { tell: () => {} } });
    return Context.make(EventLog, tap).pipe(Context.add(Others, others));
  }),
).pipe(Layer.provide(EventLogMemory.layer));

const reading = Layer.unwrap(
  Effect.map(Others, ({ lost }) =>
    ThreadReader.layer({
      onLost: (callback) => {
        lost.tell = callback;
      },
    }),
  ),
);

const world = reading.pipe(Layer.provideMerge(Layer.merge(tapped, SnapshotStoreMemory.layer())));

const get = (id: string) => Effect.flatMap(ThreadReader.ThreadReader, (reader) => reader.get(id));

/** Another process appends. */
const appendElsewhere = (history: History, salt: string, steps = [sayNew()]) =>
  Effect.flatMap(Others, ({ log }) => Effect.provideService(append(history, steps, salt), EventLog, log));

/** Reads until the thread comes from memory. */
const warm = (id: string) =>
  Effect.gen(function* () {
    const { asked } = yield* Others;
    for (let attempt = 0; attempt < 100; attempt++) {
      const before = asked.reads;
      yield* get(id);
      if (asked.reads === before) return;
      yield* Effect.yieldNow;
    }
    return yield* Effect.die(`${id} never came from memory`);
  });

/** Waits until what was appended elsewhere is in the answer. */
const until = (id: string, events: number) =>
  Effect.gen(function* () {
    for (let attempt = 0; attempt < 1_000; attempt++) {
      const state = yield* get(id);
      if (state?.counters.events === events) return state;
      yield* Effect.yieldNow;
    }
    return yield* Effect.die(`${id} never had ${events} events`);
  });

const fold = (history: History) =>
  Effect.flatMap(Others, ({ log }) => Effect.provideService(wholeFold(history), EventLog, log));

describe("a thread that is read again", () => {
  it.effect("follows nothing for one read, and the log once for any number", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* append(thread("u"), [say("a")]);
      yield* get("t");
      yield* get("u");
      yield* Effect.yieldNow;
      assert.strictEqual(asked.follows, 0);
      yield* warm("t");
      yield* warm("u");
      assert.strictEqual(asked.follows, 1);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is believed for a second and no longer, also when the wall clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock;
      let backMillis = 0;
      const setBack = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() - backMillis,
        currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() - backMillis),
      });
      yield* Effect.gen(function* () {
        const { asked } = yield* Others;
        yield* append(thread("t"), [say("a")]);
        yield* warm("t");
        backMillis = 3_600_000;
        yield* TestClock.adjust("1 seconds");
        const before = asked.infos;
        yield* get("t");
        assert.isAbove(asked.infos, before);
      }).pipe(Effect.provide(world), Effect.provideService(Clock.Clock, setBack));
    }),
  );

  it.effect("asks the log once a second how far it reaches, for all threads together, and reads none of them", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      const all = Array.from({ length: 20 }, (_, index) => `t${index}`);
      yield* Effect.forEach(all, (id) => append(thread(id), [say("a")]));
      yield* Effect.forEach(all, warm);
      const before = { ...asked };
      for (let second = 1; second <= 3; second++) {
        yield* TestClock.adjust("1 seconds");
        yield* Effect.forEach([...all, ...all], get, { concurrency: "unbounded" });
        assert.deepStrictEqual(asked, { ...before, infos: before.infos + second });
      }
    }).pipe(Effect.provide(world)),
  );

  it.effect("is compared with the log itself after a minute, however often its follower was at the log's end", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      const before = asked.reads;
      for (let second = 1; second < 60; second++) {
        yield* TestClock.adjust("1 seconds");
        yield* get("t");
      }
      assert.strictEqual(asked.reads, before);
      yield* TestClock.adjust("1 seconds");
      yield* get("t");
      assert.isAbove(asked.reads, before);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is read from the log where the log does not say how far it reaches", () =>
    Effect.gen(function* () {
      const { asked, infos } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      yield* infos.close;
      yield* TestClock.adjust("1 seconds");
      const before = asked.reads;
      const answer = yield* Effect.forkChild(get("t"));
      yield* TestClock.adjust("250 millis");
      assert.deepStrictEqual(yield* Fiber.join(answer), yield* fold(thread("t")));
      assert.isAbove(asked.reads, before);
    }).pipe(Effect.provide(world)),
  );

  it.effect("comes from memory, and is the fold of its history", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      yield* append(thread("t"), [say("a"), sayNew(900)]);
      yield* warm("t");
      const before = asked.reads;
      const state = yield* get("t");
      assert.strictEqual(asked.reads, before);
      assert.deepStrictEqual(state, yield* fold(thread("t")));
    }).pipe(Effect.provide(world)),
  );

  it.effect("holds what this process appended, however far the tail is behind", () =>
    Effect.gen(function* () {
      const { tail } = yield* Others;
      const log = yield* EventLog;
      yield* append(thread("t"), [say("a")]);
      yield* append(thread("u"), [say("a")]);
      yield* warm("t");
      yield* warm("u");
      yield* tail.close;
      for (let index = 0; index < 5; index++) {
        yield* append(thread("t"), [sayNew()], `own ${index}`);
        assert.strictEqual((yield* get("t"))?.counters.events, 2 + index);
        assert.deepStrictEqual(yield* get("t"), yield* fold(thread("t")));
      }
      yield* log.appendAll([
        { history: thread("t"), events: [newEvent(sayNew(), 0, "all t")], expected: "any" },
        { history: thread("u"), events: [newEvent(sayNew(), 0, "all u")], expected: "any" },
      ]);
      assert.deepStrictEqual(yield* get("t"), yield* fold(thread("t")));
      assert.deepStrictEqual(yield* get("u"), yield* fold(thread("u")));
    }).pipe(Effect.provide(world)),
  );

  it.effect("holds what others appended once it has come down the tail, without asking the log", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      const before = asked.reads;
      yield* appendElsewhere(thread("t"), "elsewhere", [sayNew(), say("a", 900)]);
      assert.deepStrictEqual(yield* until("t", 3), yield* fold(thread("t")));
      assert.strictEqual(asked.reads, before);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is at most a second behind others when the follower died in silence", () =>
    Effect.gen(function* () {
      const { tail } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      yield* tail.close;
      yield* appendElsewhere(thread("t"), "elsewhere");
      yield* TestClock.adjust("1 seconds");
      assert.strictEqual((yield* get("t"))?.counters.events, 2);
    }).pipe(Effect.provide(world)),
  );

  it.effect("holds what its caller names, also when only others know of it", () =>
    Effect.gen(function* () {
      const { tail } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      yield* tail.close;
      const [sequence = 0] = yield* appendElsewhere(thread("t"), "elsewhere");
      const state = yield* (yield* ThreadReader.ThreadReader).get("t", { atLeast: sequence });
      assert.strictEqual(state?.lastSequence, sequence);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is asked of the log again after the connection was lost", () =>
    Effect.gen(function* () {
      const { lost, tail } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      yield* tail.close;
      yield* appendElsewhere(thread("t"), "elsewhere");
      lost.tell();
      assert.strictEqual((yield* get("t"))?.counters.events, 2);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is forgotten when the log is not the one that was followed, and followed anew", () =>
    Effect.gen(function* () {
      const { asked, damage } = yield* Others;
      const { lastKnown } = yield* ThreadReader.ThreadReader;
      yield* append(thread("t"), [say("a")]);
      yield* append(thread("u"), [say("a")]);
      yield* warm("t");
      yield* warm("u");
      const before = asked.reads;
      damage.now = new LogDamaged({ sequence: 1, reason: "made anew" });
      yield* appendElsewhere(thread("another"), "wakes the follower");
      for (let attempt = 0; attempt < 100 && asked.reads === before; attempt++) {
        yield* Effect.yieldNow;
        yield* get("t");
      }
      assert.isAbove(asked.reads, before);
      assert.isUndefined(lastKnown("u"));
      damage.now = undefined;
      yield* TestClock.adjust("1 seconds");
      yield* warm("t");
      assert.strictEqual(asked.follows, 2);
    }).pipe(Effect.provide(world)),
  );

  it.effect("is asked of the log each time while its follower has not begun, or waits to begin again", () =>
    Effect.gen(function* () {
      const { asked, damage, infos } = yield* Others;
      const asksEachTime = Effect.gen(function* () {
        for (let read = 0; read < 5; read++) {
          const before = asked.reads;
          yield* get("t");
          assert.isAbove(asked.reads, before);
          yield* Effect.yieldNow;
        }
      });
      yield* append(thread("t"), [say("a")]);
      yield* infos.close;
      yield* asksEachTime;
      yield* infos.open;
      yield* warm("t");
      damage.now = new LogUnavailable({ reason: "away" });
      yield* appendElsewhere(thread("another"), "wakes the follower");
      for (let round = 0; round < 10_000 && asked.ended === 0; round++) yield* Effect.yieldNow;
      yield* Effect.yieldNow;
      yield* asksEachTime;
    }).pipe(Effect.provide(world)),
  );

  it.effect("ends its follower at the first event after a minute without a read, and begins again", () =>
    Effect.gen(function* () {
      const { asked } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      yield* TestClock.adjust("1 minutes");
      yield* appendElsewhere(thread("another"), "wakes the follower");
      for (let round = 0; round < 10_000 && asked.ended === 0; round++) yield* Effect.yieldNow;
      assert.strictEqual(asked.ended, 1);
      yield* Effect.yieldNow;
      assert.isUndefined((yield* ThreadReader.ThreadReader).lastKnown("t"));
      yield* warm("t");
      assert.strictEqual(asked.follows, 2);
    }).pipe(Effect.provide(world)),
  );

  it.effect("gets large entries put in place that come down the tail", () =>
    Effect.gen(function* () {
      const { log } = yield* Others;
      yield* append(thread("t"), [say("a")]);
      yield* warm("t");
      const blob = yield* log.putBlob(Buffer.from(JSON.stringify({ role: "user", content: "large" })));
      const body = JSON.stringify({ format: "openai-chat", blob });
      const event = { ...newEvent(sayNew(), 0, "large"), type: "thread.entry_recorded", schemaVersion: 1, body };
      yield* log.append({ history: thread("t"), events: [event], expected: "any" });
      const state = yield* until("t", 2);
      assert.strictEqual(state.counters.notUnderstood, 0);
      assert.strictEqual(state.window.messages.length, 2);
    }).pipe(Effect.provide(world)),
  );
});

const Act = Schema.Literals(["own", "elsewhere", "read", "read", "hold", "let go", "later", "lost"]);

describe("any order of appends, reads, delays and losses", () => {
  it.effect.prop(
    "gives a state that holds all of its own appends, and is the fold of a beginning of the history",
    { acts: Schema.Array(Act).check(Schema.isMaxLength(40)) },
    ({ acts }) =>
      Effect.gen(function* () {
        const { log, lost, tail } = yield* Others;
        const history = thread("t");
        let own = yield* Effect.map(append(history, [say("a")]), (sequences) => sequences.at(-1) ?? 0);
        yield* warm("t");
        for (const [index, act] of acts.entries()) {
          if (act === "own") own = (yield* append(history, [sayNew()], `own ${index}`)).at(-1) ?? own;
          if (act === "elsewhere") yield* appendElsewhere(history, `elsewhere ${index}`);
          if (act === "hold") yield* tail.close;
          if (act === "let go") yield* tail.open;
          if (act === "later") yield* TestClock.adjust("1 seconds");
          if (act === "lost") lost.tell();
          if (act !== "read") continue;
          const state = yield* get("t");
          assert.isAtLeast(state?.lastSequence ?? 0, own);
          const truth = yield* Effect.provideService(wholeFold(history, state?.lastSequence), EventLog, log);
          assert.deepStrictEqual(state, truth);
        }
        yield* tail.open;
        yield* TestClock.adjust("1 seconds");
        assert.deepStrictEqual(yield* get("t"), yield* fold(history));
      }).pipe(Effect.provide(world)),
  );
});

describe("the memory of threads", () => {
  const state = (id: string, messages: number) =>
    Thread.fold(
      Thread.empty(thread(id)),
      recorded(
        Array.from({ length: messages }, () => sayNew(900)),
        thread(id),
      ),
    );

  it("stays within its bytes, and forgets what was not read for the longest", () => {
    const cache = new ThreadCache({ stateBytes: 100_000 });
    cache.follow(0);
    for (let index = 0; index < 50; index++) {
      cache.loaded(cache.begin(thread(`t${index}`), 0), state(`t${index}`, 5));
      assert.isDefined(cache.current(thread("t0"), 0), "the one that is read all the time");
    }
    assert.isAtMost(cache.stateBytes, 100_000);
    assert.isAbove(cache.size, 5);
    assert.isUndefined(cache.current(thread("t1"), 0));
    cache.clear();
    assert.strictEqual(cache.stateBytes, 0);
  });

  it("holds nothing for a thread without events, and nothing for a read that came to nothing", () => {
    const cache = new ThreadCache();
    cache.loaded(cache.begin(thread("t"), 0), Thread.empty(thread("t")));
    cache.failed(cache.begin(thread("u"), 0));
    assert.strictEqual(cache.size, 0);
  });

  it("forgets a thread of which the log now says less than it did, unless the follower was only quicker", () => {
    const history = thread("t");
    const events = recorded([say("a"), say("b"), say("c")], history);
    const upTo = (count: number) => Thread.fold(Thread.empty(history), events.slice(0, count));
    /** Two events are held; while it is asked for what follows, a third comes down the tail, or by another read. */
    const overtaken = (by: "the tail" | "another read") => {
      const cache = new ThreadCache();
      if (by === "the tail") cache.follow(0);
      cache.loaded(cache.begin(history, 0), upTo(2));
      const load = cache.begin(history, 0);
      for (const event of events.slice(2)) if (by === "the tail") cache.note(event);
      if (by === "another read") cache.loaded(cache.begin(history, 0), upTo(3));
      return { cache, load };
    };
    const quick = overtaken("the tail");
    quick.cache.loaded(quick.load, upTo(2));
    assert.deepStrictEqual(quick.cache.current(history, 0), upTo(3));
    const rolledBack = overtaken("the tail");
    rolledBack.cache.loaded(rolledBack.load, upTo(1));
    assert.isUndefined(rolledBack.cache.lastKnown(history));
    const unfollowed = overtaken("another read");
    unfollowed.cache.loaded(unfollowed.load, upTo(2));
    assert.isUndefined(unfollowed.cache.lastKnown(history));
  });

  it("reads the snapshot of a thread that is always warm once an hour, so that it lives on", () => {
    const cache = new ThreadCache();
    const answered = state("t", 1);
    cache.loaded(cache.begin(thread("t"), 0), answered);
    for (const seconds of [1_000, 2_000, 3_599]) {
      const load = cache.begin(thread("t"), seconds * 1_000);
      assert.isDefined(load.from);
      cache.loaded(load, answered);
    }
    assert.isUndefined(cache.begin(thread("t"), 3_600_000).from);
  });

  it("does not believe an answer that an event or an append has overtaken", () => {
    const cache = new ThreadCache();
    cache.follow(0);
    const history = thread("t");
    const [first, second] = recorded([say("a"), say("b")], history);
    if (first === undefined || second === undefined) return assert.fail("two events");
    const one = Thread.apply(Thread.empty(history), first);
    const followed = cache.begin(history, 0);
    cache.note(second);
    cache.loaded(followed, one);
    assert.isUndefined(cache.current(history, 0));
    const appended = cache.begin(history, 0);
    cache.appended(history, second.sequence);
    cache.loaded(appended, one);
    assert.isUndefined(cache.current(history, 0));
    cache.loaded(cache.begin(history, 0), Thread.apply(one, second));
    assert.strictEqual(cache.current(history, 0)?.counters.events, 2);
    const missed = cache.begin(history, 0);
    cache.follow(0);
    cache.loaded(missed, Thread.apply(one, second));
    assert.isUndefined(cache.current(history, 0), "a read from before the follower was replaced");
    cache.loaded(cache.begin(history, 0), Thread.apply(one, second));
    assert.isDefined(cache.current(history, 0));
    cache.follow(0);
    assert.isUndefined(cache.current(history, 0), "a state from before the follower was replaced");
    const cleared = cache.begin(history, 0);
    cache.clear();
    cache.loaded(cache.begin(history, 0), one);
    cache.loaded(cleared, Thread.empty(history));
    assert.deepStrictEqual(cache.lastKnown(history), one, "a read from before all was forgotten");
  });

  it("believes its states for a second from when it was asked how far the log reaches, once the follower is there", () => {
    const cache = new ThreadCache();
    const history = thread("t");
    const [first] = recorded([say("a")], history);
    if (first === undefined) return assert.fail("an event");
    const one = Thread.apply(Thread.empty(history), first);
    const isCurrentAt = (...times: ReadonlyArray<number>) =>
      times.map((now) => cache.current(history, now) !== undefined);
    cache.follow(first.sequence);
    cache.loaded(cache.begin(history, 0), one);
    assert.deepStrictEqual(isCurrentAt(999, 1_000), [true, false]);
    cache.endsAt(first.sequence, cache.asks(1_000));
    assert.deepStrictEqual(isCurrentAt(1_999, 2_000), [true, false]);
    cache.endsAt(first.sequence + 2, cache.asks(2_000));
    cache.reached(first.sequence + 1);
    assert.deepStrictEqual(isCurrentAt(2_000), [false], "the follower is behind");
    cache.reached(first.sequence + 2);
    assert.deepStrictEqual(isCurrentAt(2_999), [true], "it has come there");
    cache.endsAt(first.sequence + 1, cache.asks(2_500));
    assert.deepStrictEqual(isCurrentAt(2_999), [false], "the log ends before what was followed");
    cache.endsAt(first.sequence + 3, cache.asks(2_000));
    cache.doubt();
    cache.reached(first.sequence + 3);
    assert.deepStrictEqual(isCurrentAt(2_999), [false], "the answer is from before the connection was lost");
    cache.loaded(cache.begin(history, 3_000), one);
    cache.endsAt(first.sequence + 4, cache.asks(4_000));
    cache.follow(first.sequence + 4);
    cache.reached(first.sequence + 5);
    cache.loaded(cache.begin(history, 3_000), one);
    assert.deepStrictEqual(isCurrentAt(3_999, 4_000), [true, false], "the answer is from before it was followed anew");
  });

  it("folds no more than some events for a thread that nobody reads", () => {
    const cache = new ThreadCache({ unreadEvents: 3 });
    cache.follow(0);
    const history = thread("t");
    const [first, ...all] = recorded(
      Array.from({ length: 13 }, () => sayNew()),
      history,
    );
    const [rest, unread] = [all.slice(0, 8), all.slice(8)];
    if (first === undefined) return assert.fail("events");
    cache.loaded(cache.begin(history, 0), Thread.apply(Thread.empty(history), first));
    for (const event of rest.slice(0, 3)) cache.note(event);
    assert.strictEqual(cache.current(history, 0)?.counters.events, 4);
    for (const event of rest.slice(3, 6)) cache.note(event);
    assert.strictEqual(cache.current(history, 0)?.counters.events, 7, "three more after a read");
    for (const event of rest.slice(6)) cache.note(event);
    assert.strictEqual(cache.current(history, 0)?.counters.events, 9);
    for (const event of unread) cache.note(event);
    assert.isUndefined(cache.current(history, 0));
  });
});
