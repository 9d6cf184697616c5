/**
 * Records what journals of wrapped sessions hold whose processes could not: killed, too slow, or with no disk for the spool.
 *
 * Room: edge.
 *
 * Run by the daemon (`layer`), and by a process of its own that a session leaves behind when it ends (`ReplayProcess`). Ids follow from session and place, so what was recorded before is there
 * once, and two that read one journal at the same moment do no harm.
 */
import { Cause, Effect, Layer, Result } from "effect";
import { renameSync, rmSync } from "node:fs";
import * as Connect from "../../publish/Connect.ts";
import { endIdOf, type Held, Sessions } from "../../coordination/sessions/Sessions.ts";
import * as History from "../../domain/History.ts";
import { commandLineOf, isAlive } from "../../machine/Processes.ts";
import { Publisher } from "../../publish/Publisher.ts";
import * as Journal from "./Journal.ts";
import { Lines } from "./Lines.ts";
import type { Ended } from "./Messages.ts";
import { record } from "./Record.ts";
import { seeing } from "./Protocol.ts";
import type { Direction, Moment, Observation } from "./Traffic.ts";

/** A session that is over: its beginning and its end are events, and it has no presence. */
const ended = Effect.gen(function* () {
  const publisher = yield* Publisher;
  return Sessions.of({
    active: Effect.succeed([]),
    register: Effect.fnUntraced(function* (options = {}, about = {}) {
      const { id = "", ...said } = options;
      const history = History.session(id, publisher.tenant);
      const { eventId } = yield* publisher.publish({ ...about, history, type: "session.started", data: said });
      const end: Held["end"] = (ending, given = {}) => {
        const attributes = { ...about, ...given, id: endIdOf(history, eventId) };
        return Effect.asVoid(publisher.publish({ ...attributes, history, type: "session.ended", data: ending }));
      };
      return { id, join: () => Effect.void, leave: () => Effect.void, end };
    }),
  });
});

/** No disk took it, and one may later. An observation that no event can hold is in no log, however often it is tried. */
const isKept = (result: Result.Result<unknown, { readonly _tag: string }>): boolean =>
  Result.isFailure(result) && result.failure._tag === "NotAccepted";

/** Events that are under way at once: the publisher keeps their order. */
const mostTogether = 500;

/** All of a journal; how many of its events were not accepted. */
const replay = Effect.fnUntraced(function* ({ frames, header }: Journal.Opened) {
  const publisher = yield* Publisher;
  const { options, state } = header;
  const traffic = seeing(options.protocol, state);
  const lines: Record<Direction, Lines> = { toServer: new Lines(), toClient: new Lines() };
  const recording = yield* record({ options, traffic, isAgain: true }).pipe(
    Effect.provideServiceEffect(Sessions, ended),
  );
  let lost = 0;
  let begun = 0;
  const publish = Effect.fnUntraced(function* (observations: ReadonlyArray<Observation>) {
    for (const event of observations.flatMap(recording.observed)) {
      const counted = Effect.tap(Effect.result(event), (result) =>
        Effect.sync(() => {
          if (isKept(result)) lost++;
        }),
      );
      yield* Effect.forkChild(counted, { startImmediately: true });
      if (++begun % mostTogether === 0) yield* publisher.flush;
    }
  });
  if (state?.hasStarted === true) yield* publish(traffic.again(options.started));
  let last: Moment = options.started;
  let how: Ended | undefined;
  for (const frame of frames) {
    last = frame.at;
    if (frame._tag === "Ended") how = frame.ended;
    else
      for (const line of lines[frame.direction].take(frame.bytes))
        yield* publish(traffic.see(frame.direction, line, frame.at));
  }
  const line = lines.toClient.end();
  if (line !== undefined) yield* publish(traffic.see("toClient", line, last));
  yield* publish(traffic.end(last));
  yield* publisher.flush;
  const end = yield* Effect.result(recording.ended(how ?? { code: null, signal: "SIGKILL" }, last));
  return lost + Number(isKept(end));
}, Effect.scoped);

/** True when its session is over: its process is gone, or has said so. */
const isOver = (path: string, { commandLine, pid }: Journal.Header): boolean => {
  // The id may have been given to another program since.
  const isGone = !isAlive(pid) || (commandLine !== "" && commandLineOf(pid) !== commandLine);
  return isGone || Journal.isWhole(path);
};

/** Records one journal whose session is over, for the log that it was meant for. True when all of it was. */
const recorded = Effect.fnUntraced(function* (root: string, path: string) {
  const opened = yield* Effect.result(Effect.try(() => Journal.open(path)));
  if (Result.isFailure(opened)) {
    // Gone meanwhile: another process was quicker.
    const { cause } = opened.failure;
    const isGone = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (!isGone) yield* Effect.logWarning(`${path} cannot be read: ${String(cause)}`);
    return false;
  }
  if (opened.success === undefined) {
    yield* Effect.logWarning(`${path} is no journal that this version can read; it is set aside`);
    yield* Effect.ignore(Effect.try(() => renameSync(path, `${path}.unreadable`)));
    return false;
  }
  const { close, header } = opened.success;
  const { options } = header;
  if (!isOver(path, header)) {
    close();
    return false;
  }
  const { access, tenant, url } = options;
  const place = { url, data: root, tenant, access, source: "recollect/wrap" };
  const lost = yield* replay(opened.success).pipe(
    Effect.provide(Connect.layer(place)),
    Effect.scoped,
    Effect.ensuring(Effect.sync(close)),
  );
  if (lost === 0) rmSync(path, { force: true });
  else yield* Effect.logWarning(`${path}: ${lost === 1 ? "1 event was" : `${lost} events were`} not accepted yet`);
  return lost === 0;
});

/** Every journal of the folder whose session is over. Returns how many were recorded; one that cannot be keeps no other from it. */
export const all = Effect.fn("wrap.replay")(function* (root: string) {
  let done = 0;
  for (const path of Journal.journals(root)) {
    const isDone = yield* recorded(root, path).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.as(Effect.logError(`${path} cannot be recorded now`, cause), false),
      ),
    );
    if (isDone) done++;
  }
  return done;
});

/** Poll interval of the daemon, milliseconds. */
const lookMillis = 10_000;

/** For as long as the scope is open. */
export const layer = (root: string) =>
  Layer.effectDiscard(Effect.forkScoped(Effect.forever(Effect.andThen(all(root), Effect.sleep(lookMillis)))));
