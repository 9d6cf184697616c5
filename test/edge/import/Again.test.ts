import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Exit, Stream } from "effect";
import { EventLog, LogUnavailable } from "../../../src/log/EventLog.ts";
import { claude, claudeLines, events, exported, folderOf, importAll, threads, withLog, world, write } from "./World.ts";

/** Counts what an import asks of the log. */
const watched = () => {
  const asked = { reads: 0, lasts: 0, appends: 0 };
  const through = withLog((log) => ({
    read: (options) => {
      asked.reads++;
      return log.read(options);
    },
    last: (history) => {
      asked.lasts++;
      return log.last(history);
    },
    appendAll: (appends) => {
      asked.appends++;
      return log.appendAll(appends);
    },
  }));
  return { asked, through };
};

describe("importing again", () => {
  it.live("appends nothing, and asks the log for one event of each thread", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s-a", 0, 2500), "b.jsonl": claudeLines("s-b", 0, 10) });
      const first = yield* importAll(folder);
      const { asked, through } = watched();
      const second = yield* importAll(folder).pipe(through);
      assert.deepInclude(first, { eventsAppended: 2510, duplicates: 0, threads: 2, messages: 2510, files: 2 });
      assert.deepInclude(second, { eventsAppended: 0, duplicates: 2510, threads: 2, messages: 2510, files: 2 });
      assert.deepStrictEqual([asked.reads, asked.appends], [0, 0]);
      assert.isAtMost(asked.lasts, 6);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("appends only the new lines of a file that has grown, without reading the history", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1200) });
      yield* importAll(folder);
      yield* write(`${folder}/a.jsonl`, claudeLines("s", 0, 1300));
      const { asked, through } = watched();
      const report = yield* importAll(folder).pipe(through);
      assert.deepInclude(report, { eventsAppended: 100, duplicates: 1200, messages: 1300 });
      assert.strictEqual(asked.reads, 0);
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 1300));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("appends nothing for a shorter copy that comes after a longer one, nor for the longer one again", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "1.jsonl": claudeLines("s", 0, 60), "2.jsonl": claudeLines("s", 0, 20) });
      const both = yield* importAll(folder);
      assert.deepInclude(both, { eventsAppended: 60, duplicates: 20, threads: 1, messages: 60 });
      const copy = yield* folderOf({ "elsewhere/3.jsonl": claudeLines("s", 0, 30) });
      assert.deepInclude(yield* importAll(copy), { eventsAppended: 0, duplicates: 30 });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 80 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("joins segments of one session that share no line, whichever is imported first", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "1.jsonl": claudeLines("s", 50, 80), "2.jsonl": claudeLines("s", 0, 50) });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 80, duplicates: 0, threads: 1 });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 80 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("keeps lines that a file honestly repeats, and repeats none of them", () =>
    Effect.gen(function* () {
      const line = claude("s", "u");
      const folder = yield* folderOf({ "a.jsonl": `${line}\n${line}\n${line}\n` });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, messages: 1 });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 3 });
      assert.strictEqual(yield* exported("s"), `${line}\n${line}\n${line}\n`);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("two importers at once", () => {
  const stopped = new Error("stopped by the test");

  for (const secondStops of [false, true]) {
    const title = secondStops
      ? "need not both live: the first goes on where the second was stopped"
      : "write every line once, in the order of the file";
    it.live(title, () =>
      Effect.gen(function* () {
        // One of them has lines of another thread before, so that their batches begin and end at different lines.
        const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 5000), "b.jsonl": claudeLines("t", 0, 300) });
        const firstIsReady = yield* Deferred.make<void>();
        const secondHasWritten = yield* Deferred.make<void>();
        let conflicts = 0;
        let appends = 0;
        // Both have seen the thread empty; the second writes first, and a part of what the first is about to write.
        const first = withLog((log) => ({
          appendAll: (batch) =>
            Deferred.succeed(firstIsReady, undefined).pipe(
              Effect.andThen(Deferred.await(secondHasWritten)),
              Effect.andThen(log.appendAll(batch)),
              Effect.tapErrorTag("SequenceConflict", () => Effect.sync(() => conflicts++)),
            ),
        }));
        const second = withLog((log) => ({
          appendAll: (batch) =>
            Deferred.await(firstIsReady).pipe(
              Effect.andThen(secondStops && ++appends > 1 ? Effect.die(stopped) : log.appendAll(batch)),
              Effect.tap(() => Deferred.succeed(secondHasWritten, undefined)),
            ),
        }));
        const [one, two] = yield* Effect.all(
          [
            importAll(`${folder}/a.jsonl`).pipe(first),
            importAll([`${folder}/b.jsonl`, `${folder}/a.jsonl`]).pipe(second, Effect.exit),
          ],
          { concurrency: 2 },
        );
        assert.isAbove(conflicts, 0);
        assert.isAtMost(conflicts, 10);
        if (secondStops) assert.deepInclude(one, { eventsAppended: 4300, duplicates: 700 });
        else if (Exit.isSuccess(two)) {
          assert.strictEqual(one.eventsAppended + two.value.eventsAppended, 5300);
          assert.strictEqual(one.duplicates + two.value.duplicates, 5000);
        }
        assert.strictEqual(Exit.isFailure(two), secondStops);
        assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 5000));
        assert.strictEqual(yield* exported("t"), claudeLines("t", 0, 300));
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
  }
});

