/** Memory that a wrapped server costs more: the wrapper's own, once it has recorded some calls. */
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { daemonOfItsOwn } from "../AtRest.ts";
import type { Row } from "../Harness.ts";
import { canBeSeen, memoryOf } from "../Program.ts";

const main = join(import.meta.dirname, "../../bin/recollect.mjs");
const server = join(import.meta.dirname, "../../test/edge/wrap/tinyServer.ts");
const calls = 200;
const settleMillis = 10_000;

/** A client of the wrapped server: one call after the other. */
const wrapped = Effect.fnUntraced(function* (data: string) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [main, "wrap", "--", process.execPath, server], {
        env: { ...process.env, RECOLLECT_DATA: data },
        stdio: ["pipe", "pipe", "inherit"],
      }),
    ),
    (running) =>
      Effect.promise(async () => {
        const gone = new Promise((done) => running.once("exit", done));
        running.stdin.end();
        await gone;
      }),
  );
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = (id: number, method: string, params: object) =>
    Effect.promise(async () => {
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      await answers.next();
    });
  const clientInfo = { name: "bench", version: "1" };
  yield* ask(0, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
  for (let id = 1; id <= calls; id++) yield* ask(id, "tools/call", { name: "look", arguments: { id } });
  return child.pid ?? 0;
});

const run = Effect.gen(function* () {
  if (!canBeSeen) return { skipped: "memory of another process is read from /proc, which is not here" };
  const { data } = yield* daemonOfItsOwn;
  const pid = yield* wrapped(data);
  yield* Effect.sleep(settleMillis);
  const { own, resident } = memoryOf(pid);
  const note = `${resident.toFixed(0)} MB resident, with Node's own program, which a server in Node shares`;
  return { ours: own, peer: 60, peerName: "the goal", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "wrap-memory",
  what: `memory that a wrapped server costs more, after ${calls} calls`,
  unit: "MB",
  goal: { of: "ours", is: "at most", limit: 60 },
  run,
};
