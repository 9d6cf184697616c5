/** A program that forgets `close` ends by itself when nothing is in flight, and not while it watches or works. */
import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as SpoolList from "../../src/spool/SpoolListSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";

const door = pathToFileURL(programOf("src/index.ts")).href;
/** Nobody listens there. */
const away = "nats://127.0.0.1:9";

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-forgotten-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
);

interface Ended {
  readonly code: number | null;
  /** From its last word to its end. */
  readonly millis: number;
  readonly err: string;
}

/** A program of these lines, which prints `done` where it has nothing more to do and never closes. */
const program = (url: string, data: string, lines: string) => {
  const text = `
    import { Recollect } from ${JSON.stringify(door)};
    const recollect = await Recollect.connect(${JSON.stringify({ url, data })});
    ${lines}
    process.stdout.write("done\\n");`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", text], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (words: string) => (err += words));
  const said = Promise.withResolvers<number>();
  child.stdout.once("data", () => said.resolve(performance.now()));
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (code) => {
      said.resolve(performance.now());
      void said.promise.then((at) => resolve({ code, millis: performance.now() - at, err }));
    }),
  );
  return { child, said: said.promise, ended };
};

const started = (url: string, data: string, lines: string) =>
  Effect.acquireRelease(
    Effect.sync(() => program(url, data, lines)),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL");
        return ended;
      }),
  );

const run = Effect.fnUntraced(function* (url: string, data: string, lines: string) {
  const { ended } = yield* started(url, data, lines);
  return yield* Effect.promise(() => ended);
});

/** How long a program that should end may take for it. */
const soonMillis = 2_000;

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("a program that forgets close", (it) => {
  const log = (url: string) =>
    EventLog.use(({ info }) => info).pipe(
      Effect.provide(Layer.provide(EventLogNats.layer({}), NatsConnection.layer({ servers: url }))),
      Effect.scoped,
    );

  it.effect(
    "ends by itself, with what it said in the log",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* folder;
        const before = (yield* log(url)).messages;
        const lines = `
          await recollect.connected();
          const thread = recollect.thread();
          await thread.say({ role: "user", text: "kept" });
          await thread.messages();
          await recollect.config.get("spool.maxBytes");
          await recollect.tasks.submit({ agentType: "nobody" });`;
        const { code, err, millis } = yield* run(url, data, lines);
        assert.deepStrictEqual([code, err], [0, ""]);
        assert.isBelow(millis, soonMillis);
        assert.isAbove((yield* log(url)).messages, before);
      }),
    60_000,
  );

  it.effect(
    "ends by itself while the log is away, with what it said in the spool, awaited or not",
    () =>
      Effect.gen(function* () {
        const data = yield* folder;
        const lines = `
          const thread = recollect.thread();
          await thread.say({ role: "user", text: "awaited" });
          void thread.say({ role: "user", text: "not awaited" });`;
        const { code, err, millis } = yield* run(away, data, lines);
        assert.deepStrictEqual([code, err], [0, ""]);
        assert.isBelow(millis, soonMillis);
        const { targets } = yield* SpoolList.survey({ file: join(data, "spool.db"), limit: 10 });
        assert.isAtLeast(targets[0]?.waiting ?? 0, 2);
      }),
    60_000,
  );

  it.effect(
    "stays while it watches, and while it works",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* folder;
        const lines = [
          `void (async () => { for await (const one of recollect.watch("all")) void one; })();`,
          `recollect.tasks.work({ agentTypes: ["held"], run: async () => "done" });`,
        ];
        const all = yield* Effect.forEach(lines, (line) => started(url, data, line));
        yield* Effect.promise(() => Promise.all(all.map(({ said }) => said)));
        // As long as the others had for ending.
        yield* Effect.sleep(soonMillis);
        assert.deepStrictEqual(
          all.map(({ child }) => child.exitCode),
          [null, null],
        );
      }),
    60_000,
  );
});
