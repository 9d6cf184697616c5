import { assert, describe, it } from "@effect/vitest";
import { Effect, type Layer } from "effect";
import { SequenceConflict } from "../../../src/log/EventLog.ts";
import { claude, claudeLines, events, exported, folderOf, importAll, threads, withLog, world, write } from "./World.ts";

/** Lines of a session as files may hold them, and how many of them any file has held so far. */
const files: ReadonlyArray<readonly [from: number, to: number]> = [
  [50, 80],
  [0, 50],
  [0, 90],
  [70, 120],
  [0, 90],
  [85, 125],
  [0, 125],
];

describe("an entry that the log has", () => {
  it.live("is not appended again, whatever segments of its session come in whatever order", () =>
    Effect.gen(function* () {
      const seen = new Set<number>();
      for (const [from, to] of files) {
        const before = seen.size;
        for (let line = from; line < to; line++) seen.add(line);
        const appended = seen.size - before;
        const report = yield* importAll(yield* folderOf({ "a.jsonl": claudeLines("s", from, to) }));
        assert.deepInclude(report, { eventsAppended: appended, duplicates: to - from - appended, refused: [] });
      }
      const ids = (yield* events).map(({ id }) => id);
      assert.deepStrictEqual([ids.length, new Set(ids).size], [125, 125]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("is not appended again from a file under another name", () =>
    Effect.gen(function* () {
      const gemini = { sessionId: "g", projectHash: "h", messages: [{ id: "1", type: "user", content: "hi" }] };
      const chat = { id: "chat-0123456789abcdef", messages: [{ role: "user", content: "hi" }] };
      const contents = [claudeLines("s", 0, 30), JSON.stringify(gemini), JSON.stringify(chat)];
      for (const [index, content] of contents.entries()) {
        const first = yield* importAll(yield* folderOf({ [`one-${index}.json`]: content }));
        assert.isAbove(first.eventsAppended, 0);
        const second = yield* importAll(yield* folderOf({ [`deep/another name ${index}.txt`]: content }));
        assert.deepInclude(second, { eventsAppended: 0, duplicates: first.eventsAppended, threads: 1 });
      }
      assert.strictEqual((yield* threads).length, 3);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("is not appended again when its line was read before its carriage return was written", () =>
    Effect.gen(function* () {
      const whole = claudeLines("s", 0, 4).replaceAll("\n", "\r\n");
      const early = claudeLines("s", 0, 2).replaceAll("\n", "\r\n").slice(0, -2);
      yield* importAll(yield* folderOf({ "a.jsonl": early }));
      assert.deepInclude(yield* importAll(yield* folderOf({ "a.jsonl": whole })), { eventsAppended: 2, duplicates: 2 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("is kept as often as its file repeats it, and a file that repeats it once more adds one", () =>
    Effect.gen(function* () {
      const line = `${claude("s", "same")}\n`;
      const junk = "progress …\n";
      const folder = yield* folderOf({ "a.jsonl": `${line}${junk}${junk}${line}` });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 4 });
      yield* write(`${folder}/a.jsonl`, `${line}${junk}${junk}${line}${junk}${line}`);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 2, duplicates: 4 });
      assert.strictEqual(yield* exported("s"), `${line}${junk}${junk}${line}${junk}${line}`);
      // A copy with fewer of them adds none.
      assert.deepInclude(yield* importAll(yield* folderOf({ "b.jsonl": `${line}${junk}` })), { eventsAppended: 0 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("stays one when it stood in the object store", () =>
    Effect.gen(function* () {
      const large = `${claude("s", "large", { pad: "é".repeat(600_000) })}\n`;
      const folder = yield* folderOf({ "a.jsonl": large });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 1 });
      yield* write(`${folder}/a.jsonl`, `${large}${claudeLines("s", 0, 1)}${large}`);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 2, duplicates: 1 });
      assert.isTrue((yield* exported("s")) === `${large}${claudeLines("s", 0, 1)}${large}`);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("a chat file that grew appends its new messages and the frame that changed, and nothing the next time", () =>
  Effect.gen(function* () {
    const message = (n: number) => ({ id: `m${n}`, type: n % 2 === 0 ? "user" : "gemini", content: `word ${n}` });
    const file = (messages: number) =>
      JSON.stringify({
        sessionId: "g",
        projectHash: "h",
        lastUpdated: `2026-01-01T00:00:${String(messages).padStart(2, "0")}.000Z`,
        messages: Array.from({ length: messages }, (_, n) => message(n)),
      });
    const folder = yield* folderOf({ "chat.json": file(3) });
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 4 });
    for (const [before, now] of [
      [3, 5],
      [5, 12],
    ] as const) {
      yield* write(`${folder}/chat.json`, file(now));
      assert.deepInclude(yield* importAll(folder), { eventsAppended: now - before + 1, duplicates: before });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: now + 1 });
      assert.strictEqual(yield* exported("g"), `${file(now)}\n`);
    }
  }).pipe(Effect.scoped, Effect.provide(world)),
);

describe("an importer that is overtaken", () => {
  it.live("reads what the other wrote and appends the rest: nothing twice, nothing lost", () =>
    Effect.gen(function* () {
      const whole = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 2500) });
      const part = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1700) });
      let overtaken = false;
      const services = yield* Effect.context<Layer.Success<typeof world>>();
      const through = withLog((log) => ({
        appendAll: (appends) => {
          if (overtaken) return log.appendAll(appends);
          overtaken = true;
          // Before this append reaches the log, another import does all of its work.
          return Effect.andThen(Effect.orDie(Effect.provide(importAll(part), services)), log.appendAll(appends));
        },
      }));
      const report = yield* importAll(whole).pipe(through);
      assert.deepInclude(report, { eventsAppended: 800, duplicates: 1700, refused: [] });
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 2500));
      assert.deepInclude(yield* importAll(whole), { eventsAppended: 0 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("tries again when the log only says that somebody was first", () =>
    Effect.gen(function* () {
      let conflicts = 3;
      const contended = withLog((log) => ({
        appendAll: (appends) => {
          const [first] = appends;
          return conflicts-- > 0 && first !== undefined
            ? Effect.fail(new SequenceConflict({ history: first.history, expected: 0 }))
            : log.appendAll(appends);
        },
      }));
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      assert.deepInclude(yield* importAll(folder).pipe(contended), { eventsAppended: 40, duplicates: 0 });
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 20));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
