/**
 * An answer that is said bit by bit, for programs that speak in promises.
 *
 * Room: client.
 */
import { Effect, Exit, Scope, Stream } from "effect";
import type { GivenDelta } from "../domain/thread/Draft.ts";
import type { Answer, Completion } from "../publish/thread/AnswerPublisher.ts";
import type { Published } from "../publish/Publisher.ts";
import { asAsyncIterable, asObject } from "./Given.ts";
import type { PromiseRunner } from "./PromiseRunner.ts";
import type { Answering, ThreadPublisher } from "../publish/thread/ThreadPublisher.ts";

export class RecollectAnswer {
  readonly #runner: PromiseRunner;
  readonly #answer: Answer;
  readonly #scope: Scope.Closeable;
  readonly #ended: () => void;

  constructor(runner: PromiseRunner, thread: ThreadPublisher, message: Answering) {
    this.#runner = runner;
    this.#scope = runner.now(Scope.make());
    // Nothing is written before the first delta, so there is nothing to wait for.
    this.#answer = runner.sync(Scope.provide(thread.answer(asObject(message, "answer")), this.#scope));
    this.#ended = runner.keep(() => this.abort("its program closed Recollect"));
  }

  get messageId(): string {
    return this.#answer.messageId;
  }

  /** The words so far, without thoughts and tool calls. */
  get text(): string {
    return this.#answer.text();
  }

  /** Length that would survive a crash now, in UTF-16 units: on this machine's disk, or in the log. */
  get kept(): number {
    return this.#answer.kept();
  }

  /**
   * Says a little more; a string is text, `undefined` and `null` say nothing. False when the answer has ended and nothing
   * was taken. Throws `InvalidEvent` for what is no delta, and goes on without it.
   */
  delta(delta: GivenDelta): boolean {
    return this.#runner.sync(this.#answer.delta(delta));
  }

  /** Says everything that comes. If it breaks off, the answer is aborted with what came and the promise rejects. */
  async deltas(source: AsyncIterable<GivenDelta>): Promise<void> {
    const stream = Stream.fromAsyncIterable(asAsyncIterable(source, "deltas"), (error) => error);
    await this.#runner.run(Effect.asVoid(this.#answer.deltas(stream)));
  }

  /** Ends the answer: the whole message in one event. Ending it again gives what became of the first end. */
  complete(completion: Completion = {}): Promise<Published> {
    return this.#over(this.#answer.complete(completion));
  }

  /** Ends it in the middle: kept up to here, with the stop reason `aborted`. */
  abort(reason?: string): Promise<Published> {
    return this.#over(this.#answer.abort(reason));
  }

  /** For `await using`: aborted unless it was ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort("its scope was closed");
  }

  #over(end: ReturnType<Answer["complete"]>): Promise<Published> {
    const closed = Effect.tap(end, () => {
      this.#ended();
      return Scope.close(this.#scope, Exit.void);
    });
    return this.#runner.publish(closed);
  }
}
