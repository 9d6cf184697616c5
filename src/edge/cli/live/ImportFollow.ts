/**
 * `recollect import --follow`: what is there, then what agents write, until it is ended.
 *
 * Room: edge.
 */
import { Effect, Path, Stdio } from "effect";
import { Prompt } from "effect/cli";
import { agentRoots } from "../../import/follow/AgentRoots.ts";
import type { News } from "../../import/follow/Follow.ts";
import { followKept } from "../../import/follow/FollowKept.ts";
import { followed } from "../../import/follow/FollowStatus.ts";
import type { Watched } from "../../import/follow/FolderWatch.ts";
import type { ImportReport } from "../../import/Report.ts";
import { Attach } from "../Attach.ts";
import { BadRequest } from "../Failure.ts";
import { where } from "../Flags.ts";
import { onThisMachine, placesTable, stampsOfStore } from "../OnThisMachine.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";

export interface FollowInput {
  readonly paths: ReadonlyArray<string>;
  readonly tenant: string;
  readonly yes: boolean;
  readonly json: boolean;
}

/** The places of this machine, once a person or `--yes` wants them. */
const wanted = Effect.fnUntraced(function* ({ tenant, yes }: FollowInput) {
  const places = yield* onThisMachine(yield* stampsOfStore(tenant)).pipe(Effect.scoped);
  for (const row of placesTable(places)) yield* Output.note(row);
  const question = "Import what is there, and follow the places of all agents?";
  const stdio = yield* Stdio.Stdio;
  const canAsk = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal);
  if (!yes && !canAsk)
    return yield* new BadRequest({ message: question, hint: "Say --yes to follow them, or name a path." });
  return yes || (yield* Prompt.run(Prompt.Confirm({ message: question, initial: true })));
});

const began = Effect.fnUntraced(function* (report: ImportReport, watched: Watched, isJson: boolean) {
  const { files, folders, polled } = watched;
  if (isJson) return yield* Output.json({ following: true, files, folders, polled, report });
  const { eventsAppended, refused } = report;
  yield* Output.note(
    `Imported ${Output.counted(eventsAppended, "new entry", "new entries")} of ${Output.counted(files, "file")}.`,
  );
  if (refused.length > 0)
    yield* Output.note(`${Output.counted(refused.length, "refusal")}: recollect import says which.`);
  const how = polled === 0 ? "" : `, ${Output.count(polled)} of them polled`;
  yield* Output.note(`Following ${Output.counted(folders, "folder")}${how}. Ctrl-C ends it; what is there is on disk.`);
  return undefined;
});

const line = ({ at, events, kept, path, refused }: News): string => {
  const why = [...refused, ...kept].map(
    ({ line: number, reason }) => `${number === undefined ? "" : `line ${number}: `}${reason}`,
  );
  return [new Date(at).toLocaleTimeString("sv"), `+${events}`.padStart(5), path, ...why].join("  ");
};

export const followTranscripts = Effect.fn("cli.follow")(function* (input: FollowInput) {
  const attach = yield* Attach;
  const path = yield* Path.Path;
  const { root } = yield* Effect.flatMap(where, attach.folder);
  const [other] = yield* followed(root);
  if (other !== undefined)
    yield* Output.note(
      `Process ${other.pid} follows ${Output.counted(other.files, "file")} already: recollect sources.`,
    );
  if (input.paths.length === 0 && !(yield* wanted(input))) return undefined;
  const bar = yield* Progress.make();
  const named = input.paths.map((one) => ({ path: path.resolve(one) }));
  const services = yield* Effect.context<never>();
  const say = (news: News): void => {
    const told = input.json ? Output.json(news) : Output.line(line(news));
    Effect.runSyncWith(services)(told);
  };
  return yield* followKept({
    folder: root,
    tenant: input.tenant,
    roots: named.length > 0 ? Effect.succeed(named) : agentRoots,
    onProgress: ({ bytes, file, files, totalBytes, totalFiles }) =>
      bar.show({ done: bytes, total: totalBytes, what: `${files}/${totalFiles} ${file}` }),
    onBegun: (report, watched) =>
      Effect.andThen(
        Effect.sync(() => bar.clear()),
        began(report, watched, input.json),
      ),
    onNews: say,
  }).pipe(Effect.onInterrupt(() => Output.note("Ended. Everything read so far is on disk.")));
});
