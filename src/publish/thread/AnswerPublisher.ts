/**
 * An answer that is said bit by bit: one message in the log, however many deltas it came in.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/Answer.test.ts`:
 * - a complete answer is one event that holds all of it, as if it had come whole; at most nine events before it say
 *   what was there so far, under the same message id, with the stop reason `unfinished`;
 * - an answer that is aborted, or whose scope closes, is kept up to its last delta, with the stop reason `aborted`;
 * - an answer whose process is killed is kept up to the last second on this machine's disk (`AnswerJournal`) and reaches
 *   the log through the next process of the data folder, or through the daemon; another machine sees the last checkpoint;
 * - tokens are counted once, at the end; a tool whose arguments broke off was never called;
 * - what no event can hold is refused when it is said, be it the beginning, a delta or the completion, and the answer is
 *   as if it had not been said: it goes on.
 *
 * Decision: checkpoints after 1, 3, 9, 27 … seconds, each with all that was said so far. A bound of ten events for an
 * answer of any length cannot keep the last second too, so the disk does that, and a checkpoint bounds what is lost
 * with the whole machine: two thirds of the answer's time. By threes nine of them reach over 1.8 hours, and all of them
 * together repeat at most 1.5 times the text. Segments with only what is new would cost as much beside the whole
 * message at the end, and every reader in every language would have to join them.
 */
import { Clock, Deferred, Effect, Exit, Fiber, Latch, Option, Scope, Semaphore, Stream } from "effect";
import type { EventData } from "../../domain/Event.ts";
import { DeltaGate } from "../storing/DeltaGate.ts";
import { type Delta, Draft, type DraftPart, type GivenDelta, isDelta, partsOf } from "../../domain/thread/Draft.ts";
import type { History } from "../../domain/History.ts";
import { Live } from "../../log/live/Live.ts";
import { AnswerJournal, type Entry } from "./AnswerJournal.ts";
import { type About, compose, type Given, newId } from "../write/NewEvent.ts";
import { InvalidEvent } from "../write/InvalidEvent.ts";
import type { Published, Publisher, PublishError } from "../Publisher.ts";

type Message = Given<EventData<"thread.message_appended">>;

/** Properties of an answer before its first word. */
export type Beginning = Omit<Message, "messageId" | "parts" | "usage" | "stopReason"> & {
  /** Default: the id of the answer's last event. */
  readonly messageId?: string | undefined;
};

/** Properties of a completed answer. `stopReason` defaults to `stop`. */
export type Completion = Partial<Omit<Message, "messageId" | "parts" | "role">>;

/** Events before the last one of an answer. With it there are ten. */
export const mostCheckpoints = 9;
/** Longest wait for the end of an answer whose scope closes: what a publisher takes for outstanding calls. */
const closeMillis = 5_000;
const firstCheckpointMillis = 1_000;
const checkpointFactor = 3;

/** Due time of the checkpoint of that number, milliseconds after the first delta. */
const dueAfter = (checkpoint: number): number => firstCheckpointMillis * checkpointFactor ** checkpoint;

export interface Answer {
  readonly messageId: string;
  /**
   * Says a little more; a string is text, `undefined` and `null` say nothing. False when the answer has ended and nothing
   * was taken. Returns at once: it is on this machine's disk within a moment, in the log with the next checkpoint or the
   * end. Fails with what is no delta.
   */
  readonly delta: (delta: GivenDelta) => Effect.Effect<boolean, InvalidEvent>;
  /** Says everything of a stream. If the stream fails the answer is aborted with what came, and the failure is the caller's. */
  readonly deltas: <E, R>(stream: Stream.Stream<GivenDelta, E, R>) => Effect.Effect<void, E | PublishError, R>;
  /** Ends it: the whole message, durable. Ending it again gives what became of the first end. */
  readonly complete: (completion?: Completion) => Effect.Effect<Published, PublishError>;
  /** Ends it in the middle: kept up to here. */
  readonly abort: (reason?: string) => Effect.Effect<Published, PublishError>;
  /** Text so far, without thoughts and tool calls. */
  readonly text: () => string;
  /** Length on this machine's disk or in the log, in UTF-16 units; the rest would be lost with the process. */
  readonly kept: () => number;
}

