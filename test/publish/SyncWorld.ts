/** Threads that a client hands over whole, in a log of memory that can be taken away, and what they come to. */
import { Effect, Layer } from "effect";
import type { Part } from "../../src/domain/thread/Content.ts";
import * as History from "../../src/domain/History.ts";
import { textOf } from "../../src/domain/thread/RepeatedText.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import type { ChatMessage } from "../../src/publish/thread/ChatMessage.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import * as World from "./World.ts";

export const withLog =
  (to = new LogSwitch()) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const publisher = World.publisher({ folder, to, patienceMillis: 10_000 });
      return yield* Effect.scoped(effect).pipe(
        Effect.provide(publisher.pipe(Layer.provideMerge(EventLogMemory.layer))),
      );
    });

export const user = (content: string): ChatMessage => ({ role: "user", content });
export const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

/** The data of each event of a thread. */
export const dataIn = (id: string) =>
  Effect.map(World.eventsOf(History.thread(id)), (events) => events.map(World.dataOf));

/** What the thread says, message by message. */
export const wordsIn = (id: string) =>
  Effect.map(dataIn(id), (events) => events.map(({ parts }) => textOf(parts as ReadonlyArray<Part>)));

export const resentIn = (id: string) => Effect.map(dataIn(id), (events) => events.map(({ resent }) => resent));

export const turns = (count: number): ReadonlyArray<ChatMessage> =>
  Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? user(`Question ${index}?`) : assistant(`Answer ${index}.`),
  );
