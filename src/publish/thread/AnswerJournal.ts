/**
 * Answers that are being said, on this machine's disk: what is left of them when their process is killed.
 *
 * Room: publish.
 *
 * One file per answer. The words so far are written and synced every 200 ms, so a killed process, or a machine without
 * power, loses less than the last second. A file whose process lives no more becomes a command of the spool: aborted,
 * with what was said; or the end that the process wanted to write. The event ids are settled beforehand, so whoever
 * does it again, at the same moment or after a crash in between, adds nothing.
 *
 * Decision: a file beside the log and not events in it, because a checkpoint each second is 600 events in ten minutes,
 * and a synced write to this disk costs other machines nothing.
 */
import { Clock, Context, Effect, Latch, Layer, Result, Schema, type Scope, Semaphore } from "effect";
import { randomUUID } from "node:crypto";
import type { MessageAppended } from "../../domain/thread/ThreadEvents.ts";
import { type Delta, Draft, DraftPart, partsOf } from "../../domain/thread/Draft.ts";
import * as EventId from "../../domain/EventId.ts";
import { History } from "../../domain/History.ts";
import { commandLineOf, isAlive } from "../../machine/Processes.ts";
import type { Spool } from "../../spool/Spool.ts";
import * as AnswerFile from "./AnswerFile.ts";
import { type Policy, policyHere } from "../storing/StoragePolicy.ts";
import { AuditLevels } from "../storing/AuditLevels.ts";
import { type About, compose } from "../write/NewEvent.ts";

/** Interval of syncs to disk, milliseconds. Five syncs a second are 1 % of a slow disk. */
const writeMillis = 200;

const Data = Schema.Record(Schema.String, Schema.Unknown);

const Header = Schema.Struct({
  recollect: Schema.Literal("answer"),
  version: Schema.Literal(1),
  /** Target log, as the spool names it. */
  target: Schema.String,
  pid: Schema.Int,
  /** Tells this process from an earlier one of the same id, as in a container that was started again. */
  token: Schema.String,
  commandLine: Schema.String,
  history: History,
  /** The id of the answer's last event. */
  endId: Schema.String,
  source: Schema.String,
  about: Data,
  /** The message without its parts. */
  message: Data,
});

const Spoken = Schema.Struct({ at: Schema.Finite, said: Schema.Array(DraftPart) });
const Ended = Schema.Struct({ at: Schema.Finite, ending: Schema.Literals(["complete", "aborted"]), message: Data });

/** Properties of an answer beside its words. */
export interface Beginning {
  readonly history: History;
  readonly endId: string;
  readonly source: string;
  readonly about: About;
  /** The message without its parts. */
  readonly message: Readonly<Record<string, unknown>>;
}

/** The file of one answer. Nothing here fails: a journal that cannot be written is a warning. */
export interface Entry {
  /** Takes note of what was said; it is on disk within a moment. */
  readonly note: (delta: Delta) => void;
  /** Length on disk, in UTF-16 units. */
  readonly kept: () => number;
  /** Time of the last line on disk, epoch milliseconds; undefined before the first. */
  readonly writtenAt: () => number | undefined;
  /** From here on whoever finds the file ends the answer like this. */
  readonly ending: (how: "complete" | "aborted", message: Readonly<Record<string, unknown>>) => Effect.Effect<void>;
  /** The end is durable: the file has done its duty. */
  readonly forget: Effect.Effect<void>;
}

export class AnswerJournal extends Context.Service<
  AnswerJournal,
  {
    /** Begins the file of an answer. It is closed with the scope and stays until it is forgotten. */
    readonly begin: (beginning: Beginning) => Effect.Effect<Entry, never, Scope.Scope>;
  }
>()("recollect/publish/AnswerJournal") {}

/** Also told apart: two of these in one process, of which one has ended. */
const token = randomUUID();

/** The file's last event if its end is never told: another id than that of the end its process wanted. */
export const abortedIdOf = (endId: string): string => EventId.fromContent("answer aborted", endId);

/** Words since the last write; neighbours of one part become one. */
const joined = (said: ReadonlyArray<Delta>): ReadonlyArray<Delta> => {
  const together: Array<Delta> = [];
  for (const delta of said) {
    const last = together.at(-1);
    const goesOn =
      last?.type === delta.type &&
      !("signature" in last && last.signature !== undefined) &&
      (last.type !== "tool_use" || (delta.type === "tool_use" && delta.callId === last.callId));
    if (goesOn) together[together.length - 1] = { ...last, ...delta, text: last.text + delta.text } as Delta;
    else together.push(delta);
  }
  return together;
};

