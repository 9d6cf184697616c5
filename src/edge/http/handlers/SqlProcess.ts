/**
 * SQL in a process of its own: a statement that takes long holds up nothing, and is ended at its time.
 *
 * Room: edge.
 *
 * Decision: this program again, as `recollect sql --json`, because SQLite runs a statement on the thread that asks, and
 * nothing but the end of a process stops one that has found no row yet. It costs a start (0.1 to 0.2 s).
 */
import { Effect, Semaphore, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { HttpDoor } from "../Guard.ts";
import { refused } from "../Problem.ts";

/** Statements at once: each may keep a core busy. */
const mostAtOnce = 2;
const one = Semaphore.makeUnsafe(mostAtOnce);
const usualSeconds = 30;
/** What is answered is held in memory until it is whole, so that a failure is a status and not a cut. */
const mostBytes = 64 * 1024 * 1024;

const busy = refused({
  status: 429,
  code: "sqlBusy",
  detail: `${mostAtOnce} statements are running already.`,
  retryAfter: 1,
});
const tooLarge = refused({
  status: 422,
  code: "queryRefused",
  detail: `The answer is larger than ${mostBytes} bytes.`,
  hint: "Give the statement a LIMIT, or run: recollect sql",
});
const cannotRun = refused({ status: 503, code: "sql", detail: "The statement cannot be run now.", retryAfter: 5 });

/** `recollect: SENTENCE`, and below it what to do. */
const problemIn = (code: number, said: string) => {
  const [first = "", second = ""] = said.trim().split("\n");
  const detail = first.replace(/^recollect: /, "");
  const isRefusal = code === 2 || detail.includes("took longer");
  return refused({
    status: isRefusal ? 422 : 503,
    code: isRefusal ? "queryRefused" : "sql",
    detail: detail === "" ? "The statement was not answered." : detail,
    hint: second.trim(),
    retryAfter: isRefusal ? undefined : 1,
  });
};

const textOf = (stream: Stream.Stream<Uint8Array, unknown>) =>
  stream.pipe(
    Stream.runFoldEffect(
      () => ({ bytes: 0, chunks: new Array<Uint8Array>() }),
      (held, chunk) => {
        held.chunks.push(chunk);
        held.bytes += chunk.byteLength;
        return held.bytes > mostBytes ? Effect.fail(tooLarge) : Effect.succeed(held);
      },
    ),
    Effect.map(({ chunks }) => Buffer.concat(chunks).toString("utf8")),
  );

const run = Effect.fnUntraced(function* (statement: string, seconds: number) {
  const { root } = yield* HttpDoor;
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
  const words = ["sql", "--json", "--timeout", String(seconds), "--data", root, "--", statement];
  const [, program = ""] = process.argv;
  const child = yield* spawner
    .spawn(ChildProcess.make(process.execPath, [program, ...words], { stdin: "ignore" }))
    .pipe(Effect.mapError(() => cannotRun));
  // One that was ended by a signal has no exit code; what it said before tells why.
  const ended = Effect.orElseSucceed(child.exitCode, () => -1);
  const [out, err, code] = yield* Effect.all([textOf(child.stdout), textOf(child.stderr), ended], {
    concurrency: "unbounded",
  });
  if (code !== 0) return yield* problemIn(code, err);
  return HttpServerResponse.text(out, { contentType: "application/json", headers: { "cache-control": "no-store" } });
}, Effect.scoped);

export const ask = Effect.fnUntraced(function* (asked: {
  readonly statement: string;
  readonly timeoutSeconds?: number | undefined;
}) {
  const answered = yield* one.withPermitsIfAvailable(1)(run(asked.statement, asked.timeoutSeconds ?? usualSeconds));
  return answered._tag === "Some" ? answered.value : yield* busy;
});
