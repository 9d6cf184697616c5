/** The system's own Python beside a daemon of a test: programs with the client of `examples/python` at hand. */
import { assert } from "@effect/vitest";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { root } from "../../support/flow.ts";
import type { Door } from "./Knock.ts";

export const clientFolder = join(root, "examples/python");
const zenFolder = join(root, "examples/zen");

let interpreter = "python3";

/** What a program prints; `url` is another way to the same daemon. */
export const python = async (door: Door, words: ReadonlyArray<string>, url?: string): Promise<string> => {
  const paths = [clientFolder, zenFolder].join(delimiter);
  const env = { ...process.env, RECOLLECT_DATA: door.data, PYTHONPATH: paths, PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(interpreter, words, { env: url === undefined ? env : { ...env, RECOLLECT_URL: url } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (bytes) => (out += bytes));
  child.stderr.on("data", (bytes) => (err += bytes));
  const [code] = await once(child, "close");
  assert.strictEqual(code, 0, err);
  return out.trim();
};

/** Finds the program itself: a version manager's shell script before it takes longer than a test. */
export const findInterpreter = async (door: Door): Promise<void> => {
  interpreter = await python(door, ["-c", "import sys; print(sys.executable)"]);
};
