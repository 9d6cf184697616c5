/**
 * Notices a nats-server that runs but can no longer write, and when the reason has gone.
 *
 * Room: machine.
 *
 * A write error, most often a full disk, freezes a JetStream stream: every later append fails, also when there is room
 * again, until the server is restarted (2.14 and newer; tried with 2.15.1). It shows in the server's health only, which
 * is asked over a connection of the system account: a monitoring port would answer every web page of this machine.
 */
import { Effect, Option } from "effect";
import { statfs } from "node:fs/promises";
import * as NatsProbe from "./NatsProbe.ts";

/** So much must be free before a frozen server is tried again: a block of a stream is at most 8 MB. */
const roomBytes = 16 * 1024 * 1024;

/** The server's words about a failed write; none when all is well, or when it cannot be asked just now. */
const writeError = (where: NatsProbe.Where) =>
  Effect.map(NatsProbe.request({ ...where, subject: "$SYS.REQ.SERVER.PING.HEALTHZ" }), (answer) =>
    Option.flatMap(answer, ({ text }) =>
      text.includes("write error") ? Option.some(/write error: ([^"]*)/.exec(text)?.[1] ?? text) : Option.none(),
    ),
  );

/** Bytes free for this user on the disk of `folder`; a disk that cannot be asked has none. */
export const freeBytes = (folder: string): Effect.Effect<number> =>
  Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map((disk) => disk.bavail * disk.bsize),
    Effect.orElseSucceed(() => 0),
  );

/** Returns, with the server's own words, when the server has frozen. Looks every `everyMillis`. */
export const frozen = (options: {
  readonly where: NatsProbe.Where;
  readonly everyMillis: number;
}): Effect.Effect<string> =>
  Effect.sleep(options.everyMillis).pipe(
    Effect.andThen(writeError(options.where)),
    Effect.flatMap(Option.match({ onNone: () => frozen(options), onSome: Effect.succeed })),
  );

/** Returns when the disk of `folder` has room for a restart to make sense. Looks every `everyMillis`, first then. */
export const room = (options: { readonly folder: string; readonly everyMillis: number }): Effect.Effect<void> =>
  Effect.sleep(options.everyMillis).pipe(
    Effect.andThen(freeBytes(options.folder)),
    Effect.flatMap((free) => (free >= roomBytes ? Effect.void : room(options))),
  );
