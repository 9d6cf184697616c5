import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import { AppendRefused, InvalidEvent, LogUnavailable, Recollect, SequenceConflict, type EventFold } from "recollect";
import { isVendorTypeName, type NewEvent } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import { SharedConnection } from "../../src/log/connection/SharedConnection.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as HistoryReading from "../../src/publish/HistoryReading.ts";
import { Publisher } from "../../src/publish/Publisher.ts";
import { createHash } from "node:crypto";
import * as Proxy from "../log/proxy.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "./World.ts";

const put = (value: number, id?: string) => ({
  type: "x.acme.put" as const,
  data: { value },
  ...(id === undefined ? {} : { id }),
});

/** Counts how often it is applied, beside what it comes to. */
const counting = () => {
  const applied = { times: 0 };
  const fold: EventFold<ReadonlyArray<number>> = {
    initial: [],
    apply: (state, { data, type }) => {
      applied.times++;
      return type === "x.acme.put" ? [...state, (data as { readonly value: number }).value] : state;
    },
  };
  return { applied, fold };
};

describe("types of somebody else's", () => {
  it("are x, a vendor and a name, in lower case", () => {
    for (const good of ["x.acme.put", "x.langgraph.checkpoint_put", "x.a.b.c-d", "x.1.2"])
      assert.isTrue(isVendorTypeName(good), good);
    for (const bad of [
      "x",
      "x.acme",
      "X.acme.put",
      "x.acme.",
      "x..put",
      "x.acme.Put",
      "x.acme.-a",
      `x.a.${"b".repeat(130)}`,
    ])
      assert.isFalse(isVendorTypeName(bad), bad);
  });
});

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })(
  "a history that a program appends to and reads",
  (it) => {
    const connected = Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      return yield* Effect.acquireRelease(
        Effect.promise(() => Recollect.connect({ url, data, client: "acme", patienceMillis: 10_000 })),
        (open) => Effect.promise(() => open.close()),
      );
    });

    it.effect("holds events of any vendor with any JSON, in order, and shows none of them as a message", () =>
      Effect.gen(function* () {
        const recollect = yield* connected;
        yield* Effect.promise(async () => {
          const history = recollect.history({ thread: "vendor" });
          await recollect.thread("vendor").say({ role: "user", text: "hello" });
          for (const data of [{ a: [1, null, "é"] }, "text", 7, null, [true]]) {
            await history.publish({ type: "x.acme.any", data });
          }
          const read = await history.read({ types: ["x.acme.any"] });
          assert.deepStrictEqual(
            read.map(({ data }) => data),
            [{ a: [1, null, "é"] }, "text", 7, null, [true]],
          );
          assert.deepInclude(read[0], { source: "acme", isWaiting: false, type: "x.acme.any" });
          const thread = await recollect.thread("vendor").read();
          assert.lengthOf(thread?.messages ?? [], 1);
          const messages = [];
          for await (const message of recollect.thread("vendor").messages()) messages.push(message);
          assert.lengthOf(messages, 1);
        });
      }),
    );

    it.effect("takes several events whole or not at all, once, and tells who was slower", () =>
      Effect.gen(function* () {
        const recollect = yield* connected;
        yield* Effect.promise(async () => {
          const history = recollect.history({ session: "several" });
          const ids = ["01a21378-c3f9-7dfd-86f2-b3b973e5c201", "01a21378-c3f9-7dfd-86f2-b3b973e5c202"] as const;
          const first = await history.append([put(1, ids[0]), put(2, ids[1])], { expected: 0 });
          assert.deepStrictEqual(first.eventIds, [...ids]);
          const again = await history.append([put(1, ids[0]), put(2, ids[1])], { expected: 0 });
          assert.deepStrictEqual(again, { ...first, duplicate: true });
          const slower = await history.append([put(3), put(4)], { expected: 0 }).catch((error: unknown) => error);
          assert.instanceOf(slower, SequenceConflict);
          const refused = await history
            .append([put(5), { type: "acme" as never, data: 1 }])
            .catch((error: unknown) => error);
          assert.instanceOf(refused, InvalidEvent);
          assert.match((refused as Error).message, /"acme" is no event type of the catalogue/);
          const none = await history.append([]).catch((error: unknown) => error);
          assert.instanceOf(none, AppendRefused);
          assert.deepStrictEqual(
            (await history.read()).map(({ data }) => data),
            [{ value: 1 }, { value: 2 }],
          );
          assert.deepStrictEqual(
            (await history.read({ last: 1 })).map(({ id }) => id),
            [ids[1]],
          );
          assert.lengthOf(await history.read({ after: first.sequence }), 0);
        });
      }),
    );

    it.effect("comes to a state that costs what is new, also of what others append", () =>
      Effect.gen(function* () {
        const one = yield* connected;
        const other = yield* connected;
        yield* Effect.promise(async () => {
          const history = one.history({ task: "folded" });
          const { applied, fold } = counting();
          assert.deepStrictEqual(await history.folded(fold), { state: [], sequence: 0, waiting: 0 });
          const { sequence } = await history.append([put(1), put(2)]);
          assert.deepStrictEqual(await history.folded(fold), { state: [1, 2], sequence, waiting: 0 });
          assert.strictEqual(applied.times, 2);
          await other.history({ task: "folded" }).append([put(3)], { expected: sequence });
          assert.deepStrictEqual((await history.folded(fold)).state, [1, 2, 3]);
          assert.deepStrictEqual((await history.folded(fold)).state, [1, 2, 3]);
          assert.strictEqual(applied.times, 3);
        });
      }),
    );

    it.effect("shows a process its own accepted writes behind the log's, once, also while they are delivered", () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const between = yield* Proxy.proxy(url);
        const data = yield* World.temporaryFolder;
        const recollect = yield* Effect.acquireRelease(
          Effect.promise(() => Recollect.connect({ url: between.url, data })),
          (open) => Effect.promise(() => open.close()),
        );
        const history = recollect.history({ thread: "own" });
        const { fold } = counting();
        yield* Effect.promise(() => recollect.connected());
        yield* Effect.promise(() => history.append([put(1)]));
        yield* between.close;
        const spooled = yield* Effect.promise(() => history.publish(put(2)));
        assert.strictEqual(spooled._tag, "Spooled");
        const away = yield* Effect.promise(() => history.append([put(9)]).catch((error: unknown) => error));
        assert.instanceOf(away, LogUnavailable);
        yield* between.open;
        const look = Effect.gen(function* () {
          const read = yield* Effect.promise(() => history.read().catch(() => undefined));
          if (read === undefined) return false;
          assert.deepStrictEqual(
            read.map((event) => event.data),
            [{ value: 1 }, { value: 2 }],
          );
          const folded = yield* Effect.promise(() => history.folded(fold));
          assert.deepStrictEqual(folded.state, [1, 2]);
          const behind = yield* Effect.promise(() => history.read({ after: read[0]?.sequence ?? 0 }));
          assert.deepStrictEqual(
            behind.map((event) => event.data),
            [{ value: 2 }],
          );
          return read[1]?.isWaiting === false;
        });
        yield* World.until(look);
      }),
    );

    it.effect("of a fork begins with what the thread it continues had said up to there, and copies nothing", () =>
      Effect.gen(function* () {
        const recollect = yield* connected;
        yield* Effect.promise(async () => {
          const said = async (thread: ReturnType<typeof recollect.thread>) => {
            const texts: Array<string> = [];
            for await (const { text } of thread.messages()) texts.push(text);
            return texts;
          };
          const parent = recollect.thread("parent");
          const first = await parent.say({ role: "user", text: "one" });
          await parent.say({ role: "assistant", text: "two" });
          const child = await parent.fork();
          await parent.say({ role: "user", text: "three, in the parent" });
          await child.say({ role: "user", text: "three, in the child" });
          const grandchild = await child.fork();
          await grandchild.say({ role: "assistant", text: "four" });
          assert.deepStrictEqual(await said(child), ["one", "two", "three, in the child"]);
          assert.deepStrictEqual(await said(grandchild), ["one", "two", "three, in the child", "four"]);
          assert.deepStrictEqual(await said(parent), ["one", "two", "three, in the parent"]);
          const early = await parent.fork({ atMessageId: first.eventId });
          assert.deepStrictEqual(await said(early), ["one"]);
          assert.lengthOf(await recollect.history({ thread: grandchild.id }).read(), 2);
        });
      }),
    );

    it.effect(
      "decides on what stands directly before it, of histories that begin while others look for them, too",
      () =>
        Effect.gen(function* () {
          const programs = [yield* connected, yield* connected];
          yield* Effect.promise(async () => {
            const { fold } = counting();
            const rounds = Array.from({ length: 20 }, (_, at) => at);
            const taken = rounds.map(async (round) => {
              const wins = programs.map(async (program) => {
                let won = false;
                await program.history({ thread: `decided ${round}` }).decide(fold, (state) => {
                  won = state.length === 0;
                  return won ? [put(1), put(2), put(3)] : [];
                });
                return won;
              });
              return (await Promise.all(wins)).filter(Boolean).length;
            });
            assert.deepStrictEqual(
              await Promise.all(taken),
              rounds.map(() => 1),
            );
            const [one] = programs;
            const refused = new Error("not now");
            const history = one?.history({ thread: "decided 0" });
            const thrown = await history
              ?.decide(fold, () => {
                throw refused;
              })
              .catch((error: unknown) => error);
            assert.strictEqual(thrown, refused, "rejects with what was thrown");
            const { sequence, state } = (await history?.decide(fold, ([first = 0]) => [put(first + 10)])) ?? {};
            assert.deepStrictEqual(state, [1, 2, 3, 11]);
            const read = await history?.folded(fold);
            assert.deepStrictEqual([read?.sequence, read?.state], [sequence, state]);
          });
        }),
    );

    it.effect("guesses a state where it is told to, and decides again on what another writer has added", () =>
      Effect.gen(function* () {
        const programs = [yield* connected, yield* connected];
        yield* Effect.promise(async () => {
          const { fold } = counting();
          await Promise.all(programs.map((program) => program.connected()));
          const decided = async (nth: number, guess: boolean) => {
            const seen: Array<number> = [];
            const history = programs[nth]?.history({ thread: "guessed" });
            const after = await history?.decide(fold, (state) => (seen.push(state.length), [put(state.length)]), {
              guess,
            });
            return { seen, length: after?.state.length };
          };
          assert.deepStrictEqual(await decided(0, true), { seen: [0], length: 1 });
          assert.deepStrictEqual(await decided(0, true), { seen: [1], length: 2 });
          assert.deepStrictEqual(await decided(1, true), { seen: [0, 2], length: 3 });
          assert.deepStrictEqual(await decided(0, true), { seen: [2, 3], length: 4 });
          assert.deepStrictEqual(await decided(1, false), { seen: [4], length: 5 });
          const history = programs[0]?.history({ thread: "guessed" });
          const refused = await history
            ?.decide(
              fold,
              ({ length }) => {
                throw new Error(`${length} are there`);
              },
              { guess: true },
            )
            .catch((error: unknown) => String(error));
          assert.strictEqual(refused, "Error: 5 are there", "a refusal is one of the newest state");
          assert.deepStrictEqual((await history?.folded(fold))?.state, [0, 1, 2, 3, 4]);
        });
      }),
    );

    it.effect("gives the bytes of a blob that one of its events refers to", () =>
      Effect.gen(function* () {
        const recollect = yield* connected;
        yield* Effect.promise(async () => {
          const history = recollect.history({ thread: "blobs" });
          const bytes = Buffer.from("large");
          const sha256 = createHash("sha256").update(bytes).digest("hex");
          await history.append([{ ...put(0), data: { sha256 }, blobs: [{ sha256, bytes }] }]);
          assert.deepStrictEqual(Buffer.from((await history.blob(sha256)) ?? []), bytes);
          assert.isUndefined(await history.blob("0".repeat(64)));
        });
      }),
    );

    it.effect("hears on a channel what is published while it subscribes, in order, and nothing after", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* connected, yield* connected];
        yield* Effect.promise(async () => {
          const heard: Array<string> = [];
          await two.channel("news").publish("before");
          await two.history({ thread: "a question behind it" }).read();
          let resolve = (): void => undefined;
          const last = new Promise<void>((done) => (resolve = done));
          const end = await one.channel("news").subscribe((text) => {
            heard.push(text);
            if (text === "ü 9") resolve();
          });
          await two.channel("other").publish("elsewhere");
          for (let at = 0; at < 10; at++) await two.channel("news").publish(`ü ${at}`);
          await last;
          await end();
          await two.channel("news").publish("after");
          await one.history({ thread: "a question behind it" }).read();
          assert.deepStrictEqual(
            heard,
            Array.from({ length: 10 }, (_, at) => `ü ${at}`),
          );
          const refused = await two
            .channel("news")
            .publish("x".repeat(80_000_000))
            .catch((error: unknown) => error);
          assert.deepInclude(refused, { _tag: "ChannelRefused" });
        });
      }),
    );
  },
);

