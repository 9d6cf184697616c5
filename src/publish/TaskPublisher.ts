/**
 * A task to move, and a session to begin and end.
 *
 * Room: publish.
 *
 * A move that the task's state does not allow is an `IllegalTransition`; one to the status it already has adds nothing
 * and says `Unchanged`. With the log away a move is decided on what this process knows of the task, and decided again
 * when the spool is drained: what turns out illegal then is set aside in the spool, with the reason.
 */
import { Effect } from "effect";
import type { EventData } from "../domain/Event.ts";
import * as History from "../domain/History.ts";
import type { TaskEventName } from "../domain/task/Task.ts";
import type { TaskRequest } from "../domain/task/TaskEvents.ts";
import { type About, type Given, type GivenData, newId } from "./write/NewEvent.ts";
import { Publisher } from "./Publisher.ts";

type Data<Name extends TaskEventName> = GivenData<Name>;

/** The task of that id, or a new one. Naming it writes nothing. */
export const task = Effect.fnUntraced(function* (given?: string) {
  const publisher = yield* Publisher;
  const id = given ?? (yield* newId);
  const history = History.task(id, publisher.tenant);
  const move = <Name extends TaskEventName>(type: Name, data: Data<Name>, about: About = {}) =>
    publisher.publish({ ...about, history, type, data });
  return {
    id,
    /** Submitting the same task again adds nothing. */
    submitted: (request: Given<TaskRequest>, submission: Submission = {}, about?: About) =>
      move("task.submitted", { ...submission, request } as Data<"task.submitted">, about),
    claimed: (data: Data<"task.claimed"> = {}, about?: About) => move("task.claimed", data, about),
    started: (data: Data<"task.started"> = {}, about?: About) => move("task.started", data, about),
    progressed: (data: Data<"task.progressed"> = {}, about?: About) => move("task.progressed", data, about),
    inputRequested: (message?: string, about?: About) => move("task.input_requested", { message }, about),
    resumed: (message?: string, about?: About) => move("task.resumed", { message }, about),
    completed: (output?: unknown, about?: About) => move("task.completed", { output }, about),
    failed: (error: { readonly type: string; readonly message?: string | undefined }, about?: About) =>
      move("task.failed", { error: { ...error, message: error.message ?? null } }, about),
    timedOut: (afterMillis?: number, about?: About) => move("task.timed_out", { afterMillis }, about),
    cancelled: (reason?: string, about?: About) => move("task.cancelled", { reason }, about),
    /** A move with every field its event has. */
    move,
  };
});

export type TaskPublisher = Effect.Success<ReturnType<typeof task>>;

export interface Submission extends Omit<Given<EventData<"task.submitted">>, "request"> {}

/** Properties of a new session; its id is a new UUIDv7 where it has none. */
export interface StartingSession extends Given<EventData<"session.started">> {
  readonly id?: string | undefined;
}

/** Begins a session: a client and a server talk for a while. */
export const startSession = Effect.fn("publish.startSession")(function* (
  data: StartingSession = {},
  about: About = {},
) {
  const publisher = yield* Publisher;
  const { id, ...started } = data;
  const sessionId = id ?? (yield* newId);
  const history = History.session(sessionId, publisher.tenant);
  const published = yield* publisher.publish({
    session: sessionId,
    ...about,
    history,
    type: "session.started",
    data: started,
  });
  return {
    id: sessionId,
    published,
    ended: (ending: Given<EventData<"session.ended">>, given: About = {}) =>
      publisher.publish({ session: sessionId, ...given, history, type: "session.ended", data: ending }),
  };
});

export type SessionPublisher = Effect.Success<ReturnType<typeof startSession>>;