const begin = Effect.fnUntraced(function* (
  options: { readonly folder: string; readonly target: string },
  beginning: Beginning,
): Effect.fn.Return<Entry, never, Scope.Scope> {
  const clock = yield* Clock.Clock;
  const header: typeof Header.Type = {
    recollect: "answer",
    version: 1,
    target: options.target,
    pid: process.pid,
    token,
    commandLine: commandLineOf(process.pid),
    ...beginning,
    about: { ...beginning.about },
  };
  let pending: Array<Delta> = [];
  let kept = 0;
  let writtenAt: number | undefined;
  let file: AnswerFile.AnswerFile | undefined;
  let isBroken = false;
  const news = Latch.makeUnsafe(false);
  const writing = Semaphore.makeUnsafe(1);

  /** Does something with the file, once; a file that failed is never written again. */
  const withFile = (use: (there: AnswerFile.AnswerFile) => Promise<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (isBroken) return Effect.void;
      return Effect.tryPromise({
        try: async () => {
          file ??= await AnswerFile.AnswerFile.create(options.folder, beginning.endId, header);
          await use(file);
        },
        catch: (cause) => new AnswerFile.Unwritable(cause),
      }).pipe(
        Effect.catch(({ reason }) => {
          isBroken = true;
          return Effect.logWarning(`An answer is kept by its checkpoints only: its journal failed: ${reason}`);
        }),
      );
    });

  const write = Effect.suspend(() => {
    Latch.closeUnsafe(news);
    const said = joined(pending);
    pending = [];
    if (said.length === 0) return Effect.void;
    const length = said.reduce((sum, { text }) => sum + text.length, 0);
    const at = clock.currentTimeMillisUnsafe();
    return Effect.andThen(
      withFile((there) => there.append({ at, said })),
      Effect.sync(() => {
        if (isBroken) return;
        kept += length;
        writtenAt = at;
      }),
    );
  }).pipe(Effect.uninterruptible, Semaphore.withPermits(writing, 1));

  const writeForEver = Effect.gen(function* () {
    for (;;) {
      yield* Latch.await(news);
      yield* write;
      yield* Effect.sleep(writeMillis);
    }
  });
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      write,
      Effect.promise(async () => file?.close()),
    ),
  );
  yield* Effect.forkScoped(writeForEver);

  return {
    note: (delta) => {
      pending.push(delta);
      Latch.openUnsafe(news);
    },
    kept: () => kept,
    writtenAt: () => writtenAt,
    ending: (how, message) =>
      Effect.andThen(
        write,
        withFile((there) => there.append({ at: clock.currentTimeMillisUnsafe(), ending: how, message })),
      ),
    forget: Effect.sync(() => {
      if (file !== undefined) AnswerFile.remove(file.path);
      isBroken = true;
    }),
  };
});

export interface Options {
  /** The folder of the files; it need not be there. */
  readonly folder: string;
  readonly target: string;
}

export const layer = (options: Options) =>
  Layer.succeed(AnswerJournal, AnswerJournal.of({ begin: (beginning) => begin(options, beginning) }));

const isOwned = ({ pid, token: other, commandLine }: typeof Header.Type): boolean => {
  if (pid === process.pid) return other === token;
  if (!isAlive(pid)) return false;
  const now = commandLineOf(pid);
  // The id may have been given to another program since.
  return now === "" || commandLine === "" || now === commandLine;
};

const decodeHeader = Schema.decodeUnknownResult(Header);
const decodeSpoken = Schema.decodeUnknownResult(Spoken);
const decodeEnded = Schema.decodeUnknownResult(Ended);

/** Fold of the lines behind the header. */
const replay = (lines: ReadonlyArray<unknown>) => {
  const draft = new Draft();
  let at: number | undefined;
  let ended: typeof Ended.Type | undefined;
  for (const line of lines) {
    const spoken = decodeSpoken(line);
    if (Result.isSuccess(spoken)) {
      for (const part of spoken.success.said) draft.add(part as Delta);
      at = spoken.success.at;
      continue;
    }
    const end = decodeEnded(line);
    if (Result.isSuccess(end)) {
      ended = end.success;
      ({ at } = ended);
    }
  }
  return { draft, at, ended };
};

/** The command that a file stands for. */
const commandOf = Effect.fnUntraced(function* (
  header: typeof Header.Type,
  lines: ReadonlyArray<unknown>,
  policy: Policy,
) {
  const { draft, at, ended } = replay(lines);
  const how = ended?.ending ?? "aborted";
  const reason = { metadata: { abortReason: "the process ended" }, stopReason: "aborted" };
  const said = { ...header.message, ...(ended?.message ?? reason), parts: partsOf(draft.parts, how) };
  const { actor } = header.about as About;
  const data = new AuditLevels().audited(policy, "thread.message_appended", said, actor);
  const id = ended === undefined ? abortedIdOf(header.endId) : header.endId;
  const about = { ...(header.about as About), id, ...(at === undefined ? {} : { occurredAt: at }) };
  return yield* compose(
    {
      ...about,
      history: header.history,
      type: "thread.message_appended",
      data: data as unknown as typeof MessageAppended.Type,
    },
    { source: header.source, policy },
  );
});

/**
 * Brings what dead processes were saying into the spool, and returns how many answers. Never fails: what cannot be done
 * now is left where it is, and an unreadable file is set aside.
 */
export const recover = Effect.fn("publish.recoverAnswers")(function* (options: Options, spool: Spool["Service"]) {
  let recovered = 0;
  const policy = yield* policyHere;
  for (const path of AnswerFile.filesIn(options.folder)) {
    const lines = AnswerFile.linesOf(path);
    // A file without a whole line was begun this moment, or its process died in that moment.
    if (lines === undefined || lines.length === 0) continue;
    const header = decodeHeader(lines[0]);
    if (Result.isFailure(header)) {
      yield* Effect.logWarning(`${path} is no answer that this version can read; it is set aside`);
      AnswerFile.setAside(path);
      continue;
    }
    if (header.success.target !== options.target || isOwned(header.success)) continue;
    const command = yield* Effect.result(commandOf(header.success, lines.slice(1), policy()));
    if (Result.isFailure(command)) {
      yield* Effect.logWarning(`${path} holds an answer that no event can hold: ${command.failure.message}`);
      AnswerFile.setAside(path);
      continue;
    }
    const put = yield* Effect.result(spool.put([command.success]));
    if (Result.isFailure(put)) return recovered;
    AnswerFile.remove(path);
    recovered++;
  }
  return recovered;
});
