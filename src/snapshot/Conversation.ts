/**
 * The whole conversation of a thread as a stream of messages, none of them cut.
 *
 * Room: snapshot. In: domain, log, WholeHistory. Out: ThreadReader.
 *
 * A message may be told in pieces and told again at any distance, and second witnesses count only where nobody tells
 * first-hand: what a message is, is known at the end of the history. So the history is read twice: first for how often
 * each message is told (an id and a number per message in memory), then for the words, and a message leaves as soon as
 * it has been told for the last time and all before it have left. In memory are only those in between.
 */
import { Effect, Result, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import type { MessageSaid } from "../domain/Fact.ts";
import type { Sequence } from "../domain/History.ts";
import { type Carry, noCarry } from "../domain/interpret/Interpreter.ts";
import { factsOfSafely } from "../domain/Thread.ts";
import { tell, type ThreadMessage } from "../domain/ThreadMessage.ts";
import type { LogUnavailable } from "../log/EventLog.ts";
import * as LargeEntry from "../log/LargeEntry.ts";
import * as WholeHistory from "./WholeHistory.ts";

interface Request extends WholeHistory.Request {}

/** What an event says, given what the one before it left behind. A refused event says nothing. */
class Interpreted {
  private carry: Carry = noCarry;

  messages(event: RecordedEvent): ReadonlyArray<MessageSaid> {
    const interpretation = factsOfSafely(event, this.carry);
    if (Result.isFailure(interpretation)) return [];
    this.carry = interpretation.success.carry ?? this.carry;
    return interpretation.success.facts.filter((fact) => fact._tag === "MessageSaid");
  }
}

interface Plan {
  /** How often each message is still to be told. */
  readonly tellings: Map<string, number>;
  readonly isFirstHand: boolean;
  readonly last: Sequence;
}

const plan = Effect.fnUntraced(function* (request: Request): Effect.fn.Return<Plan, LogUnavailable> {
  const firstHand = new Map<string, number>();
  const secondHand = new Map<string, number>();
  const interpreted = new Interpreted();
  let last = 0;
  yield* Stream.runForEach(WholeHistory.read(request), (event) =>
    Effect.map(LargeEntry.placedOrAsItIs(request.log, event), (placed) => {
      last = event.sequence;
      for (const { messageId, secondHand: isSecond } of interpreted.messages(placed)) {
        const told = isSecond === true ? secondHand : firstHand;
        told.set(messageId, (told.get(messageId) ?? 0) + 1);
      }
    }),
  );
  const isFirstHand = firstHand.size > 0;
  return { tellings: isFirstHand ? firstHand : secondHand, isFirstHand, last };
});

/** Puts the tellings together and lets whole messages go, in the order of their first telling. */
const assembler = ({ tellings, isFirstHand }: Plan) => {
  const interpreted = new Interpreted();
  /** A Map keeps the order in which messages began. */
  const open = new Map<string, ThreadMessage>();
  return (event: RecordedEvent): ReadonlyArray<ThreadMessage> => {
    for (const fact of interpreted.messages(event)) {
      if (isFirstHand && fact.secondHand === true) continue;
      open.set(fact.messageId, tell(open.get(fact.messageId), fact, event));
      tellings.set(fact.messageId, (tellings.get(fact.messageId) ?? 1) - 1);
    }
    const whole: Array<ThreadMessage> = [];
    for (const [id, message] of open) {
      if ((tellings.get(id) ?? 0) > 0) break;
      whole.push(message);
      open.delete(id);
    }
    return whole;
  };
};

/** Every message of the history up to `upTo`, as it is at the end of it, in the order in which they began. */
export const messages = (request: Request): Stream.Stream<ThreadMessage, LogUnavailable> =>
  Stream.unwrap(
    Effect.map(plan(request), (planned) => {
      const assemble = assembler(planned);
      return WholeHistory.read({ ...request, upTo: planned.last }).pipe(
        Stream.mapEffect((event) => Effect.map(LargeEntry.placedOrAsItIs(request.log, event), assemble)),
        Stream.flatMap(Stream.fromIterable),
      );
    }),
  );
