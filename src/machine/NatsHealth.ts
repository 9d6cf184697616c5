/**
 * Notices a nats-server that runs but can no longer write, and when the reason has gone.
 *
 * Room: machine.
 *
 * A write error, most often a full disk, freezes a JetStream stream: every later append fails, also when there is room
 * again, until the server is restarted (2.14 and newer; tried with 2.15.1). It shows in `/healthz` only.
 */
import { Effect, Option } from "effect";
import { statfs } from "node:fs/promises";

/** So much must be free before a frozen server is tried again: a block of a stream is at most 8 MB. */
const roomBytes = 16 * 1024 * 1024;
const answerWithinMillis = 2_000;

/** What `/healthz` says of a failed write; none when all is well, or when it cannot be asked just now. */
const writeError = (monitorUrl: string) =>
  Effect.tryPromise(async (signal) => (await fetch(`${monitorUrl}/healthz`, { signal })).text()).pipe(
    Effect.timeout(answerWithinMillis),
    Effect.option,
    Effect.map(Option.filter((answer) => answer.includes("write error"))),
    Effect.map(Option.map((answer) => /write error: ([^"]*)/.exec(answer)?.[1] ?? answer)),
  );

/** Bytes free for this user on the disk of `folder`; a disk that cannot be asked has none. */
export const freeBytes = (folder: string): Effect.Effect<number> =>
  Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map((disk) => disk.bavail * disk.bsize),
    Effect.orElseSucceed(() => 0),
  );

/** Returns, with the server's own words, when the server has frozen. Looks every `everyMillis`. */
export const frozen = (options: { readonly monitorUrl: string; readonly everyMillis: number }): Effect.Effect<string> =>
  Effect.sleep(options.everyMillis).pipe(
    Effect.andThen(writeError(options.monitorUrl)),
    Effect.flatMap(Option.match({ onNone: () => frozen(options), onSome: Effect.succeed })),
  );

/** Returns when the disk of `folder` has room for a restart to make sense. Looks every `everyMillis`, first then. */
export const room = (options: { readonly folder: string; readonly everyMillis: number }): Effect.Effect<void> =>
  Effect.sleep(options.everyMillis).pipe(
    Effect.andThen(freeBytes(options.folder)),
    Effect.flatMap((free) => (free >= roomBytes ? Effect.void : room(options))),
  );
