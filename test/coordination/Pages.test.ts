import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Recollect } from "../../src/client/Recollect.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The program of a page, with the door of this repository in place of the package. */
const programIn = (page: string, name: string): string => {
  const text = readFileSync(join(root, "docs", page), "utf8");
  const code = new RegExp(`\`\`\`ts ${name}\\n([^]*?)\n\`\`\``).exec(text)?.[1];
  assert.isDefined(code, `${page} has a program ${name}`);
  return (code ?? "").replaceAll('"recollect"', JSON.stringify(programOf("src/index.ts")));
};

/** Runs it until it ends by itself, or has said `last`. */
const run = (page: string, name: string, last?: string) =>
  Effect.gen(function* () {
    const { url } = yield* NatsServer.NatsServer;
    const data = yield* PublishWorld.temporaryFolder;
    const file = join(data, `${name}.ts`);
    writeFileSync(file, programIn(page, name));
    const env = { ...process.env, RECOLLECT_DATA: data, RECOLLECT_NATS_URL: url };
    return yield* Effect.promise(
      () =>
        new Promise<{ readonly out: string; readonly err: string; readonly code: number | null }>((resolve) => {
          const child: ChildProcess = spawn(process.execPath, [file], { env, stdio: ["ignore", "pipe", "pipe"] });
          let [out, err] = ["", ""];
          child.stdout?.setEncoding("utf8").on("data", (text: string) => {
            out += text;
            if (last !== undefined && out.includes(last)) child.kill("SIGKILL");
          });
          child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
          child.once("close", (code) => resolve({ out, err, code }));
        }),
    );
  });

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the programs of the pages", (it) => {
  it.effect("docs/sessions.md registers a session and lists it", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run("sessions.md", "sessions");
      assert.strictEqual(code, 0, err);
      assert.match(out, /my-agent \S+ \[ 'thread-1' \]/);
    }),
  );

  it.effect("docs/live.md watches a thread", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* PublishWorld.temporaryFolder;
      yield* Effect.promise(async () => {
        await using recollect = await Recollect.connect({ url, data });
        await recollect.thread("thread-1").say({ role: "user", text: "hello" });
      });
      const { out } = yield* run("live.md", "live", "from here on it is live");
      assert.match(out, /^\d+ thread\.message_appended [^]*hello[^]*from here on it is live/);
    }),
  );

  it.effect("docs/live.md sends a message, and a request that is answered", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run("live.md", "inbox");
      assert.strictEqual(code, 0, err);
      assert.match(out, /planner \{ note: 'a diff will come' \}\nplanner \{ diff: '…' \}/);
    }),
  );

  it.effect("docs/caches.md reads a file for a thread, and gives an answer again", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run("caches.md", "caches");
      assert.strictEqual(code, 0, err);
      assert.match(out, /^[0-9a-f]{8} \d+ disk\n\{ text: '42' \} asked\n\{ text: '42' \} process\n$/);
    }),
  );
});
