import { assert, layer } from "@effect/vitest";
import { Effect, Fiber, Layer, Option, Stream } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Delta, Draft, type DraftPart } from "../../src/domain/thread/Draft.ts";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { Live, layerMemory, type LiveSoFar, watch, type Watched } from "../../src/log/live/Live.ts";
import * as LiveNats from "../../src/log/live/LiveNats.ts";
import * as NatsConnectionNats from "../../src/log/connection/NatsConnectionNats.ts";
import { historyOf } from "../../src/log/Subject.ts";
import { Recollect } from "../../src/client/Recollect.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { program } from "../support/program.ts";
import * as World from "./World.ts";

/** What a watcher has of one message after all it saw. Throws when a delta does not go on where the last one ended. */
const assembled = (seen: ReadonlyArray<Watched>): string => {
  let draft = new Draft();
  for (const one of seen) {
    if (one._tag === "SoFar") draft = new Draft(one.parts);
    if (one._tag !== "Delta") continue;
    const before = draft.parts[one.part]?.text.length ?? 0;
    if (before !== one.offset) throw new Error(`a delta at ${one.offset} where ${before} are there`);
    draft.add(one.delta as Delta);
  }
  return draft.parts.map(({ text }) => text).join("|");
};

/** A publisher's side: says words of one message, of which some may be lost on the way. */
const speaker = Effect.fnUntraced(function* (history: History.History, messageId: string) {
  const live = yield* Live;
  const draft = new Draft();
  let number = 0;
  const soFar = (): LiveSoFar => ({ messageId, number, role: "assistant", model: null, parts: draft.parts });
  yield* live.answerFor(history, messageId, soFar);
  const say = (delta: Delta, isHeard = true) => {
    const place = draft.add(delta);
    const told = { _tag: "Delta", messageId, number: number++, ...place, delta: delta as DraftPart } as const;
    if (isHeard) live.tell(history, told);
  };
  const end = () => live.tell(history, { _tag: "Ended", messageId, number, ending: "complete" });
  return { say, end };
});

/** Everything seen until the end of the message; the watcher is there when this returns. */
const watching = Effect.fnUntraced(function* (history: History.History) {
  const live = yield* Live;
  const seen: Array<Watched> = [];
  const fiber = yield* watch(history).pipe(
    Stream.tap((one) => Effect.sync(() => seen.push(one))),
    Stream.takeUntil((one) => one._tag === "Ended" && one.messageId !== "hello"),
    Stream.runDrain,
    Effect.forkScoped,
  );
  // Said until it is heard: a subscription is not there at once.
  for (let number = 0; !seen.some(({ messageId }) => messageId === "hello"); number++) {
    live.tell(history, { _tag: "Ended", messageId: "hello", number, ending: "complete" });
    yield* Effect.sleep(5);
  }
  return Effect.as(Fiber.join(fiber), seen).pipe(
    Effect.map((all) => all.filter(({ messageId }) => messageId !== "hello")),
  );
});

const suite = <E>(name: string, channel: Layer.Layer<Live, E>) => {
  layer(channel, { excludeTestServices: true })(name, (it) => {
    it.effect("brings every delta once and in order to who watches from the beginning", () =>
      Effect.gen(function* () {
        const history = History.thread("from the beginning/é");
        const { say, end } = yield* speaker(history, "m 1.*");
        const seen = yield* watching(history);
        say({ type: "thinking", text: "hm" });
        for (let index = 0; index < 500; index++) say({ type: "text", text: `${index} ` });
        end();
        const all = yield* seen;
        assert.lengthOf(all, 502);
        assert.strictEqual(assembled(all), `hm|${Array.from({ length: 500 }, (_, index) => `${index} `).join("")}`);
      }),
    );

    it.effect("gives who joins in the middle, or loses some, what was said so far, and then the rest", () =>
      Effect.gen(function* () {
        const history = History.thread("in the middle");
        const { say, end } = yield* speaker(history, "m");
        say({ type: "text", text: "before " });
        say({ type: "text", text: "anybody came " });
        const seen = yield* watching(history);
        say({ type: "text", text: "in, " });
        say({ type: "text", text: "lost, " }, false);
        say({ type: "text", text: "found." });
        end();
        const all = yield* seen;
        assert.strictEqual(assembled(all), "before anybody came in, lost, found.");
        assert.isTrue(all.some(({ _tag }) => _tag === "SoFar"));
      }),
    );

    it.effect("says so when what was missed cannot be said again", () =>
      Effect.gen(function* () {
        const history = History.thread("nobody answers");
        const live = yield* Live;
        const seen = yield* watching(history);
        live.tell(history, { _tag: "Ended", messageId: "gone", number: 7, ending: "aborted" });
        assert.deepStrictEqual(
          (yield* seen).map(({ _tag }) => _tag),
          ["Missed", "Ended"],
        );
      }),
    );

    it.effect("keeps threads and tenants apart", () =>
      Effect.gen(function* () {
        const mine = yield* watching(History.thread("t"));
        const other = yield* speaker(History.thread("t", "elsewhere"), "theirs");
        const { end } = yield* speaker(History.thread("t"), "mine");
        other.end();
        end();
        assert.deepStrictEqual(
          (yield* mine).map(({ messageId }) => messageId),
          ["mine"],
        );
      }),
    );
  });
};

