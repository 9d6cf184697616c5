import { assert, describe, it } from "@effect/vitest";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programOf } from "../../support/programs.ts";

const here = (name: string) => new URL(name, import.meta.url).pathname;
const server = here("server.ts");
const wrapEntry = programOf("test/support/wrap.ts");
/** Nobody listens there: these tests are about the proxy, and it must not matter. */
const nowhere = "nats://127.0.0.1:9";

/** Runs `use` with a wrapped scripted server (no words: a program that is not there) and a data folder of its own. */
const wrapped = async <A>(
  words: ReadonlyArray<string>,
  use: (child: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream }) => Promise<A>,
) => {
  const program = words.length > 0 ? [process.execPath, server, ...words] : ["no-such-program-here"];
  const folder = mkdtempSync(join(tmpdir(), "recollect-wrap-"));
  const args = [wrapEntry, "--data", folder, "--nats-url", nowhere, "--", ...program];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  try {
    return await use(child);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
};

const collect = async (from: NodeJS.ReadableStream): Promise<Buffer> => {
  const chunks: Array<Buffer> = [];
  for await (const chunk of from) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

const ended = async (child: ChildProcess): Promise<[number | null, string | null]> => {
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return [code, signal];
};

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("wrap, the proxy", () => {
  it("passes every byte unchanged, both ways, however it is cut: binary, torn and huge lines, no last newline", async () => {
    const given = Buffer.concat([
      randomBytes(3_000_000),
      Buffer.from(`${"x".repeat(20_000_000)}\n`),
      Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call"}\r\n[1,2\n\u0000\ud83d'),
      Buffer.from([0xff, 0xfe, 0x0a, 0x0a, 0xc3]),
    ]);
    const [back] = await wrapped(["echo"], (child) => {
      const all = Promise.all([collect(child.stdout), ended(child)]);
      for (let at = 0; at < given.length; at += 100_003) child.stdin.write(given.subarray(at, at + 100_003));
      child.stdin.end();
      return all;
    });
    assert.strictEqual(back.length, given.length);
    assert.strictEqual(digest(back), digest(given));
  });

  it("holds back a server whose client does not read, and still passes on what the client says", async () => {
    await wrapped(["flood"], async (child) => {
      const answers: Array<number> = [];
      await new Promise<void>((resolve) => {
        child.stderr?.on("data", (chunk: Buffer) => {
          answers.push(Number(chunk.toString().trim()));
          // Twice the same number of bytes: it is held back. A server that nobody holds back writes hundreds of megabytes.
          if (answers.at(-1) === answers.at(-2) || (answers.at(-1) ?? 0) > 100_000_000) resolve();
          else setTimeout(() => child.stdin.write("how many?"), 100);
        });
        child.stdin.write("how many?");
      });
      assert.isBelow(answers.at(-1) ?? Number.POSITIVE_INFINITY, 10_000_000);
    });
  });

  it("holds the server back while its client does not read, and goes on when it does", async () => {
    const bytes = 200 * 65_536;
    await wrapped(["write", `${bytes}`], async (child) => {
      const closed = ended(child);
      child.stdout.pause();
      await once(child.stdout, "readable");
      const early = child.stdout.read() as Buffer;
      const rest = await collect(child.stdout);
      assert.strictEqual(early.length + rest.length, bytes);
      assert.deepStrictEqual(await closed, [0, null]);
    });
  });

  it("passes on the exit code, standard error, and what was written just before the end", async () => {
    await wrapped(["exit", "42"], async (child) => {
      const [out, err, end] = await Promise.all([
        collect(child.stdout),
        collect(child.stderr ?? child.stdout),
        ended(child),
      ]);
      assert.strictEqual(out.toString(), "last words");
      assert.strictEqual(err.toString(), "complaint");
      assert.deepStrictEqual(end, [42, null]);
    });
  });

  it("ends by the signal that ended the server", async () => {
    await wrapped(["kill", "SIGABRT"], async (child) => {
      child.stdout.resume();
      assert.deepStrictEqual(await ended(child), [null, "SIGABRT"]);
    });
  });

  it("passes signals on and lets the server decide what they mean", async () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      await wrapped(["signals"], async (child) => {
        const said = collect(child.stdout);
        child.stdout.once("data", () => child.kill(signal));
        assert.deepStrictEqual(await ended(child), [7, null]);
        assert.strictEqual((await said).toString(), `ready\n${signal}`);
      });
    }
  });

  it("passes on the end of the input, and a server that closes its own ends", async () => {
    await wrapped(["echo"], async (child) => {
      child.stdin.end("only this");
      assert.strictEqual((await collect(child.stdout)).toString(), "only this");
    });
    await wrapped(["closes"], async (child) => {
      const end = ended(child);
      assert.strictEqual((await collect(child.stdout)).toString(), "bye");
      assert.deepStrictEqual(await end, [3, null]);
    });
  });

  it("says like a shell that a program cannot be found", async () => {
    await wrapped([], async (child) => {
      const [err, end] = await Promise.all([collect(child.stderr ?? child.stdout), ended(child)]);
      assert.strictEqual(err.toString(), "recollect wrap: no-such-program-here was not found\n");
      assert.deepStrictEqual(end, [127, null]);
    });
  });
});
