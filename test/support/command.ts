/**
 * A command of the command line, run in this process: the same words, answers, sentences and exit codes as in one of its
 * own, for a twentieth of the processor. A test of processes, signals or pipes starts the program (`program.ts`).
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { ConfigProvider, Console, Effect, Layer, Sink, Stdio, Stream } from "effect";
import { Console as NodeConsole } from "node:console";
import { Writable } from "node:stream";
import { exitCodeOf, run } from "../../src/main/Command.ts";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const decoder = new TextDecoder();
const textOf = (piece: string | Uint8Array): string => (typeof piece === "string" ? piece : decoder.decode(piece));

/** Runs these words to their end, with these variables beside those of this process, and this text as standard input. */
export const command = async (
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
  input = "",
): Promise<Ended> => {
  const said = { out: "", err: "" };
  const into = (name: "out" | "err") => (piece: string | Uint8Array) => void (said[name] += textOf(piece));
  const pipe = (name: "out" | "err") =>
    new Writable({
      write: (piece: Buffer, _, done) => {
        into(name)(piece);
        done();
      },
    });
  const stdio = Stdio.layerTest({
    stdin: input === "" ? Stream.empty : Stream.make(new TextEncoder().encode(input)),
    stdout: () => Sink.forEach((piece) => Effect.sync(() => into("out")(piece))),
    stderr: () => Sink.forEach((piece) => Effect.sync(() => into("err")(piece))),
  });
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...process.env, ...environment }))
    if (value !== undefined) variables[name] = value;
  // As the program does it, whose files are its user's alone.
  const mask = process.umask(0o077);
  const exit = await Effect.runPromiseExit(
    run(words, into("err")).pipe(
      Effect.provide(Layer.merge(NodeServices.layer, stdio)),
      Effect.provideService(Console.Console, new NodeConsole(pipe("out"), pipe("err"))),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: variables })),
    ),
  );
  process.umask(mask);
  return { code: exitCodeOf(words, exit), ...said };
};
