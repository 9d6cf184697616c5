/**
 * The whole conversation of a thread as a stream of messages, none of them cut.
 *
 * Room: snapshot.
 *
 * A message may be told in pieces and told again at any distance, and second witnesses count only without a first one that tells
 * first-hand: what a message is, is known at the end of the history. So the history is read twice: first for how often
 * each message is told (an id and a number per message in memory), then for the words, and a message leaves as soon as
 * it has been told for the last time and all before it have left. In memory are only those in between.
 *
 * Decision: a history of up to 8 MiB is read once and its messages kept in memory until its end, because reading and
 * interpreting it again is half of the time: 10,000 short messages take 140 ms of processor instead of 280.
 */
import { Effect, Result, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import type { MessageSaid, TokensUsed } from "../domain/Fact.ts";
import type { Sequence } from "../domain/History.ts";
import { type Carry, noCarry } from "../domain/interpret/Interpreter.ts";
import { factsOfSafely } from "../domain/thread/Thread.ts";
import { tell, type ThreadMessage } from "../domain/thread/ThreadMessage.ts";
import { withUsage } from "../domain/Tokens.ts";
import type { LogUnavailable } from "../log/EventLog.ts";
import * as LargeEntry from "../log/read/LargeEntry.ts";
import * as Replay from "./Replay.ts";
import * as WholeHistory from "./WholeHistory.ts";

interface Request extends WholeHistory.Request {
  /** Events that this machine has accepted and the log may not have yet, in order: they stand at the end. */
  readonly waiting?: ReadonlyArray<RecordedEvent> | undefined;
}

/** The history, and behind it what waits and is not in it. `reached` is told the last sequence of the log's own. */
const read = (request: Request, reached: (sequence: Sequence) => void) => {
  const { waiting = [] } = request;
  const left = new Map(waiting.map((event) => [event.id, event]));
  let last = 0;
  const seen = ({ id, sequence }: RecordedEvent) => {
    last = sequence;
    left.delete(id);
    reached(sequence);
  };
  const inLog = Stream.mapArray(WholeHistory.read(request), (events) => {
    events.forEach(seen);
    return events;
  });
  const behind = Stream.suspend(() =>
    Stream.fromIterable([...left.values()].map((event, index) => ({ ...event, sequence: last + 1 + index }))),
  );
  return Stream.concat(inLog, behind);
};

/** Facts that a message is made of. */
type Telling = MessageSaid | (TokensUsed & { readonly messageId: string });

/** Facts of an event, given the memory after the one before it. A refused event has none. */
class Interpreted {
  private carry: Carry = noCarry;

  messages(event: RecordedEvent): ReadonlyArray<Telling> {
    const interpretation = factsOfSafely(event, this.carry);
    if (Result.isFailure(interpretation)) return [];
    this.carry = interpretation.success.carry ?? this.carry;
    return interpretation.success.facts.filter(
      (fact): fact is Telling =>
        fact._tag === "MessageSaid" || (fact._tag === "TokensUsed" && fact.messageId !== undefined),
    );
  }
}

/** Messages put together as they are told, in the order in which they began: a Map keeps it. */
type Told = Map<string, ThreadMessage>;

const tellTo = (told: Told, fact: Telling, event: RecordedEvent) => {
  const message = told.get(fact.messageId);
  if (fact._tag === "MessageSaid") told.set(fact.messageId, tell(message, fact, event));
  else if (message !== undefined) told.set(fact.messageId, { ...message, usage: withUsage(message.usage, fact.usage) });
};

interface Plan {
  /** Tellings of each message that are still to come. */
  readonly tellings: Map<string, number>;
  readonly isFirstHand: boolean;
  readonly last: Sequence;
  /** All of it, where it is little enough to be kept. */
  readonly whole: Told | undefined;
}

/** Bodies whose messages are kept in memory until the end of the history; on the heap they take about three times as much. */
const mostKeptBytes = 8 * 1024 * 1024;

const plan = Effect.fnUntraced(function* (request: Request): Effect.fn.Return<Plan, LogUnavailable> {
  const firstHand = { tellings: new Map<string, number>(), told: new Map() as Told };
  const secondHand = { tellings: new Map<string, number>(), told: new Map() as Told };
  const interpreted = new Interpreted();
  let room = mostKeptBytes;
  let last = 0;
  const look = (event: RecordedEvent) => {
    room -= event.body.byteLength;
    for (const fact of interpreted.messages(event)) {
      const { tellings, told } = fact.secondHand === true ? secondHand : firstHand;
      const before = tellings.get(fact.messageId);
      // Tokens of a message that was not said, or not yet, are none of its.
      if (before === undefined && fact._tag === "TokensUsed") continue;
      tellings.set(fact.messageId, (before ?? 0) + 1);
      if (room >= 0) tellTo(told, fact, event);
      else told.clear();
    }
  };
  const reached = (sequence: Sequence) => {
    last = sequence;
  };
  yield* Stream.runForEachArray(read(request, reached), (events) => Replay.eachPlaced(request.log, events, look));
  const isFirstHand = firstHand.tellings.size > 0;
  const { tellings, told } = isFirstHand ? firstHand : secondHand;
  return { tellings, isFirstHand, last, whole: room >= 0 ? told : undefined };
});

/** Puts the tellings together and lets whole messages go, in the order of their first telling. */
const assembler = ({ tellings, isFirstHand }: Plan) => {
  const interpreted = new Interpreted();
  const open: Told = new Map();
  return (event: RecordedEvent): ReadonlyArray<ThreadMessage> => {
    for (const fact of interpreted.messages(event)) {
      if (isFirstHand === (fact.secondHand === true)) continue;
      if (fact._tag === "TokensUsed" && !open.has(fact.messageId)) continue;
      tellTo(open, fact, event);
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
      if (planned.whole !== undefined) return Stream.fromIterable(planned.whole.values());
      const assemble = assembler(planned);
      return read({ ...request, upTo: planned.last }, () => undefined).pipe(
        Stream.mapEffect((event) => Effect.map(LargeEntry.placedOrAsItIs(request.log, event), assemble)),
        Stream.flatMap(Stream.fromIterable),
      );
    }),
  );
