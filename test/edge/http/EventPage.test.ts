import { assert, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { eventPage } from "../../../src/edge/http/handlers/EventPage.ts";
import { said } from "../../projection/StubLog.ts";

const reading = (logged: number, waiting: number) =>
  Stream.fromIterable([
    ...Array.from({ length: logged }, (_, at) => ({ event: said(at + 1, "logged"), isWaiting: false })),
    ...Array.from({ length: waiting }, () => ({ event: said(0, "waiting"), isWaiting: true })),
  ]);

it.effect("a page has a next one exactly when the log has more, and all that waits stands on the last", () =>
  Effect.gen(function* () {
    for (const [logged, waiting, shown, next] of [
      [0, 0, 0, undefined],
      [3, 0, 3, undefined],
      [4, 0, 3, 3],
      [3, 5, 8, undefined],
      [0, 5, 5, undefined],
      [4, 5, 3, 3],
    ] as const) {
      const page = yield* eventPage(reading(logged, waiting), 3);
      assert.deepStrictEqual({ shown: page.events.length, next: page.next }, { shown, next });
    }
  }),
);
