import { assert, layer } from "@effect/vitest";
import { Effect, Exit, Layer } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as History from "../../src/domain/History.ts";
import { Recollect } from "../../src/client/Recollect.ts";
import * as SpoolDrainer from "../../src/publish/drain/SpoolDrainer.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";
import * as World from "./World.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());
const root = new URL("../..", import.meta.url).pathname;
const killed = History.thread("killed");

/** What the child says, as far as `length`. */
const saidUpTo = (length: number): string => {
  let text = "";
  for (let index = 0; text.length < length; index++) text += `${index} `;
  return text;
};

/** Runs the child until a line of it is what we wait for, kills it, and returns the last line. */
const killedAfter = (args: ReadonlyArray<string>, isEnough: (line: string) => boolean) =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, [programOf("test/publish/answer-child.ts"), ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    let last = "";
    for await (const line of createInterface({ input: child.stdout })) {
      last = line;
      if (isEnough(line)) break;
    }
    child.kill("SIGKILL");
    await ended;
    return last;
  });

const connectAndClose = (data: string, url: string) =>
  Effect.promise(async () => {
    const recollect = await Recollect.connect({ data, url, patienceMillis: 10_000 });
    while ((await recollect.waiting()).mode !== "direct") await new Promise((done) => setTimeout(done, 10));
    await recollect.close();
  });

const journalsIn = (data: string) => (existsSync(`${data}/answers`) ? readdirSync(`${data}/answers`) : []);

const lastText = Effect.map(World.eventsOf(killed), (events) => {
  const data = World.dataOf(events.at(-1) ?? assert.fail("nothing was said"));
  const [part] = data["parts"] as ReadonlyArray<{ readonly text: string }>;
  return { count: events.length, text: part?.text ?? "", data };
});

layer(world, { excludeTestServices: true })("an answer whose process was killed with kill -9", (it) => {
  it.effect("is kept as far as it was on disk, and the next process of the data folder brings it to the log", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const kept = Number(yield* killedAfter([data, url], (line) => Number(line) > 4_000));
      yield* connectAndClose(data, url);
      const { count, text, data: message } = yield* lastText;
      assert.isAtLeast(text.length, kept);
      assert.strictEqual(text, saidUpTo(text.length));
      assert.deepInclude(message, {
        messageId: "a",
        model: "m-1",
        stopReason: "aborted",
        metadata: { abortReason: "the process ended" },
      });
      assert.isAtMost(count, 10);
      const [first] = yield* World.eventsOf(killed);
      assert.strictEqual(first?.source, "talker");
      assert.lengthOf(journalsIn(data), 0);
      yield* connectAndClose(data, url);
      assert.strictEqual((yield* lastText).count, count);
    }),
  );

  it.effect("ends in its own place when it was killed in a pause, with what it had said in the log already", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const before = (yield* World.eventsOf(killed)).length;
      yield* killedAfter([data, url, "pause"], (line) => line === "paused");
      yield* connectAndClose(data, url);
      const { count, text, data: message } = yield* lastText;
      assert.deepStrictEqual([text, message["stopReason"], count - before], ["one delta", "aborted", 2]);
    }),
  );

  it.effect("with NATS away all the time, is brought to the log by the daemon's drainer", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const before = (yield* World.eventsOf(killed)).length;
      yield* server.stop;
      const kept = Number(yield* killedAfter([data, server.url], (line) => Number(line) > 4_000));
      yield* server.start;
      // The log may not be connected again yet.
      const count = Effect.map(Effect.exit(World.eventsOf(killed)), (exit) =>
        Exit.isSuccess(exit) ? exit.value.length : 0,
      );
      const there = Effect.map(count, (found) => found > before);
      yield* World.until(there).pipe(Effect.provide(SpoolDrainer.layer({ file: `${data}/spool.db`, url: server.url })));
      const { text } = yield* lastText;
      assert.isAtLeast(text.length, kept);
      assert.strictEqual(text, saidUpTo(text.length));
    }),
  );

  it.effect("stays complete when it was ended, also when its file is found once more", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      yield* killedAfter([data, url, "end"], (line) => line === "Appended");
      const { count, data: message } = yield* lastText;
      assert.deepInclude(message, { stopReason: "stop", usage: { output: 9 } });
      assert.lengthOf(journalsIn(data), 0);
      // As if it had been killed between the acknowledgement and the removal of its file.
      const [last] = (yield* World.eventsOf(killed)).slice(-1);
      const header = {
        recollect: "answer",
        version: 1,
        target: SpoolDrainer.targetOf(url),
        pid: 1,
        token: "x",
        commandLine: "another program",
        history: killed,
        endId: last?.id,
        source: "talker",
        about: {},
        message: { messageId: "a", role: "assistant" },
      };
      mkdirSync(`${data}/answers`, { recursive: true });
      const lines = [
        header,
        { at: 1, said: [{ type: "text", text: "0 " }] },
        { at: 2, ending: "complete", message: {} },
      ];
      writeFileSync(`${data}/answers/found.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      appendFileSync(`${data}/answers/found.jsonl`, '{"at":3,"sa');
      yield* connectAndClose(data, url);
      assert.lengthOf(journalsIn(data), 0);
      assert.deepStrictEqual(yield* lastText, { ...(yield* lastText), count, data: message });
    }),
  );

  it.effect(
    "is left alone while its process lives, when it is of another log, and set aside when nobody can read it",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const recollect = yield* Effect.promise(() => Recollect.connect({ data, url, patienceMillis: 10_000 }));
        const answer = recollect.thread("alive").answer({ role: "assistant" });
        answer.delta("still here");
        yield* World.until(Effect.sync(() => answer.kept === 10));
        const [name = ""] = journalsIn(data);
        const text = readFileSync(`${data}/answers/${name}`, "utf8");
        const foreign = text
          .replace(/"target":"[^"]*"/, '"target":"nats://elsewhere:1"')
          .replace(/"pid":\d+/, '"pid":1');
        writeFileSync(`${data}/answers/foreign.jsonl`, foreign);
        copyFileSync(`${root}package.json`, `${data}/answers/strange.jsonl`);
        yield* connectAndClose(data, url);
        assert.deepStrictEqual(
          journalsIn(data).toSorted(),
          [name, "foreign.jsonl", "strange.jsonl.unreadable"].toSorted(),
        );
        assert.strictEqual((yield* Effect.promise(() => answer.complete()))._tag, "Appended");
        yield* Effect.promise(() => recollect.close());
        assert.lengthOf(yield* World.eventsOf(History.thread("alive")), 1);
        assert.deepStrictEqual(journalsIn(data).toSorted(), ["foreign.jsonl", "strange.jsonl.unreadable"]);
      }),
  );

  it.effect("is not lost by its own program: closing Recollect aborts it, kept to its last word", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      yield* Effect.promise(async () => {
        const recollect = await Recollect.connect({ data, url, patienceMillis: 10_000 });
        const answer = recollect.thread("closed").answer({ role: "assistant" });
        answer.delta("to the last word");
        const { appended } = await recollect.close();
        assert.strictEqual(appended, 1);
      });
      const [event] = yield* World.eventsOf(History.thread("closed"));
      assert.deepInclude(event && World.dataOf(event), {
        stopReason: "aborted",
        parts: [{ type: "text", text: "to the last word" }],
      });
    }),
  );
});
