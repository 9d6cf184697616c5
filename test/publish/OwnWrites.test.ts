/** What was accepted is on disk, and is read again wherever it waits; what must be in the log is there, or refused. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, type Scope, Stream } from "effect";
import { mkdirSync } from "node:fs";
import { readMessage } from "../../src/client/ReadThread.ts";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import * as ThreadViews from "../../src/publish/thread/ThreadViews.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as SwitchableLog from "./SwitchableLog.ts";
import * as World from "./World.ts";

const inFolder = <A, E>(
  test: (
    to: SwitchableLog.LogSwitch,
    folder: string,
  ) => Effect.Effect<A, E, Publisher.Publisher | ThreadViews.ThreadViews | EventLog | Scope.Scope>,
) =>
  Effect.gen(function* () {
    const to = new SwitchableLog.LogSwitch();
    const folder = yield* World.temporaryFolder;
    const program = ThreadViews.layer.pipe(
      Layer.provideMerge(Publisher.layer({ patienceMillis: 250 })),
      Layer.provide(ThreadReader.layer()),
      Layer.provide(SnapshotStoreMemory.layer()),
      Layer.provide(SpoolSqlite.layer({ file: `${folder}/spool.db`, target: "test" })),
      Layer.provide(SwitchableLog.layer(to)),
      Layer.fresh,
    );
    return yield* test(to, folder).pipe(Effect.provide(program));
  }).pipe(Effect.provide(EventLogMemory.layer), Effect.scoped);

const messagesOf = (id: string) =>
  ThreadViews.ThreadViews.use((views) => Stream.runCollect(Stream.map(views.messages(id), readMessage)));

/** Somebody else who lives keeps what waits from being delivered. */
const keptWaiting = Effect.fnUntraced(function* (folder: string) {
  const other = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
  yield* other.lead({ owner: { pid: process.pid, name: "other" }, millis: 600_000 });
});

describe("what this machine has accepted", () => {
  it.live("is among the messages while it waits, also of 8.5 MB, in its place behind what the log has", () =>
    inFolder((to, folder) =>
      Effect.gen(function* () {
        const t = yield* thread("t");
        yield* t.say({ role: "user", text: "one" });
        to.position = "away";
        yield* keptWaiting(folder);
        const large = "x".repeat(8_500_000);
        assert.strictEqual((yield* t.say({ role: "user", text: large }))._tag, "Spooled");
        assert.strictEqual((yield* t.say({ role: "user", text: "three" }))._tag, "Spooled");
        to.position = "there";
        const found = yield* messagesOf("t");
        assert.deepStrictEqual(
          found.map(({ isCut, text }) => [text.length, text.slice(0, 5), isCut]),
          [
            [3, "one", false],
            [large.length, "xxxxx", false],
            [5, "three", false],
          ],
        );
      }),
    ),
  );

  it.live("is among the messages once, though it is delivered while they are read", () =>
    inFolder((to, folder) =>
      Effect.gen(function* () {
        const t = yield* thread("t");
        to.position = "away";
        yield* keptWaiting(folder);
        yield* t.say({ role: "user", text: "a" });
        yield* t.say({ role: "user", text: "b" });
        to.position = "there";
        // It has just been written, and the one who drains has not forgotten it yet.
        const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
        const [first] = yield* spool.waitingFor(History.thread("t"));
        const log = yield* EventLog;
        if (first !== undefined) yield* log.append({ history: first.history, events: [first.event], expected: "any" });
        assert.deepStrictEqual(
          (yield* messagesOf("t")).map(({ text }) => text),
          ["a", "b"],
        );
      }),
    ),
  );

  it.live("is on disk: with log and disk unusable a call is refused, unless memory will do for its caller", () =>
    inFolder((to, folder) =>
      Effect.gen(function* () {
        mkdirSync(`${folder}/spool.db`);
        to.position = "away";
        const t = yield* thread("t");
        const refused = yield* Effect.flip(t.say({ role: "user", text: "a" }));
        assert.strictEqual(refused._tag, "NotAccepted");
        assert.match(refused.message, /The log is away and .*cannot be used/);
        assert.strictEqual((yield* t.say({ role: "user", text: "b", durable: "memory" }))._tag, "Held");
        // What comes behind must not overtake it, and memory is not asked for.
        assert.strictEqual((yield* Effect.flip(t.say({ role: "user", text: "c" })))._tag, "NotAccepted");
      }),
    ),
  );
});

describe("what must be in the log", () => {
  it.live("waits for a log that comes back in time, and is there once", () =>
    inFolder((to) =>
      Effect.gen(function* () {
        to.position = "hanging";
        const t = yield* thread("t");
        const back = Effect.sync(() => {
          to.position = "there";
        });
        yield* Effect.forkChild(Effect.delay(back, 600));
        assert.strictEqual((yield* t.say({ role: "user", text: "a", durable: "log" }))._tag, "Appended");
        assert.lengthOf(yield* World.eventsOf(History.thread("t")), 1);
      }),
    ),
  );

  it.live("is written once by a log that needs longer than our patience, and not again at each attempt", () =>
    inFolder((to) =>
      Effect.gen(function* () {
        to.position = { slowMillis: 1_000 };
        const talk = yield* Effect.map(thread("t"), ({ say }) => say);
        const said = yield* Effect.all(
          ["a", "b", "c"].map((text) => talk({ role: "user", text, durable: "log" })),
          { concurrency: "unbounded" },
        );
        assert.deepStrictEqual(
          said.map(({ _tag }) => _tag),
          ["Appended", "Appended", "Appended"],
        );
        assert.lengthOf(to.asked, 3);
        assert.lengthOf(yield* World.eventsOf(History.thread("t")), 3);
      }),
    ),
  );

  it.live("is refused with a sentence, and waits nowhere, when the log does not come back", () =>
    inFolder((to) =>
      Effect.gen(function* () {
        to.position = "away";
        const t = yield* thread("t");
        const refused = yield* Effect.flip(t.say({ role: "user", text: "a", durable: "log" }));
        assert.deepInclude(refused, { _tag: "LogUnavailable" });
        assert.match(refused.message, /did not answer in time/);
        assert.deepInclude(yield* Publisher.Publisher.use(({ waiting }) => waiting), { spooled: 0, held: 0 });
      }),
    ),
  );
});
