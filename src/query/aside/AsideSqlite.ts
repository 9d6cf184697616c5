/**
 * Long statements of our own, beside the process that asks: its loop goes on, whatever SQLite is at.
 *
 * Room: query.
 *
 * Promises: one process for all of them, started by the first and ended when none came for `idleMillis`; who is interrupted
 * ends the statement at once, and so does its time. One at a time, because a report is a row of statements and a second
 * processor is better left to those who write.
 *
 * Decision: a process and not a thread, because the zone of `localtime` is the process's, and a statement that SQLite is at
 * can only be ended with its process.
 */
import { Effect, Exit, type Scope, Semaphore } from "effect";
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as Generations from "../../projection/rebuild/Generations.ts";
import { StorageTrouble } from "../../projection/ReadModel.ts";
import { openReader } from "../ConnectionSqlite.ts";
import { statementRefused } from "../SelectSqlite.ts";
import { QueryRefused, type Selected, type SqlParameters } from "../Sql.ts";
import type { AsideAnswer, AsideRequest } from "./AsideChannel.ts";

/** Rest after which the process is let go, milliseconds. */
const idleMillis = 30_000;
/** Longest statement, milliseconds. */
const longestMillis = 60_000;
/** A rebuild may remove the file between finding its name and opening it. */
const attempts = 3;

const program = fileURLToPath(
  new URL(`./AsideProcessSqlite${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

const start = (): ChildProcess => {
  const kept = ["TZ", "TMPDIR", "SQLITE_TMPDIR", "TEMP", "SystemRoot"];
  const own = Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
  const child = spawn(process.execPath, [program], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    serialization: "advanced",
    env: { ...own, NODE_NO_WARNINGS: "1" },
    windowsHide: true,
  });
  // Nothing keeps the asker alive but its own work.
  child.unref();
  child.channel?.unref();
  return child;
};

const trouble = (path: string, message: string) =>
  new StorageTrouble({ reason: "other", path, message, hint: "Ask again; then run: recollect check" });

const tooLong = new QueryRefused({
  message: `The statement took longer than ${longestMillis / 1000} s and was ended.`,
  hint: "Ask for a shorter time, with --since and --until.",
});

export type SelectAside = (
  text: string,
  parameters: SqlParameters,
  zone: string | undefined,
) => Effect.Effect<Selected, QueryRefused | StorageTrouble>;

type Said = AsideAnswer | { readonly _tag: "Ended"; readonly message: string };

/** The process, kept between statements. Plain and mutable: it speaks in events. */
class Kept {
  private child: ChildProcess | undefined;
  private resting: NodeJS.Timeout | undefined;
  private tell: ((said: Said) => void) | undefined;

  ask(request: AsideRequest, tell: (said: Said) => void): void {
    clearTimeout(this.resting);
    this.tell = tell;
    const child = (this.child ??= this.begin());
    child.channel?.ref();
    child.send(request, (cause) => {
      if (cause !== null) this.ended(child, cause.message);
    });
  }

  /** Its answer was heard: it is kept for a while. */
  rest(): void {
    this.tell = undefined;
    this.child?.channel?.unref();
    this.resting = setTimeout(() => this.end(), idleMillis).unref();
  }

  end(): void {
    clearTimeout(this.resting);
    this.tell = undefined;
    const child = this.child;
    this.child = undefined;
    child?.kill("SIGKILL");
  }

  private begin(): ChildProcess {
    const child = start();
    child.on("message", (answer) => this.tell?.(answer as AsideAnswer));
    child.on("error", ({ message }) => this.ended(child, message));
    child.on("exit", (code, signal) => this.ended(child, String(signal ?? code)));
    return child;
  }

  private ended(child: ChildProcess, how: string): void {
    if (this.child !== child) return;
    const { tell } = this;
    this.end();
    tell?.({ _tag: "Ended", message: `The process of the statement ended (${how}).` });
  }
}

export const make = (path: string): Effect.Effect<SelectAside, never, Scope.Scope> =>
  Effect.gen(function* () {
    const turn = yield* Semaphore.make(1);
    const kept = yield* Effect.acquireRelease(
      Effect.sync(() => new Kept()),
      (one) => Effect.sync(() => one.end()),
    );
    const ask = (request: AsideRequest) =>
      Effect.callback<Said>((resume) => kept.ask(request, (said) => resume(Effect.succeed(said)))).pipe(
        Effect.onExit((exit) => Effect.sync(() => (Exit.isSuccess(exit) ? kept.rest() : kept.end()))),
        Effect.timeoutOrElse({ duration: longestMillis, orElse: () => Effect.fail(tooLong) }),
        turn.withPermits(1),
      );
    return Effect.fnUntraced(function* (text, parameters, zone) {
      for (let attempt = 1; ; attempt++) {
        const file = Generations.current(path);
        // Says in a sentence what is wrong with the file, if anything is.
        if (file === undefined || attempt > 1)
          yield* Effect.scoped(Effect.acquireRelease(openReader(path), ({ db }) => Effect.sync(() => db.close())));
        const said = yield* ask({ file: file ?? path, text, parameters, zone });
        if (said._tag === "Selected") return { columns: said.columns, rows: said.rows };
        if (said._tag === "Refused") return yield* statementRefused(said.message);
        if (attempt === attempts) return yield* trouble(path, `${path} cannot be read: ${said.message}`);
      }
    });
  });