describe("an import that is stopped", () => {
  for (const stopAt of [1, 2, 4]) {
    it.live(`at append ${stopAt} is completed by the next one: what was acknowledged is there once`, () =>
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 3500), "b.jsonl": claudeLines("t", 0, 900) });
        let appends = 0;
        const stopped = withLog((log) => ({
          appendAll: (batch) =>
            ++appends < stopAt ? log.appendAll(batch) : Effect.die(new Error("stopped by the test")),
        }));
        assert.isTrue(Exit.isFailure(yield* Effect.exit(importAll(folder).pipe(stopped))));
        const before = (yield* events).length;
        const report = yield* importAll(folder);
        assert.strictEqual(report.eventsAppended, 4400 - before);
        assert.strictEqual(before, (stopAt - 1) * 1000);
        assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 3500));
        assert.strictEqual(yield* exported("t"), claudeLines("t", 0, 900));
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
  }

  it.live("after an append whose acknowledgement was lost writes nothing twice", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1500) });
      const lost = withLog((log) => ({
        appendAll: (batch) =>
          Effect.andThen(log.appendAll(batch), Effect.die(new Error("the acknowledgement was lost"))),
      }));
      yield* Effect.exit(importAll(folder).pipe(lost));
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 500, duplicates: 1000 });
      assert.strictEqual((yield* events).length, 1500);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("chat files", () => {
  const said = (role: string, content: string) => ({ role, content });
  const start = [said("system", "be brief"), said("user", "what is 6 times 7?")];

  it.live("that grow keep their thread and append the new messages", () =>
    Effect.gen(function* () {
      const short = { model: "m", messages: start };
      const long = { model: "m", messages: [...start, said("assistant", "42"), said("user", "thanks")] };
      const folder = yield* folderOf({ "talk.json": JSON.stringify(short) });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, messages: 2, threads: 1 });
      yield* write(`${folder}/talk.json`, JSON.stringify(long, undefined, 2));
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 2, messages: 4, threads: 1 });
      const [id = ""] = yield* threads;
      assert.strictEqual((yield* threads).length, 1);
      assert.deepStrictEqual(JSON.parse(yield* exported(id)), long);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("of the same name and beginning that go different ways are two threads, also when imported again", () =>
    Effect.gen(function* () {
      const one = { messages: [...start, said("assistant", "42")] };
      const two = { messages: [...start, said("assistant", "forty-two")] };
      const folder = yield* folderOf({ "1/talk.json": JSON.stringify(one), "2/talk.json": JSON.stringify(two) });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 8, threads: 2, messages: 6 });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, threads: 2, messages: 6 });
      const [first = "", second = ""] = yield* threads;
      assert.deepStrictEqual([JSON.parse(yield* exported(first)), JSON.parse(yield* exported(second))], [one, two]);
      // Copied elsewhere each is found again, the later one first.
      const copy = yield* folderOf({ "talk.json": JSON.stringify(two) });
      assert.deepInclude(yield* importAll(copy), { eventsAppended: 0, threads: 1 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("with equal conversations in one file keep both", () =>
    Effect.gen(function* () {
      const line = JSON.stringify({ messages: start });
      const folder = yield* folderOf({ "many.jsonl": `${line}\n${line}\n` });
      assert.deepInclude(yield* importAll(folder), { threads: 2, messages: 4 });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, threads: 2 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("whose program wrote a message again are exported with the newer one in its place", () =>
    Effect.gen(function* () {
      const file = (lastUpdated: string, last: object) => ({
        sessionId: "session-2026-01-01",
        projectHash: "x",
        lastUpdated,
        messages: [
          { id: "m1", type: "user", content: "hi" },
          { id: "m2", type: "gemini", ...last },
          { id: "m3", type: "user", content: "." },
        ],
      });
      const older = file("2026-01-01T00:00:00.000Z", { content: "let me" });
      const newer = file("2026-01-01T00:00:09.000Z", { content: "let me look", tokens: { input: 1 } });
      const folder = yield* folderOf({ "chat.json": JSON.stringify(older) });
      yield* importAll(folder);
      yield* write(`${folder}/chat.json`, JSON.stringify(newer));
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 2 });
      assert.deepStrictEqual(JSON.parse(yield* exported("session-2026-01-01")), newer);
      // An older copy, found later, takes nothing back.
      const between = { ...older, lastUpdated: "2026-01-01T00:00:05.000Z" };
      assert.deepInclude(yield* importAll(yield* folderOf({ "old.json": JSON.stringify(between) })), {
        eventsAppended: 1,
      });
      assert.deepStrictEqual(JSON.parse(yield* exported("session-2026-01-01")), newer);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("a log that is away for a moment is waited for", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 10) });
    const memory = yield* EventLog;
    let refusals = 2;
    const flaky = withLog((log) => ({
      appendAll: (batch) =>
        Effect.suspend(() =>
          refusals-- > 0 ? Effect.fail(new LogUnavailable({ reason: "away" })) : log.appendAll(batch),
        ),
    }));
    assert.deepInclude(yield* importAll(folder).pipe(flaky), { eventsAppended: 10 });
    assert.strictEqual(
      (yield* Stream.runCollect(memory.read({ history: { tenant: "default", kind: "thread", id: "s" } }))).length,
      10,
    );
  }).pipe(Effect.scoped, Effect.provide(world)),
);
