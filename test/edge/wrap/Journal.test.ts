/** What a session leaves on disk when its recorder could not do its work, and who does it then. */
import { assert, describe, it, layer } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Fiber, Layer } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import * as Journal from "../../../src/edge/wrap/Journal.ts";
import * as Replay from "../../../src/edge/wrap/Replay.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as SpoolDrainer from "../../../src/publish/drain/SpoolDrainer.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { callsIn, factsIn, only, recordedAfter, wrapCommand } from "./Wrapped.ts";

const world = Layer.mergeAll(Layer.provideMerge(World.natsLog, NatsServer.layer()), NodeServices.layer);
const head = EventLog.use((log) => Effect.map(log.info, ({ lastSequence }) => lastSequence));
const server = [process.execPath, new URL("tinyServer.ts", import.meta.url).pathname];

const line = (value: object) => `${JSON.stringify({ jsonrpc: "2.0", ...value })}\n`;
const clientInfo = { name: "a test", version: "1" };
const hello = line({ id: 0, method: "initialize", params: { protocolVersion: "2025-11-25", clientInfo } });
const call = (id: number) => line({ id, method: "tools/call", params: { name: "echo", arguments: { id } } });

/** A session of so many calls. Ends its input when all are answered, or kills the wrapper. */
const session = async (options: {
  data: string;
  url: string;
  calls: number;
  kill?: boolean;
  killed?: Promise<void>;
  flushMillis?: number;
}) => {
  const words = ["--data", options.data, "--nats-url", options.url, "--", ...server];
  const [program = "", ...args] = wrapCommand(words);
  const env = { ...process.env, WRAP_FLUSH_MILLIS: String(options.flushMillis ?? 60_000) };
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
  const closed = once(child, "close");
  let [answers, said] = ["", ""];
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => {
    answers += chunk.toString();
    if (answers.split("\n").length - 1 <= options.calls) return;
    if (options.kill === true) child.kill("SIGKILL");
    else if (options.killed !== undefined) void options.killed.then(() => child.kill("SIGKILL"));
    else child.stdin.end();
  });
  child.stdin.write(hello + Array.from({ length: options.calls }, (_, index) => call(index + 1)).join(""));
  const [code] = await closed;
  return { code: code as number | null, said };
};

/** How many calls the log has of each session, with their outcomes. */
const recorded = (after: number) =>
  Effect.map(recordedAfter(after), (events) => {
    const facts = factsIn(events);
    const calls = callsIn(facts);
    const sessions = Map.groupBy(events, ({ session: id }) => id);
    return {
      sessions: sessions.size,
      calls: calls.length,
      ok: calls.filter(({ returned }) => returned?.outcome === "ok").length,
      ended: only(facts, "SessionSeen").filter(({ moment }) => moment === "ended").length,
    };
  });

const drained = (data: string, url: string) => SpoolDrainer.layer({ file: `${data}/spool.db`, url });

describe("a journal", () => {
  it.live("is over when its last frame says so, and not where what passed ends with the same bytes", () =>
    Effect.gen(function* () {
      const data = yield* World.temporaryFolder;
      const at = { epochMillis: 1, monotonicMillis: 1 };
      const journalOf = (sessionId: string) => new Journal.Journal(data, { sessionId, started: at } as never);
      const over = journalOf("over");
      assert.isFalse(Journal.isWhole(over.path));
      over.passed("toServer", Buffer.from("a call"), at);
      assert.isFalse(Journal.isWhole(over.path));
      over.ended({ code: null, signal: "SIGKILL" }, at);
      over.close();
      assert.isTrue(Journal.isWhole(over.path));
      const imitated = journalOf("imitated");
      imitated.passed("toClient", readFileSync(over.path).subarray(-120), at);
      imitated.close();
      assert.isFalse(Journal.isWhole(imitated.path));
    }).pipe(Effect.scoped),
  );
});