const server = NatsServer.layer({ stream: true });
const connection = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnectionNats.layer({ servers: url })),
);

suite("live, in memory", layerMemory);
suite("live, over NATS", LiveNats.layer.pipe(Layer.provide(connection), Layer.provide(server)));

const world = LiveNats.layer.pipe(
  Layer.provide(connection),
  Layer.provideMerge(World.natsLog),
  Layer.provideMerge(server),
);

layer(world, { excludeTestServices: true })("an answer that is watched", (it) => {
  it.effect(
    "is heard as it is said, by who comes before it and by who comes late, and the stream holds none of it",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const history = History.thread("watched");
        const log = yield* EventLog;
        const before = (yield* log.info).lastSequence;
        const seen = yield* watching(history);
        const recollect = yield* Effect.promise(() => Recollect.connect({ data, url, patienceMillis: 10_000 }));
        const answer = recollect.thread("watched").answer({ role: "assistant", model: "m" });
        const early: Array<Watched> = [];
        const isHeard = yield* watch(history).pipe(
          Stream.tap((one) => Effect.sync(() => early.push(one))),
          Stream.takeUntil(({ _tag }) => _tag === "Ended"),
          Stream.runDrain,
          Effect.forkScoped,
        );
        let said = "";
        // The connection for live deltas is made beside; what is said before it is there is asked for.
        while (early.length < 3) {
          answer.delta("word ");
          said += "word ";
          yield* Effect.sleep(5);
        }
        answer.delta("end.");
        yield* Effect.promise(() => answer.complete());
        yield* Fiber.join(isHeard);
        for (const all of [yield* seen, early]) assert.strictEqual(assembled(all), `${said}end.`);
        yield* Effect.promise(() => recollect.close());
        const events = yield* World.eventsOf(history);
        assert.isAtMost(events.length, 10);
        assert.strictEqual((yield* log.info).lastSequence, before + events.length);
      }),
  );

  it.effect("is shown by `recollect tail --thread ID --live` as it is said, and then its event", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const args = [program, "tail", "--thread", "cli", "--live", "--json", "--nats-url", url, "--data", data];
      const tail = spawn(process.execPath, args, {
        cwd: new URL("../..", import.meta.url).pathname,
        stdio: ["ignore", "pipe", "ignore"],
      });
      yield* Effect.promise(async () => {
        const recollect = await Recollect.connect({ data: `${data}/other`, url, patienceMillis: 10_000 });
        const answer = recollect.thread("cli").answer({ role: "assistant", messageId: "m" });
        let said = "";
        const saying = setInterval(() => {
          if (answer.delta("word ")) said += "word ";
        }, 20);
        let seen: Array<Watched> = [];
        for await (const line of createInterface({ input: tail.stdout })) {
          const { live, type, data: event } = JSON.parse(line);
          if (live !== undefined) seen.push(live);
          if (seen.length === 3) {
            clearInterval(saying);
            await answer.complete();
          }
          if (type === "thread.message_appended" && event.stopReason === "stop") break;
        }
        // The event may come before the last words: both are on their way at once.
        seen = seen.filter(({ messageId }) => messageId === "m");
        assert.isTrue(`${said}`.startsWith(assembled(seen)));
        assert.isAbove(assembled(seen).length, 10);
        await recollect.close();
      });
      const ended = once(tail, "exit");
      tail.kill("SIGINT");
      yield* Effect.promise(() => ended);
    }),
  );

  it.effect("that grows larger than a message is missed by who watches, and breaks nothing", () =>
    Effect.gen(function* () {
      const history = History.thread("larger");
      const large = yield* speaker(history, "large");
      const seen = yield* watching(history);
      large.say({ type: "text", text: "before " });
      large.say({ type: "text", text: "x".repeat(9_000_000) });
      large.say({ type: "text", text: " after" });
      large.end();
      assert.deepStrictEqual(
        (yield* seen).map(({ _tag }) => _tag),
        ["Delta", "Missed", "Delta", "Ended"],
      );
      const next = yield* speaker(history, "next");
      const small = yield* watching(history);
      next.say({ type: "text", text: "small" });
      next.end();
      assert.strictEqual(assembled(yield* small), "small");
    }),
  );

  it.effect("travels on a subject that names no history", () =>
    Effect.sync(() => {
      const subject = LiveNats.liveSubjectOf(History.thread("a.b c"));
      assert.strictEqual(subject, "recollect-live.default.thread.a=2Eb=20c");
      assert.isTrue(Option.isNone(Option.fromUndefinedOr(historyOf(subject))));
    }),
  );
});