describe("a history whose commands are still listed as waiting", () => {
  const history = History.thread("listed");
  const event = (id: string): NewEvent => ({
    id,
    type: "x.acme.put",
    schemaVersion: 1,
    source: "acme",
    occurredAt: 0,
    body: JSON.stringify(id),
  });
  const stubs = Layer.mergeAll(
    EventLogMemory.layer,
    Layer.succeed(SharedConnection, { each: () => Effect.void } as never),
    Layer.succeed(Publisher, {
      waitingFor: () => Effect.succeed(["a", "b", "c"].map((id) => ({ history, event: event(id), blobs: [] }))),
    } as never),
  );

  it.effect("gives each of them once, also where another writer's event is the log's last", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const reading = yield* HistoryReading.HistoryReading;
      for (const id of ["a", "b", "of another"]) yield* log.append({ history, events: [event(id)], expected: "any" });
      const ids = { initial: "", apply: (state: string, next: { readonly id: string }) => `${state} ${next.id}` };
      const read = yield* Stream.runCollect(reading.events(history));
      assert.deepStrictEqual(
        read.map(({ event: { id }, isWaiting }) => [id, isWaiting]),
        [
          ["a", false],
          ["b", false],
          ["of another", false],
          ["c", true],
        ],
      );
      for (const _ of [1, 2]) assert.strictEqual((yield* reading.folded(history, ids)).state, " a b of another c");
    }).pipe(Effect.provide(Layer.provideMerge(HistoryReading.layer, stubs))),
  );
});
