import { assert, it } from "@effect/vitest";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const module = fileURLToPath(new URL("../../src/main/OutputWritten.ts", import.meta.url));

/** Writes lines in one turn of the event loop and ends; its output is read only when it has said on stderr that it did. */
const ended = (lines: number): Promise<{ readonly code: number | null; readonly lines: number }> =>
  new Promise((resolve) => {
    const text = `
      import { whenOutputIsWritten } from ${JSON.stringify(module)};
      for (let n = 0; n < ${lines}; n++) process.stdout.write("a line of output that is some fifty bytes long\\n");
      whenOutputIsWritten(() => process.exit(3));
      process.stderr.write("written");
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    child.stderr.once("data", () => child.stdout.setEncoding("utf8").on("data", (more: string) => (out += more)));
    child.once("close", (code) => resolve({ code, lines: out.split("\n").length - 1 }));
  });

it("a process ends with its own code when all of its output is written, however much waits for a slow reader", async () => {
  for (const lines of [0, 1, 300, 20_000]) assert.deepStrictEqual(await ended(lines), { code: 3, lines });
});
