/**
 * Databases of earlier moments, folded by processes of their own beside the live one, kept for a while.
 *
 * Room: query.
 *
 * Decision: a process and not this one, because folding a million events takes a minute of processor.
 */
import { Clock, type Context, Deferred, Effect, Exit, Layer, Scope } from "effect";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Sequence } from "../../domain/History.ts";
import { sequenceOfMoment } from "../../projection/AsOf.ts";
import { StorageTrouble } from "../../projection/ReadModel.ts";
import * as Generations from "../../projection/rebuild/Generations.ts";
import * as QuerySqlite from "../QuerySqlite.ts";
import type { Query } from "../Query.ts";
import type { Ask } from "../screens/Ask.ts";
import * as AskSqlite from "../screens/AskSqlite.ts";
import { EarlierStores, keptMillis, mostKept, NotFoldedYet, patienceMillis } from "./EarlierStores.ts";

const purpose = "earlier";
/** Longest fold; a hundred million events are not folded for a question. */
const longestMillis = 1_800_000;
/** Interval of looking for what is kept for too long. */
const lookMillis = 60_000;

const program = fileURLToPath(
  new URL(`./EarlierProcess${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

interface Kept {
  readonly sequence: Sequence;
  readonly scope: Scope.Closeable;
  readonly services: Context.Context<Query | Ask>;
  users: number;
  usedAt: number;
}

interface Folding {
  readonly sequence: Sequence;
  readonly done: Deferred.Deferred<Kept, StorageTrouble>;
  reached: number;
}

const failed = (path: string, said: string) =>
  new StorageTrouble({
    reason: "other",
    path,
    message: `The record as of then could not be folded${said === "" ? "" : ` (${said})`}.`,
    hint: "Ask again; see recollect status.",
  });

/** Folds in a process of its own, which an interruption ends. */
const fold = (path: string, sequence: Sequence, file: string, onReached: (sequence: Sequence) => void) =>
  Effect.callback<void, StorageTrouble>((resume) => {
    const child = spawn(process.execPath, [program, path, String(sequence), file], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    let said = "";
    child.stderr.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-500)));
    child.stdout.on("data", (piece: Buffer) => onReached(Number(piece.toString().trim().split("\n").at(-1) ?? 0)));
    child.on("error", ({ message }) => resume(Effect.fail(failed(path, message))));
    child.on("close", (code) => resume(code === 0 ? Effect.void : Effect.fail(failed(path, said))));
    return Effect.sync(() => void child.kill("SIGKILL"));
  }).pipe(
    Effect.timeoutOrElse({
      duration: longestMillis,
      orElse: () => Effect.fail(failed(path, `it took longer than ${longestMillis / 60_000} minutes`)),
    }),
  );

export const make = Effect.fnUntraced(function* ({ path }: { readonly path: string }) {
  const whole = yield* Effect.scope;
  const kept = new Map<Sequence, Kept>();
  let folding: Folding | undefined;
  let isClean = false;

  const drop = (one: Kept) => {
    kept.delete(one.sequence);
    return Scope.close(one.scope, Exit.void);
  };
  /** Lets go of what nothing uses: what is old, and of the rest the one that was used last before all others. */
  const tidy = Effect.fnUntraced(function* (room: number) {
    const now = yield* Clock.currentTimeMillis;
    const idle = [...kept.values()].filter(({ users }) => users === 0).toSorted((a, b) => a.usedAt - b.usedAt);
    const over = Math.max(0, kept.size + room - mostKept);
    yield* Effect.forEach(
      idle.filter(({ usedAt }, place) => place < over || now - usedAt > keptMillis),
      drop,
      { discard: true },
    );
  });

  const made = Effect.fnUntraced(function* (one: Folding) {
    const file = `${path}.${purpose}-${process.pid}-${one.sequence}`;
    const scope = yield* Scope.fork(whole);
    const remove = Effect.sync(() => Generations.remove(file));
    yield* Scope.addFinalizer(scope, remove);
    const layer = Layer.merge(QuerySqlite.layer({ path: file, long: "aside" }), AskSqlite.layer({ path: file }));
    return yield* Effect.gen(function* () {
      yield* Effect.sync(() => {
        if (!isClean) Generations.removeStale(path, purpose);
        isClean = true;
        Generations.remove(file);
      });
      yield* tidy(1);
      yield* fold(path, one.sequence, file, (sequence) => (one.reached = sequence));
      const services = yield* Layer.buildWithScope(layer, scope);
      const usedAt = yield* Clock.currentTimeMillis;
      const there: Kept = { sequence: one.sequence, scope, services, users: 0, usedAt };
      kept.set(one.sequence, there);
      return there;
    }).pipe(Effect.onError(() => Scope.close(scope, Exit.void)));
  });

  const begin = Effect.fnUntraced(function* (sequence: Sequence) {
    const one: Folding = { sequence, done: yield* Deferred.make<Kept, StorageTrouble>(), reached: 0 };
    folding = one;
    yield* made(one).pipe(
      Effect.onExit((exit) =>
        Effect.andThen(
          Effect.sync(() => (folding = undefined)),
          Deferred.done(one.done, exit),
        ),
      ),
      Effect.forkIn(whole),
    );
    return one;
  });

  const notYet = ({ reached, sequence }: Folding, wanted: Sequence) =>
    new NotFoldedYet({
      message:
        sequence === wanted
          ? `The record as of event ${wanted} is being folded: ${Math.floor((100 * reached) / Math.max(1, sequence))} % is done.`
          : `The record as of event ${sequence} is being folded: ${Math.floor((100 * reached) / Math.max(1, sequence))} % is done, then comes that of event ${wanted}.`,
      hint: "Ask again in some seconds.",
    });

  yield* tidy(0).pipe(Effect.delay(lookMillis), Effect.forever, Effect.forkIn(whole));

  return EarlierStores.of({
    at: Effect.fn("query.earlier")(function* (moment) {
      const sequence = yield* sequenceOfMoment(path, moment);
      const there = kept.get(sequence);
      const find = Effect.gen(function* () {
        if (folding !== undefined && folding.sequence !== sequence) return yield* notYet(folding, sequence);
        const one = folding ?? (yield* begin(sequence));
        return yield* Deferred.await(one.done).pipe(
          Effect.timeoutOrElse({ duration: patienceMillis, orElse: () => Effect.fail(notYet(one, sequence)) }),
        );
      });
      const one = there ?? (yield* find);
      yield* Effect.acquireRelease(
        Effect.sync(() => (one.users += 1)),
        () => Effect.map(Clock.currentTimeMillis, (now) => ((one.users -= 1), (one.usedAt = now))),
      );
      return { sequence, services: one.services };
    }),
  });
});

export const layer = (options: { readonly path: string }): Layer.Layer<EarlierStores> =>
  Layer.effect(EarlierStores, make(options));
