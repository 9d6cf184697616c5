import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Result } from "effect";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Recollect } from "recollect";
import { eventTypes, isMisfit, type RecordedEvent } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import { factsOf } from "../../src/domain/Interpret.ts";
import { asyncApi } from "../../src/edge/schema/AsyncApi.ts";
import { files } from "../../src/edge/schema/Schemas.ts";
import { entryOf } from "../../src/log/Envelope.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "./World.ts";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(`${root}/docs/publishing.md`, "utf8");

/** The code block of the page with this language. */
const block = (language: string, name = "publish"): string =>
  new RegExp(`\`\`\`${language} ${name}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? "";

const factsIn = (event: RecordedEvent | undefined) =>
  event === undefined ? [] : Result.getOrThrow(factsOf(event)).facts;

/** Runs what a page shows in the place where it stands. */
const AsyncFunction = (async () => undefined).constructor as new (
  ...names: ReadonlyArray<string>
) => (...values: ReadonlyArray<unknown>) => Promise<void>;

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

/** Runs a program as a user would write it, without our code, and gives back what it printed. */
const run = (code: string, url: string) =>
  Effect.sync(() => {
    const done = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      env: { ...process.env, NATS_URL: url },
      encoding: "utf8",
    });
    assert.strictEqual(done.status, 0, done.stderr);
    return done.stdout.trim();
  });

layer(world, { excludeTestServices: true })("docs/publishing.md", (it) => {
  it.effect("its nats.js program publishes a message that reads back as a fact", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const sequence = Number(yield* run(block("js"), url));
      const [event] = yield* World.eventsOf(History.thread("chat/7"));
      assert.strictEqual(event?.sequence, sequence);
      assert.deepInclude(factsIn(event)[0], { _tag: "MessageSaid", messageId: "m1", role: "user", author: "alice" });
    }),
  );

  it.effect("publishing the same program's message again with its id adds nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const fixed = block("js")
        .replace("randomUUID()", '"01890000-0000-7000-8000-0000000000aa"')
        .replaceAll("chat=2F7", "again");
      const sequences = [yield* run(fixed, url), yield* run(fixed, url)];
      assert.strictEqual(sequences[0], sequences[1]);
      assert.strictEqual((yield* World.eventsOf(History.thread("again"))).length, 1);
    }),
  );

  it.effect("its nats command line says what an envelope needs", () =>
    Effect.sync(() => {
      const command = block("sh").replaceAll("\\\n", " ");
      const [, subject = "", body = ""] = /req --raw (\S+) '([^']*)'/.exec(command) ?? [];
      const headers = Object.fromEntries(
        [...command.matchAll(/-H '([^:]+):([^']*)'/g)].map(([, name, value]) => [name, value]),
      );
      const entry = entryOf({ sequence: 1, recordedAt: 0, subject, headers, body: Buffer.from(body) });
      assert.isFalse(isMisfit(entry));
      const [fact] = isMisfit(entry) ? [] : factsIn(entry);
      assert.deepInclude(fact, { _tag: "ThreadDescribed", title: "Weather" });
    }),
  );

  it.effect("its TypeScript says an answer, syncs a conversation, and reads both back", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const printed = yield* Effect.promise(async () => {
        const lines: Array<string> = [];
        const given = {
          recollect: await Recollect.connect({ data, url }),
          messages: [{ role: "user", content: "Hello." }],
          stream: (async function* () {
            yield* [{ text: "Good " }, { text: "morning." }];
          })(),
          console: { log: (...words: ReadonlyArray<string>) => lines.push(words.join(": ")) },
        };
        for (const name of ["sync", "answer", "read"]) {
          const code = block("ts", name).replaceAll("chat/7", "in-typescript");
          await new AsyncFunction(...Object.keys(given), code)(...Object.values(given));
        }
        await given.recollect.close();
        return lines;
      });
      assert.deepStrictEqual(printed, ["user: Hello.", "assistant: Good morning.", "Hello.", "Good morning."]);
    }),
  );

  it.effect("what it calls a dead letter is stored, and has its reason", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const log = yield* EventLog;
      const wrongs = [
        [/h\.set\("ce-type".*\n/, "", /ce-type is missing/],
        [/new Date\(\)\.toISOString\(\)/, '"yesterday"', /no RFC 3339 time/],
        [/chat=2F7/, "chat=2f7", /names no history/],
        [/JSON\.stringify\(message\)/, '"{torn"', /not JSON/],
        [/role: "user", /, "", /role/],
        [/thread\.chat/, "task.chat", /belongs to a thread/],
      ] as const;
      for (const [part, instead, reason] of wrongs) {
        const code = block("js").replace(part, instead);
        assert.notStrictEqual(code, block("js"));
        const entry = yield* log.at(Number(yield* run(code, url)));
        assert.isDefined(entry);
        if (entry === undefined) continue;
        const said = isMisfit(entry)
          ? entry.problem
          : Result.match(factsOf(entry), { onFailure: (refusal) => refusal.reason, onSuccess: () => "" });
        assert.match(said, reason);
      }
    }),
  );

  it.effect("its AsyncAPI document has each event type once, under subjects and headers that make an event", () =>
    Effect.sync(() => {
      const at = (path: string) =>
        path
          .slice(2)
          .split("/")
          .reduce<unknown>((inside, name) => (inside as Readonly<Record<string, unknown>>)[name], asyncApi);
      const references = [...JSON.stringify(asyncApi).matchAll(/"\$ref":"(#[^"]+|\.[^"]+)"/g)].map(([, path]) => path);
      const isInside = (path = "") => path.startsWith("#/components/") || path.startsWith("#/channels/");
      for (const path of references) {
        if (isInside(path)) assert.isDefined(at(path ?? ""), path);
        else if (path?.startsWith("./")) assert.isTrue(files.has(path.slice(2)), path);
      }
      const of = Object.entries(asyncApi.channels).flatMap(([kind, { messages = {} }]) =>
        Object.keys(messages).map((name) => [name, kind] as const),
      );
      const own = of.filter(([name]) => name in eventTypes);
      assert.sameDeepMembers(
        own,
        Object.entries(eventTypes).map(([name, { kind }]) => [name, kind] as const),
      );
      const { address } = new Map(Object.entries(asyncApi.channels)).get("thread") ?? { address: "" };
      assert.strictEqual(
        String(address).replace("{tenant}", "default").replace("{id}", "chat=2F7"),
        subjectOf(History.thread("chat/7")),
      );
      // What it requires is exactly that without which a message is no event.
      const { required } = asyncApi.components.schemas.Envelope;
      const headers = Object.fromEntries(
        required.map((name) => [name, name === "ce-time" ? "2026-03-01T12:00:00Z" : "x.y.z"]),
      );
      const entry = (given: Readonly<Record<string, string>>) =>
        entryOf({
          sequence: 1,
          recordedAt: 0,
          subject: "recollect.default.thread.a",
          headers: given,
          body: Buffer.from("1"),
        });
      assert.isFalse(isMisfit(entry(headers)));
      for (const name of required) assert.isTrue(isMisfit(entry({ ...headers, [name]: "" })), name);
    }),
  );

  it.effect("the schemas it names are those the code checks with", () =>
    Effect.sync(() => {
      const folder = `${root}/schema`;
      assert.deepStrictEqual(readdirSync(folder).toSorted(), [...files.keys()].toSorted());
      for (const [name, content] of files) {
        assert.strictEqual(
          readFileSync(`${folder}/${name}`, "utf8"),
          content,
          `${name}: run node src/edge/schema/Write.ts`,
        );
      }
    }),
  );
});
