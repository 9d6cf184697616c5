import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import { Recollect } from "recollect";
import type { NewEvent } from "../../src/domain/Event.ts";
import { thread as historyOf } from "../../src/domain/History.ts";
import { partsOf } from "../../src/domain/thread/ThreadMessage.ts";
import type { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { readMessage } from "../../src/client/ReadThread.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import * as ThreadViews from "../../src/publish/thread/ThreadViews.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as SwitchableLog from "./SwitchableLog.ts";
import * as World from "./World.ts";

/** A program that publishes and reads, on a log with a switch; several of them share the log. */
const program = (options: { readonly folder: string; readonly to: SwitchableLog.LogSwitch }) =>
  ThreadViews.layer.pipe(
    Layer.provideMerge(Publisher.layer({ patienceMillis: 250 })),
    Layer.provideMerge(ThreadReader.layer()),
    Layer.provide(SnapshotStoreMemory.layer()),
    Layer.provide(SpoolSqlite.layer({ file: `${options.folder}/spool.db`, target: "test" })),
    Layer.provideMerge(SwitchableLog.layer(options.to)),
    Layer.fresh,
  );

const textsOf = (view: ThreadViews.ThreadView | undefined) =>
  view?.state.window.messages.flatMap((message) => partsOf(message).map((part) => ("text" in part ? part.text : ""))) ??
  [];

const ids = {
  one: "01a21378-c3f9-7dfd-86f2-b3b973e5c201",
  deleted: "01a21378-c3f9-7dfd-86f2-b3b973e5c202",
  three: "01a21378-c3f9-7dfd-86f2-b3b973e5c203",
} as const;
const saying = (text: string) => ({ messageId: text, role: "user", parts: [{ type: "text", text }] }) as const;

/** What is read, and how. */
const seen = (threadId: string) =>
  ThreadViews.ThreadViews.use((views) => views.get(threadId)).pipe(
    Effect.map((view) => ({ texts: textsOf(view), waiting: view?.waiting, isCurrent: view?.isCurrent })),
  );

const inWorld = <A, E>(
  test: (
    to: SwitchableLog.LogSwitch,
  ) => Effect.Effect<A, E, EventLog | Publisher.Publisher | ThreadReader.ThreadReader | ThreadViews.ThreadViews>,
) =>
  Effect.gen(function* () {
    const to = new SwitchableLog.LogSwitch();
    const folder = yield* World.temporaryFolder;
    return yield* test(to).pipe(Effect.provide(program({ folder, to })));
  }).pipe(Effect.provide(EventLogMemory.layer), Effect.scoped);

describe("a thread as it is known here", () => {
  it.live("is what the log has, and undefined when nobody has anything of it", () =>
    inWorld(() =>
      Effect.gen(function* () {
        assert.isUndefined(yield* ThreadViews.ThreadViews.use((views) => views.get("nothing")));
        const t = yield* thread("t");
        yield* t.say({ role: "user", text: "one" });
        assert.deepStrictEqual(yield* seen("t"), { texts: ["one"], waiting: 0, isCurrent: true });
      }),
    ),
  );

  it.live(
    "shows what is spooled on top of what was last known, and says so; and nothing twice when the log is back",
    () =>
      inWorld((to) =>
        Effect.gen(function* () {
          const t = yield* thread("t");
          yield* t.say({ role: "user", text: "one" });
          yield* seen("t");
          to.position = "away";
          for (const text of ["two", "three"]) {
            assert.strictEqual((yield* t.say({ role: "user", text }))._tag, "Spooled");
          }
          assert.deepStrictEqual(yield* seen("t"), { texts: ["one", "two", "three"], waiting: 2, isCurrent: false });
          to.position = "there";
          yield* World.direct;
          assert.deepStrictEqual(yield* seen("t"), { texts: ["one", "two", "three"], waiting: 0, isCurrent: true });
        }),
      ),
  );

  it.live("is what waits alone where nothing was read before the log went away, and an error where nothing waits", () =>
    inWorld((to) =>
      Effect.gen(function* () {
        to.position = "away";
        yield* (yield* thread("t")).say({ role: "user", text: "two" });
        assert.deepStrictEqual(yield* seen("t"), { texts: ["two"], waiting: 1, isCurrent: false });
        assert.strictEqual((yield* Effect.flip(seen("other")))._tag, "LogUnavailable");
      }),
    ),
  );

  it.live("holds all that was accepted at every moment of the way back, each message once", () =>
    inWorld((to) =>
      Effect.gen(function* () {
        const t = yield* thread("t");
        to.position = "away";
        const said = Array.from({ length: 40 }, (_, index) => `message ${index}`);
        for (const text of said) yield* t.say({ role: "user", text });
        to.position = { slowMillis: 15 };
        for (;;) {
          const { isCurrent, texts, waiting } = yield* seen("t");
          assert.deepStrictEqual(texts, said);
          if (isCurrent === true && waiting === 0) break;
        }
      }),
    ),
  );

  it.live("loses nothing that is delivered while the log is being asked", () =>
    inWorld((to) =>
      Effect.gen(function* () {
        const t = yield* thread("t");
        yield* t.say({ role: "user", text: "one" });
        const reader = yield* ThreadReader.ThreadReader;
        const { drained } = yield* Publisher.Publisher;
        const before = yield* reader.get("t");
        to.position = "away";
        yield* t.say({ role: "user", text: "two" });
        to.position = "there";
        /** Its answer is older than what happens until it comes. */
        const slow = ThreadReader.ThreadReader.of({ ...reader, get: () => Effect.as(drained, before) });
        const views = Layer.provide(ThreadViews.layer, Layer.succeed(ThreadReader.ThreadReader, slow));
        assert.deepStrictEqual((yield* Effect.provide(seen("t"), Layer.fresh(views))).texts, ["one", "two"]);
      }),
    ),
  );

  it.live("has what is still listed as waiting once, also where another writer's event is the log's last", () =>
    inWorld(() =>
      Effect.gen(function* () {
        const publisher = yield* Publisher.Publisher;
        const history = historyOf("t");
        const said = (text: string) => ({ history, type: "thread.message_appended", data: saying(text) }) as const;
        yield* publisher.publish({ ...said("one"), id: ids.one });
        yield* publisher.publish({ history, type: "thread.deleted", data: {}, id: ids.deleted });
        yield* publisher.publish({ history, type: "thread.restored", data: {} });
        yield* publisher.publish(said("another's"));
        const listed = yield* Effect.forEach([ids.one, ids.deleted, ids.three], (id) =>
          Effect.map(
            id === ids.deleted
              ? publisher.prepare(history, [{ type: "thread.deleted", data: {}, id }])
              : publisher.prepare(history, [
                  { type: "thread.message_appended", data: saying(id === ids.one ? "one" : "three"), id },
                ]),
            ([event]) => ({ history, event: event as NewEvent, blobs: [] }),
          ),
        );
        const lists = Publisher.Publisher.of({ ...publisher, waitingFor: () => Effect.succeed(listed) });
        const views = Layer.provide(ThreadViews.layer, Layer.succeed(Publisher.Publisher, lists));
        yield* Effect.gen(function* () {
          const { texts, waiting } = yield* seen("t");
          assert.deepStrictEqual(texts, ["one", "another's", "three"]);
          assert.strictEqual(waiting, 1);
          const messages = yield* ThreadViews.ThreadViews.use((all) => Stream.runCollect(all.messages("t")));
          assert.lengthOf(messages, 3);
        }).pipe(Effect.provide(Layer.fresh(views)));
      }),
    ),
  );

  it.live("does not ask a log that is silent again and again", () =>
    inWorld((to) =>
      Effect.gen(function* () {
        const t = yield* thread("t");
        yield* t.say({ role: "user", text: "one" });
        yield* seen("t");
        to.position = "hanging";
        yield* t.say({ role: "user", text: "two" });
        const questions = { before: to.questions, after: 0 };
        for (let read = 0; read < 20; read++) {
          assert.deepStrictEqual(yield* seen("t"), { texts: ["one", "two"], waiting: 1, isCurrent: false });
        }
        questions.after = to.questions;
        assert.isAtMost(questions.after - questions.before, 5);
      }),
    ),
  );

  it.live("is read and listed by a program that speaks in promises, over NATS, with what another one appended", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({ stream: true });
      const connect = Effect.acquireRelease(
        Effect.flatMap(World.temporaryFolder, (data) =>
          Effect.promise(() => Recollect.connect({ data, url, patienceMillis: 10_000 })),
        ),
        (recollect) => Effect.promise(() => recollect.close()),
      );
      const [one, other] = [yield* connect, yield* connect];
      const told = yield* Effect.promise(async () => {
        const here = one.thread("t");
        const there = other.thread("t");
        await here.open({ title: "A thread" });
        await here.say({ role: "user", text: "one" });
        const said = await there.say({ role: "assistant", text: "two", model: "m" });
        const read = await here.read("sequence" in said ? { atLeast: said.sequence } : {});
        const all = [];
        for await (const message of there.messages()) all.push(message);
        return { read, all, nothing: await here.read().then(() => one.thread("nobody").read()) };
      });
      const messages = [
        ["user", undefined, "one", false],
        ["assistant", "m", "two", false],
      ];
      const listed = (read: ReadonlyArray<{ role: string; model: string | undefined; text: string; isCut: boolean }>) =>
        read.map(({ isCut, model, role, text }) => [role, model, text, isCut]);
      assert.deepStrictEqual(listed(told.read?.messages ?? []), messages);
      assert.deepStrictEqual(listed(told.all), messages);
      assert.deepInclude(told.read, { id: "t", title: "A thread", omitted: 0, waiting: 0, isCurrent: true });
      assert.isUndefined(told.nothing);
    }),
  );

  it.live(
    "is listed whole, also a message that is larger than an event; what is read of that says that it is cut",
    () =>
      inWorld(() =>
        Effect.gen(function* () {
          const text = "é large ".repeat(50_000);
          const t = yield* thread("large");
          yield* t.say({ role: "user", text });
          const [listed] = yield* Stream.runCollect(t.messages());
          const [read] = (yield* t.read())?.state.window.messages ?? [];
          const { isCut, text: words } = readMessage(read ?? assert.fail());
          assert.isTrue(isCut && words.length < text.length && text.startsWith(words));
          assert.deepInclude(readMessage(listed ?? assert.fail()), { isCut: false, text });
        }),
      ),
  );
});
