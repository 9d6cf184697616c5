import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { start } from "../../bench/peers/PeerProcess.ts";
import { temporaryFolder } from "../../bench/Servers.ts";
import { isAlive, pidIn } from "../../src/machine/Processes.ts";

const shell = (folder: string, script: string) => ({ program: "/bin/sh", args: ["-c", script], folder });

it.live("a peer that ends while it starts is missing, with the last thing it said", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder;
    const missing = yield* start({
      command: shell(folder, "echo no room for me >&2; exit 1"),
      logFile: join(folder, "log"),
      connect: () => Promise.reject(new Error("nobody answers")),
    }).pipe(Effect.scoped, Effect.flip);
    assert.strictEqual(missing.message, "/bin/sh does not start: no room for me");
  }).pipe(Effect.scoped),
);

it.live("a peer whose program is not there is missing", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder;
    const missing = yield* start({
      command: { program: join(folder, "nothing"), args: [], folder },
      logFile: join(folder, "log"),
      connect: () => Promise.reject(new Error("nobody answers")),
    }).pipe(Effect.scoped, Effect.flip);
    assert.include(missing.message, "nothing does not start");
  }).pipe(Effect.scoped),
);

it.live("a peer ends with the scope it was started in", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder;
    const pidFile = join(folder, "pid");
    const pid = yield* start({
      command: shell(folder, `echo $$ > ${pidFile}; exec sleep 600`),
      logFile: join(folder, "log"),
      connect: async () => {
        readFileSync(pidFile);
        return pidIn(pidFile) ?? Promise.reject(new Error("not yet"));
      },
    }).pipe(
      Effect.tap((running) => Effect.sync(() => assert.isTrue(isAlive(running)))),
      Effect.scoped,
    );
    assert.isFalse(isAlive(pid));
  }).pipe(Effect.scoped),
);
