import { assert, layer } from "@effect/vitest";
import { Effect, FileSystem, Layer } from "effect";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { compose, newId } from "../../src/publish/write/NewEvent.ts";
import { Publisher } from "../../src/publish/Publisher.ts";
import { task } from "../../src/publish/TaskPublisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { Spool } from "../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import * as World from "./World.ts";
import { withWall } from "../support/wallClock.ts";
import { writing } from "../support/writing.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

const uuid = "01890000-0000-7000-8000-0000000000bb";

const say = (id: string, text: string) => Effect.flatMap(thread(id), (talk) => talk.say({ role: "user", text }));

layer(world, { excludeTestServices: true })("Delivery", (it) => {
  it.effect("spools while the log is away, drains in order when it is back, and then writes directly again", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* say("d1", "0"))._tag, "Appended");
        to.position = "away";
        for (let index = 1; index <= 50; index++) assert.strictEqual((yield* say("d1", `${index}`))._tag, "Spooled");
        to.position = "there";
        yield* World.drained;
        yield* World.direct;
        assert.strictEqual((yield* say("d1", "51"))._tag, "Appended");
        assert.deepStrictEqual(
          yield* World.textsOf(History.thread("d1")),
          Array.from({ length: 52 }, (_, index) => `${index}`),
        );
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );

  it.effect("costs a caller its patience once when the log hangs, and no more than a write to disk after that", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        yield* say("d2", "0");
        to.position = "hanging";
        assert.strictEqual((yield* say("d2", "1"))._tag, "Spooled");
        const asked = to.asked.length;
        yield* Effect.forEach(["2", "3", "4"], (text) => say("d2", text));
        // Who is not asked is not waited for.
        assert.strictEqual(to.asked.length, asked);
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      to.position = "there";
      yield* World.drained.pipe(Effect.provide(World.publisher({ folder, to })));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("d2")), ["0", "1", "2", "3", "4"]);
    }),
  );

  it.effect("tells the first caller what the server does not let it, also where the answer comes late", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      const denied = Effect.gen(function* () {
        const error = yield* Effect.flip(say("d4", "0"));
        assert.strictEqual(error._tag, "AccessDenied");
        return (yield* (yield* Spool).state).waiting;
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      // Longer than callers wait for a log that has answered before.
      to.position = { deniedMillis: 400 };
      assert.strictEqual(yield* denied, 0);
      // The same for a program that finds something in the spool, and so does not ask the log first.
      to.position = "away";
      yield* Effect.provide(say("d4", "waits"), World.publisher({ folder, to }));
      to.position = { deniedMillis: 400 };
      assert.strictEqual(yield* denied, 1);
    }),
  );

  it.effect("spools the first of a log that is silent, and goes on without it", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      to.position = "hanging";
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        for (const text of ["0", "1"]) assert.strictEqual((yield* say("d5", text))._tag, "Spooled");
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );

  it.effect("writes once what arrived after its caller's patience, and keeps a slow log behind the spool", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* say("d3", "first"))._tag, "Appended");
        to.position = { slowMillis: 400 };
        for (const text of ["0", "1", "2"]) assert.strictEqual((yield* say("d3", text))._tag, "Spooled");
        yield* World.until(Publisher.use(({ waiting }) => Effect.map(waiting, ({ spooled }) => spooled === 0)));
        assert.strictEqual((yield* say("d3", "3"))._tag, "Spooled");
        // Everything is in the log, although callers are not sent to it yet: who waits for that does not wait for them.
        yield* World.drained;
        assert.strictEqual(yield* World.mode, "spooling");
        to.position = "there";
        yield* World.direct;
        assert.strictEqual((yield* say("d3", "4"))._tag, "Appended");
        assert.deepStrictEqual(yield* World.textsOf(History.thread("d3")), ["first", "0", "1", "2", "3", "4"]);
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );

  it.effect("spools large parts too, and puts them into the object store before their event", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      const large = ["x", "y"].map((text) => text.repeat(1_000_000));
      yield* Effect.forEach(large, (text) => say("d4", text)).pipe(Effect.provide(World.publisher({ folder, to })));
      yield* say("d4 alone", "z".repeat(300_000)).pipe(Effect.provide(World.publisher({ folder, to })));
      to.position = "there";
      yield* World.drained.pipe(Effect.provide(World.publisher({ folder, to })));
      const events = [
        ...(yield* World.eventsOf(History.thread("d4"))),
        ...(yield* World.eventsOf(History.thread("d4 alone"))),
      ];
      const stored = yield* Effect.forEach(events, (event) => {
        const [part] = World.dataOf(event)["parts"] as ReadonlyArray<{ blob: { sha256: string } }>;
        return World.blobOf(part?.blob.sha256 ?? "");
      });
      assert.deepStrictEqual(
        stored.map((blob) => blob && Buffer.from(blob).toString("utf8")),
        [...large, "z".repeat(300_000)],
      );
    }),
  );

  it.effect("loses nothing that it called spooled when its process is killed", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const { url } = yield* NatsServer.NatsServer;
      const speaker = programOf("test/publish/speaker.ts");
      // A port where nobody listens: the address of a log that is away.
      const child = spawn(process.execPath, [speaker, folder, "nats://127.0.0.1:9"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let told = "";
      child.stdout.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        if (told.split("\n").length > 40) child.kill("SIGKILL");
      });
      yield* Effect.promise(() => once(child, "close"));
      const spooled = told.split("\n").filter((line) => line !== "");
      assert.isAtLeast(spooled.length, 40);
      // The commands were meant for the log at that address: only a publisher with that target takes them.
      const to = new LogSwitch();
      yield* World.drained.pipe(Effect.provide(World.publisher({ folder, to, target: "nats://127.0.0.1:9" })));
      const found = yield* World.textsOf(History.thread("killed"));
      assert.deepStrictEqual(found.slice(0, spooled.length), spooled);
      assert.strictEqual(new Set(found).size, found.length);
      assert.isNotEmpty(url);
    }),
  );

  it.effect(
    "holds a bounded number in memory when the disk is unusable too, then refuses, and delivers what it holds",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const to = new LogSwitch();
        const folder = yield* World.temporaryFolder;
        yield* fs.makeDirectory(`${folder}/spool.db`);
        yield* Effect.gen(function* () {
          to.position = "away";
          for (let index = 0; index < 1_000; index++) assert.strictEqual((yield* say("d6", `${index}`))._tag, "Held");
          const refused = yield* Effect.flip(say("d6", "too much"));
          assert.strictEqual(refused._tag, "NotAccepted");
          to.position = "there";
          yield* World.drained;
          assert.deepStrictEqual(
            yield* World.textsOf(History.thread("d6")),
            Array.from({ length: 1_000 }, (_, index) => `${index}`),
          );
        }).pipe(Effect.provide(World.publisher({ folder, to, durable: "memory" })));
      }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.effect("refuses a batch for which there is no disk, because memory could not promise all or none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const to = new LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      yield* fs.makeDirectory(`${folder}/spool.db`);
      yield* Effect.gen(function* () {
        const publisher = yield* Publisher;
        const data = { request: { agentType: "a" } };
        const command = yield* compose(
          { history: History.task("no disk"), type: "task.submitted", data },
          writing("test"),
        );
        const refused = yield* Effect.flip(publisher.keepBatch([{ ...command, batch: "no disk" }]));
        assert.strictEqual(refused._tag, "NotAccepted");
        to.position = "there";
        yield* World.drained;
        assert.deepStrictEqual(yield* World.eventsOf(command.history), []);
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.effect(
    "brings what it holds in memory onto the disk, before what comes next, as soon as the disk can be used",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const to = new LogSwitch();
        const folder = yield* World.temporaryFolder;
        yield* fs.makeDirectory(`${folder}/spool.db`);
        yield* Effect.gen(function* () {
          to.position = "away";
          for (const text of ["0", "1", "2"]) assert.strictEqual((yield* say("d6b", text))._tag, "Held");
          const held = yield* Publisher.use((there) => there.waitingFor(History.thread("d6b")));
          assert.strictEqual(held.length, 3);
          yield* fs.remove(`${folder}/spool.db`, { recursive: true });
          const said: Array<string> = [];
          while (said.at(-1) !== "Spooled") said.push((yield* Effect.delay(say("d6b", `${3 + said.length}`), 50))._tag);
          assert.deepInclude(yield* Publisher.use(({ waiting }) => waiting), { held: 0, spooled: 3 + said.length });
          to.position = "there";
          yield* World.drained;
          const all = Array.from({ length: 3 + said.length }, (_, index) => `${index}`);
          assert.deepStrictEqual(yield* World.textsOf(History.thread("d6b")), all);
        }).pipe(Effect.provide(World.publisher({ folder, to, durable: "memory" })));
      }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.effect("brings what an earlier process left in the spool into the log before its own", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      to.position = "away";
      yield* say("d7", "before").pipe(Effect.provide(World.publisher({ folder, to })));
      to.position = "there";
      yield* Effect.gen(function* () {
        yield* say("d7", "after");
        yield* World.drained;
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("d7")), ["before", "after"]);
    }),
  );

  it.effect("brings what another process left behind into the log, also where the wall clock was set back since", () =>
    Effect.gen(function* () {
      const [here, there] = [new LogSwitch(), new LogSwitch()];
      const folder = yield* World.temporaryFolder;
      const now = 1_796_000_000_000;
      yield* Effect.gen(function* () {
        yield* say("d7b", "direct");
        there.position = "away";
        yield* say("d7b", "left").pipe(
          Effect.provide(World.publisher({ folder, to: there })),
          withWall(() => now + 3_600_000),
        );
        yield* World.until(Effect.map(World.textsOf(History.thread("d7b")), (texts) => texts.includes("left")));
      }).pipe(
        Effect.provide(World.publisher({ folder, to: here })),
        withWall(() => now),
      );
    }),
  );

  it.effect(
    "keeps with what is spooled where the stream ended before, as far as this process or an earlier one knew",
    () =>
      Effect.gen(function* () {
        const to = new LogSwitch();
        const folder = yield* World.temporaryFolder;
        const log = yield* EventLog;
        const first = yield* Effect.gen(function* () {
          yield* say("d8e", "there");
          // Answers to questions come in their order: the publisher's own has come when this one has.
          const { created, lastSequence } = yield* log.info;
          to.position = "away";
          yield* say("d8e", "away");
          return { created, lastSequence };
        }).pipe(Effect.provide(World.publisher({ folder, to })));
        // Whoever begins with the log away goes by what the spool says.
        yield* say("d8e", "still away").pipe(Effect.provide(World.publisher({ folder, to })));
        // An id that somebody brings may be in the log long since.
        yield* Effect.flatMap(thread("d8e"), (talk) => talk.say({ role: "user", text: "given", id: uuid })).pipe(
          Effect.provide(World.publisher({ folder, to })),
        );
        const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
        const ends = (yield* spool.oldest({ limit: 9, maxBytes: 1e6 })).map(({ after }) => after);
        const [away, still, given] = ends;
        assert.strictEqual(away?.created, first.created);
        assert.isAtLeast(away?.sequence ?? 0, first.lastSequence);
        assert.deepStrictEqual(still, away);
        assert.isUndefined(given);
      }),
  );

  it.effect("tries to write nothing before it knows where the stream ends, and once it does, only behind that", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const [before] = yield* Effect.gen(function* () {
        yield* say("d8u", "a");
        yield* say("d8u", "b");
        assert.deepStrictEqual(to.asked, []);
        const waiting = yield* spool.oldest({ limit: 9, maxBytes: 1e6 });
        assert.deepStrictEqual(
          waiting.map(({ after, isNew }) => [isNew, after]),
          [1, 2].map(() => [true, undefined]),
        );
        to.position = "there";
        yield* World.direct;
        yield* say("d8u", "c");
        to.position = "away";
        yield* say("d8u", "d");
        return yield* spool.oldest({ limit: 9, maxBytes: 1e6 });
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      const [, , c] = yield* World.eventsOf(History.thread("d8u"));
      // The one that the log did not take knows of the one that it took before.
      assert.isAtLeast(before?.after?.sequence ?? 0, c?.sequence ?? Infinity);
      assert.deepStrictEqual(yield* World.textsOf(History.thread("d8u")), ["a", "b", "c"]);
    }),
  );

  it.effect("sets aside what the log refuses for ever, and gets the others through", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      to.position = "away";
      yield* say("d8", "a").pipe(Effect.provide(World.publisher({ folder, to })));
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const event = { id: "", type: "thread.renamed", schemaVersion: 1, occurredAt: 0, source: "x", body: "{}" };
      yield* spool.put([{ history: History.thread("d8"), event, blobs: [] }]);
      yield* say("d8", "b").pipe(Effect.provide(World.publisher({ folder, to })));
      to.position = "there";
      yield* World.drained.pipe(Effect.provide(World.publisher({ folder, to })));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("d8")), ["a", "b"]);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 1 });
    }),
  );

  it.effect("shares a spool with other processes: everything once, each in its order", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      const speak = (id: string) =>
        Effect.gen(function* () {
          for (let index = 0; index < 60; index++) {
            if (index === 10) to.position = "away";
            if (index === 40) to.position = "there";
            yield* say(id, `${index}`);
          }
          yield* World.drained;
        }).pipe(Effect.provide(World.publisher({ folder, to })));
      yield* Effect.all([speak("d9a"), speak("d9b"), speak("d9c")], { concurrency: 3 });
      for (const id of ["d9a", "d9b", "d9c"]) {
        assert.deepStrictEqual(
          yield* World.textsOf(History.thread(id)),
          Array.from({ length: 60 }, (_, index) => `${index}`),
        );
      }
    }),
  );

  it.effect("decides a task's spooled moves again when it drains, and sets aside what has become illegal", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        const job = yield* task();
        yield* job.submitted({ agentType: "coder" });
        yield* job.started();
        to.position = "away";
        assert.strictEqual((yield* job.completed("mine"))._tag, "Spooled");
        assert.strictEqual((yield* Effect.flip(job.failed({ type: "no" })))._tag, "IllegalTransition");
        // Elsewhere, with the log there, somebody else is quicker.
        const elsewhere = yield* World.temporaryFolder;
        const other = World.publisher({ folder: elsewhere, to: new LogSwitch(), patienceMillis: 10_000 });
        yield* Effect.flatMap(task(job.id), ({ cancelled }) => cancelled("too slow")).pipe(Effect.provide(other));
        to.position = "there";
        yield* World.drained;
        const types = (yield* World.eventsOf(History.task(job.id))).map(({ type }) => type);
        assert.deepStrictEqual(types, ["task.submitted", "task.started", "task.cancelled"]);
        assert.deepInclude(yield* Spool.use(({ state }) => state), { waiting: 0, setAside: 1 });
        assert.strictEqual((yield* Effect.flip(job.completed("again")))._tag, "IllegalTransition");
      }).pipe(Effect.provide(World.publisher({ folder, to, patienceMillis: 10_000 })));
    }),
  );

  it.effect("brings a batch that was kept into the log whole, and one that has begun there without doubling it", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const to = new LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      const event = { type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" };
      const append = { history: History.thread("meanwhile"), expected: "any", event } as const;
      // More than a drain takes at once.
      const ids = Array.from({ length: 700 }, (_, index) => `kept ${index}`);
      const commands = yield* Effect.forEach(ids, (id) => {
        const data = { request: { agentType: "a" } };
        const command = compose({ history: History.task(id), type: "task.submitted", data }, writing("test"));
        return Effect.map(command, (one) => ({ ...one, batch: "kept" }));
      });
      const sequences = Effect.map(
        Effect.forEach(ids, (id) => World.eventsOf(History.task(id)), { concurrency: 32 }),
        (all) => all.map((events) => events.map(({ sequence }) => sequence)),
      );
      yield* Effect.gen(function* () {
        const publisher = yield* Publisher;
        yield* say("before", "0");
        yield* publisher.keepBatch(commands);
        yield* say("behind", "0");
        to.position = "there";
        // Others write meanwhile, and get nothing in between.
        const other = Effect.flatMap(newId, (id) => log.append({ ...append, events: [{ ...append.event, id }] }));
        yield* Effect.raceFirst(World.drained, Effect.forever(other));
        const [[first = 0] = []] = yield* sequences;
        const expected = ids.map((_, index) => [first + index]);
        assert.deepStrictEqual(yield* sequences, expected);
        assert.isBelow(first, (yield* World.eventsOf(History.thread("behind")))[0]?.sequence ?? 0);
        // A second time, as by a process that was killed before it could forget it; and one of which a part has begun.
        to.position = "away";
        yield* publisher.keepBatch(commands);
        const [part] = commands;
        const command = compose(
          { history: History.task("kept z"), type: "task.submitted", data: { request: { agentType: "a" } } },
          writing("test"),
        );
        if (part === undefined) return;
        yield* publisher.keepBatch([
          { ...part, batch: "mixed" },
          { ...(yield* command), batch: "mixed" },
        ]);
        to.position = "there";
        yield* World.drained;
        assert.deepStrictEqual(yield* sequences, expected);
        assert.strictEqual((yield* log.last(History.task("kept z")))?.type, "task.submitted");
        assert.strictEqual((yield* (yield* Spool).state).setAside, 0);
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );

  it.effect("refuses to publish on an expected sequence while the log is away", () =>
    Effect.gen(function* () {
      const to = new LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        to.position = "away";
        yield* say("d11", "spooled");
        const history = History.thread("d11");
        const rename = Publisher.use((publisher) =>
          publisher.publishExpecting({ history, type: "thread.renamed", data: { title: "x" }, expected: 0 }),
        );
        assert.strictEqual((yield* Effect.flip(rename))._tag, "LogUnavailable");
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );
});