interface Parts {
  readonly publisher: Publisher["Service"];
  readonly history: History;
  readonly about: About;
  readonly message: Beginning & { readonly messageId: string };
  readonly endId: string;
  readonly journal: AnswerJournal["Service"] | undefined;
  readonly live: Live["Service"] | undefined;
  readonly clock: Clock.Clock;
  /** The answer's own: its fibers, its file, its place among those who answer watchers. */
  readonly scope: Scope.Closeable;
}

class Saying {
  readonly #parts: Parts;
  readonly #draft = new Draft();
  /** Neither disk nor watchers are told of a secret, whatever it was cut into. */
  readonly #gate: DeltaGate;
  readonly #begun = Latch.makeUnsafe(false);
  readonly #end = Deferred.makeUnsafe<Published, PublishError>();
  readonly #ending = Semaphore.makeUnsafe(1);
  #entry: Entry | undefined;
  #number = 0;
  #checkpointed = 0;
  #saidAt: number | undefined;
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#gate = new DeltaGate(parts.publisher.policy().stored);
  }

  get text(): string {
    return this.#draft.parts.flatMap(({ type, text }) => (type === "text" ? [text] : [])).join("\n");
  }

  get kept(): number {
    return Math.max(this.#checkpointed, this.#entry?.kept() ?? 0);
  }

  /** Everything that waits for the first delta. */
  get begin(): Effect.Effect<void> {
    const { history, live, message, scope } = this.#parts;
    const { messageId } = message;
    const soFar = () => ({
      messageId,
      number: this.#number,
      role: message.role,
      model: message.model ?? null,
      parts: this.#draft.parts,
    });
    return Effect.gen({ self: this }, function* () {
      yield* this.#beginJournal;
      if (live !== undefined) yield* live.answerFor(history, messageId, soFar);
      yield* Effect.forkScoped(this.#checkpoints);
    }).pipe(Scope.provide(scope));
  }

  get #beginJournal(): Effect.Effect<void, never, Scope.Scope> {
    const { about, endId, history, journal, message, publisher } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      if (journal === undefined) return;
      const { source, ...own } = publisher.speaks;
      const { id: _, ...said } = about;
      this.#entry = yield* journal.begin({ history, endId, source, about: { ...own, ...said }, message });
    });
  }

  add(given: GivenDelta): boolean {
    if (this.#isOver || given == null) return !this.#isOver;
    const delta: Delta = typeof given === "string" ? { type: "text", text: given } : given;
    for (const one of this.#gate.add(delta)) this.#say(one);
    return true;
  }

  /** Decides what was held back: nothing follows it. */
  #letGo(): void {
    for (const one of this.#gate.end()) this.#say(one);
  }

  #say(delta: Delta): void {
    const { history, live, message } = this.#parts;
    const { part, offset } = this.#draft.add(delta);
    this.#saidAt = this.#parts.clock.currentTimeMillisUnsafe();
    this.#entry?.note(delta);
    const number = this.#number++;
    // JSON leaves out what is undefined.
    const said = delta as DraftPart;
    live?.tell(history, { _tag: "Delta", messageId: message.messageId, number, part, offset, delta: said });
    if (number === 0) Latch.openUnsafe(this.#begun);
  }

  /** One after another, until the answer is over. One that fails costs nothing: the next, or the end, says it too. */
  get #checkpoints(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* Latch.await(this.#begun);
      for (let checkpoint = 0; checkpoint < mostCheckpoints; checkpoint++) {
        const before = checkpoint === 0 ? 0 : dueAfter(checkpoint - 1);
        yield* Effect.sleep(dueAfter(checkpoint) - before);
        // The end is on its way: what is said of the answer after it would stand in its place.
        if (this.#isOver) return;
        const { length } = this.#draft;
        if (length === this.#checkpointed) continue;
        // No later than the journal's last line: should the process be killed in a pause, the end made of the journal is
        // no older than this, and stands in its place.
        const occurredAt = this.#entry?.writtenAt() ?? this.#saidAt;
        const unfinished = this.#publish("unfinished", { stopReason: "unfinished" }, { occurredAt });
        const published = yield* Effect.exit(unfinished);
        if (Exit.isSuccess(published) && published.value._tag !== "Held") this.#checkpointed = length;
      }
    });
  }

  /** True where an event could hold it, asked before anything is made of it. */
  check(more: Completion = {}): Effect.Effect<void, InvalidEvent> {
    const { about, history, message, publisher } = this.#parts;
    const data = { ...message, ...more, parts: [] };
    const writing = { source: publisher.speaks.source, policy: publisher.policy() };
    return Effect.asVoid(compose({ ...about, history, type: "thread.message_appended", data }, writing));
  }

  #publish(ending: "unfinished" | "aborted" | "complete", more: Completion, own: Pick<About, "id" | "occurredAt">) {
    const { about, history, message, publisher } = this.#parts;
    const data = { ...message, ...more, parts: partsOf(this.#draft.parts, ending) };
    return publisher.publish({
      occurredAt: own.occurredAt,
      ...about,
      id: own.id,
      history,
      type: "thread.message_appended",
      data,
    });
  }

  /** Ends the answer, once. An end that was not accepted may be tried again. */
  end(ending: "aborted" | "complete", more: Completion): Effect.Effect<Published, PublishError> {
    const { endId, history, live, message, scope } = this.#parts;
    const once = Effect.gen({ self: this }, function* () {
      const earlier = yield* Deferred.poll(this.#end);
      if (Option.isSome(earlier)) return yield* earlier.value;
      yield* this.check(more);
      this.#letGo();
      this.#isOver = true;
      // A finder of the journal from here on ends the answer like this, with this id.
      yield* this.#entry?.ending(ending, more) ?? Effect.void;
      const published = yield* this.#publish(ending, more, { id: endId });
      // In memory only: the file still knows what this process must not forget.
      if (published._tag !== "Held") yield* this.#entry?.forget ?? Effect.void;
      const number = this.#number;
      live?.tell(history, { _tag: "Ended", messageId: message.messageId, number, ending });
      Deferred.doneUnsafe(this.#end, Effect.succeed(published));
      yield* Scope.close(scope, Exit.void);
      return published;
    });
    return once.pipe(Effect.uninterruptible, Semaphore.withPermits(this.#ending, 1));
  }
}

const aborted = (reason: string): Completion => ({ stopReason: "aborted", metadata: { abortReason: reason } });

const noDelta = new InvalidEvent({
  type: "thread.message_appended",
  message: "This is no delta; nothing of it was taken, and the answer goes on.",
  hint: 'Say a text, { type: "text" | "thinking", text } or { type: "tool_use", callId, name, text }.',
});

/** Begins an answer. Nothing is written before its first delta; an answer without an end is aborted when the scope closes. */
export const answer = Effect.fnUntraced(function* (options: {
  readonly publisher: Publisher["Service"];
  readonly history: History;
  readonly about: About;
  readonly beginning: Beginning;
}): Effect.fn.Return<Answer, InvalidEvent, Scope.Scope> {
  const { publisher, history, about, beginning } = options;
  const endId = about.id ?? (yield* newId);
  const messageId = beginning.messageId ?? endId;
  const scope = yield* Scope.make();
  const saying = new Saying({
    publisher,
    history,
    about,
    endId,
    message: { ...beginning, messageId },
    journal: Option.getOrUndefined(yield* Effect.serviceOption(AnswerJournal)),
    live: Option.getOrUndefined(yield* Effect.serviceOption(Live)),
    clock: yield* Clock.Clock,
    scope,
  });
  yield* saying.check();
  yield* saying.begin;
  const abort = Effect.fn("publish.abortAnswer")((reason = "aborted") => saying.end("aborted", aborted(reason)));
  // A publisher that was closed before does not answer: the file then says the end to the next process.
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(Effect.forkDetach(abort("its scope was closed")), (ending) =>
      Effect.timeoutOption(Fiber.await(ending), closeMillis),
    ),
  );
  const take = (delta: GivenDelta) =>
    Effect.suspend(() => (isDelta(delta) ? Effect.succeed(saying.add(delta)) : Effect.fail(noDelta)));
  return {
    messageId,
    delta: take,
    deltas: (stream) =>
      Stream.runForEachWhile(stream, take).pipe(Effect.onError(() => Effect.ignore(abort("its deltas broke off")))),
    complete: Effect.fn("publish.completeAnswer")((completion: Completion = {}) =>
      saying.end("complete", { ...completion, stopReason: completion.stopReason ?? "stop" }),
    ),
    abort,
    text: () => saying.text,
    kept: () => saying.kept,
  };
});