it("a journal whose first length is damaged is none, and takes no memory", () => {
  const folder = mkdtempSync(join(tmpdir(), "recollect-journal-"));
  try {
    const frame = Buffer.alloc(25);
    frame.writeUInt32BE(4_000_000_000, 17);
    writeFileSync(join(folder, "j"), frame);
    assert.isUndefined(Journal.open(join(folder, "j")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

layer(world, { excludeTestServices: true })("a wrapped session", (it) => {
  it.effect(
    "that was killed in its first moment is recorded from its journal, once, by whoever comes next",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = yield* head;
        yield* Effect.promise(() => session({ data, url, calls: 3, kill: true }));
        assert.lengthOf(Journal.journals(data), 1);
        assert.strictEqual(yield* Replay.all(data), 1);
        assert.lengthOf(Journal.journals(data), 0);
        const all = Effect.map(recorded(before), (found) => found.ok === 3 && found.ended === 1);
        yield* World.until(all).pipe(Effect.provide(drained(data, url)));
        assert.deepStrictEqual(yield* recorded(before), { sessions: 1, calls: 3, ok: 3, ended: 1 });
      }),
    120_000,
  );

  it.effect(
    "is recorded although the journal before it cannot be",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        yield* Effect.promise(() => session({ data, url, calls: 1, kill: true }));
        const [good = ""] = Journal.journals(data);
        // The header of a process that is gone, without the fields of a session.
        const header = { recollect: "wrap", version: 1, pid: 999_999_999, commandLine: "", options: null };
        const payload = Buffer.from(JSON.stringify(header));
        const frame = Buffer.alloc(25);
        frame.writeUInt32BE(payload.byteLength, 17);
        frame.writeUInt32BE(crc32(payload), 21);
        const first = join(dirname(good), `0-${basename(good)}`);
        writeFileSync(first, Buffer.concat([frame, payload]));
        assert.strictEqual(Journal.journals(data)[0], first);
        assert.strictEqual(yield* Replay.all(data), 1);
        assert.deepStrictEqual(Journal.journals(data), [first]);
      }),
    120_000,
  );

  it.effect(
    "that was killed after its beginning was recorded has one beginning, and the end that its journal knows",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = yield* head;
        const seen = Promise.withResolvers<void>();
        const running = yield* Effect.forkChild(
          Effect.promise(() => session({ data, url, calls: 2, flushMillis: 1, killed: seen.promise })),
        );
        const moments = Effect.map(recordedAfter(before), (events) =>
          only(factsIn(events), "SessionSeen").map(({ moment }) => moment),
        );
        const patient = Effect.gen(function* () {
          while ((yield* moments).length === 0) yield* Effect.sleep(20);
        });
        yield* Effect.timeout(patient, 60_000);
        seen.resolve();
        yield* Fiber.join(running);
        yield* World.until(Effect.map(Replay.all(data), () => Journal.journals(data).length === 0));
        const all = Effect.map(recorded(before), (found) => found.ok === 2 && found.ended === 1);
        yield* World.until(all).pipe(Effect.provide(drained(data, url)));
        assert.deepStrictEqual(yield* moments, ["started", "ended"]);
      }),
    120_000,
  );

  it.effect(
    "that ends before its recorder has started is recorded by a process that it leaves behind",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = yield* head;
        const three = [1, 2, 3].map(() => session({ data, url, calls: 4, flushMillis: 1 }));
        const ended = yield* Effect.promise(() => Promise.all(three));
        assert.deepStrictEqual(
          ended,
          Array.from({ length: 3 }, () => ({ code: 0, said: "" })),
        );
        const wanted = { sessions: 3, calls: 12, ok: 12, ended: 3 };
        const all = Effect.map(recorded(before), (found) => found.ok === wanted.ok && found.ended === wanted.ended);
        const patient = Effect.gen(function* () {
          while (!(yield* all)) yield* Effect.sleep(100);
        });
        yield* Effect.timeout(patient, 60_000).pipe(Effect.provide(drained(data, url)));
        assert.deepStrictEqual(yield* recorded(before), wanted);
        // Nothing of it is left for the next one.
        yield* World.until(Effect.sync(() => Journal.journals(data).length === 0));
      }),
    120_000,
  );

  it.effect(
    "with no log and no disk says so on standard error, and in its exit code",
    () =>
      Effect.gen(function* () {
        const folder = yield* World.temporaryFolder;
        const data = `${folder}/a-file`;
        writeFileSync(data, "no folder");
        const { code, said } = yield* Effect.promise(() => session({ data, url: "nats://127.0.0.1:9", calls: 50 }));
        assert.match(said, /^recollect wrap: \d+ events were not accepted; the journal could not be written: .*\n$/);
        assert.strictEqual(code, 5);
        assert.isTrue(existsSync(data));
      }),
    120_000,
  );

  it.effect.skipIf(process.platform !== "linux")(
    "that goes on is looked at again and again without a file left open",
    () =>
      Effect.gen(function* () {
        const data = yield* World.temporaryFolder;
        const options = {
          sessionId: "11111111-aaaa-4aaa-8aaa-000000000001",
          ownThreadId: "11111111-aaaa-4aaa-8aaa-000000000002",
          threadId: undefined,
          tenant: undefined,
          url: undefined,
          data,
          access: undefined,
          command: ["none"],
          cwd: data,
          parentThreadId: undefined,
          cacheTools: [],
          cache: false,
          limits: undefined,
          started: { epochMillis: 1_700_000_000_000, monotonicMillis: 0 },
        };
        const journal = new Journal.Journal(data, options);
        const descriptors = () =>
          readdirSync("/proc/self/fd").filter((name) => {
            try {
              return readlinkSync(`/proc/self/fd/${name}`).startsWith(data);
            } catch {
              return false;
            }
          }).length;
        const before = descriptors();
        for (let at = 0; at < 3; at++) assert.strictEqual(yield* Replay.all(data), 0);
        assert.lengthOf(Journal.journals(data), 1);
        assert.strictEqual(descriptors(), before);
        journal.remove();
      }),
  );
});
