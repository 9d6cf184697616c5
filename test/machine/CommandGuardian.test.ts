import { assert, describe, it } from "@effect/vitest";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import * as CommandGuardian from "../../src/machine/CommandGuardian.ts";
import { isAlive } from "../../src/machine/Processes.ts";

const guarded = join(import.meta.dirname, "children/guarded.ts");
/** Deaf to SIGTERM, with a child of its own; says both ids when it runs. */
const stubborn = 'trap "" TERM; sleep 300 & echo "$$ $!"; while :; do sleep 0.05; done';

/** Looks every 20 ms, for 20 s at most. */
const until = async (condition: () => boolean) => {
  for (let look = 0; look < 1_000 && !condition(); look++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.isTrue(condition());
};
const firstLine = async (stream: NodeJS.ReadableStream) => {
  let text = "";
  for await (const chunk of stream) if ((text += String(chunk)).includes("\n")) break;
  return text.trim().split(" ").map(Number);
};

describe("a command under a guardian", () => {
  it("dies with its process, killed with SIGKILL, and with it what it started, deaf to SIGTERM or not", async () => {
    const worker = spawn(process.execPath, [guarded, "sh", "-c", stubborn], { stdio: ["ignore", "pipe", "inherit"] });
    const ids = await firstLine(worker.stdout);
    assert.isTrue(ids.every(isAlive));
    worker.kill("SIGKILL");
    await once(worker, "exit");
    await until(() => !ids.some(isAlive));
  });

  it("is stopped with its whole group, with SIGKILL where SIGTERM is not enough", async () => {
    const { child, stop } = CommandGuardian.make(200).start(["sh", "-c", stubborn], process.env);
    const ids = await firstLine(child.stdout);
    await stop();
    assert.strictEqual(child.signalCode, "SIGKILL");
    await until(() => !ids.some(isAlive));
  });

  it("has its input, its environment, its exit code and its end as it would have alone", async () => {
    const start = (...command: ReadonlyArray<string>) =>
      CommandGuardian.make(1_000).start(command, { ...process.env, GIVEN: "given" });
    const plain = start("sh", "-c", 'read line; echo "$line $GIVEN"; exit 7');
    plain.child.stdin.end("hello\n");
    let said = "";
    plain.child.stdout.on("data", (chunk) => (said += String(chunk)));
    assert.deepStrictEqual(await once(plain.child, "close"), [7, null]);
    assert.strictEqual(said, "hello given\n");
    assert.isFalse(await plain.isMissing);
    const missing = start("no such program");
    assert.isTrue(await missing.isMissing);
    assert.isFalse(await start("true").isMissing);
  });
});
