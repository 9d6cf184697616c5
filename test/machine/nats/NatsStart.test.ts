import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, layer } from "@effect/vitest";
import { Effect, Fiber, FileSystem, Logger } from "effect";
import { chmodSync, writeFileSync } from "node:fs";
import * as FreePort from "../../../src/machine/nats/FreePort.ts";
import { isAlive } from "../../../src/machine/Processes.ts";
import * as NatsStart from "../../../src/machine/nats/NatsStart.ts";

layer(NodeServices.layer, { excludeTestServices: true })("a start of nats-server", (it) => {
  it.effect(
    "that takes longer than two seconds says what it is at, and leaves no process when it is interrupted",
    () =>
      Effect.gen(function* () {
        if (process.platform === "win32") return;
        const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped());
        // Runs and never answers, as nats-server does on some damaged blocks.
        const program = `${folder}/server`;
        writeFileSync(program, "#!/bin/sh\nexec sleep 1000\n");
        chmodSync(program, 0o755);
        const said: Array<string> = [];
        const told = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]);
        const spec = {
          program,
          args: [],
          host: "127.0.0.1",
          port: yield* FreePort.find("127.0.0.1"),
          storeFolder: `${folder}/nats`,
          logFile: `${folder}/log`,
          signer: undefined,
        };
        const owner: NatsStart.Owner = {
          watchman: { watch: () => undefined, dismiss: () => undefined },
          child: undefined,
          running: undefined,
        };
        const start = yield* NatsStart.start({ spec, owner }).pipe(Effect.provide(told), Effect.forkChild);
        while (said.length === 0) yield* Effect.sleep(10);
        assert.match(said[0] ?? "", /reading its streams in .* for 2 s; it is given 120 s/);
        const pid = owner.child?.pid ?? 0;
        assert.isTrue(isAlive(pid));
        yield* Fiber.interrupt(start);
        assert.isFalse(isAlive(pid));
      }),
    60_000,
  );
});
