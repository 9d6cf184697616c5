/**
 * A large stream in which a short and a long history lie scattered, and the ledger that a projector makes of it: 1,000,000
 * events of 10,000 threads, or as many as `RECOLLECT_BENCH_EVENTS` says.
 *
 * Made once for all rows that ask for it. The server may forget an fsync here (`sync_interval` of minutes), because what
 * is measured is reading.
 */
import { Context, Effect, Layer, Scope } from "effect";
import { join } from "node:path";
import { ledger } from "../projections/ledger.ts";
import type { NewEvent } from "../src/domain/Event.ts";
import { type History, type Sequence, thread } from "../src/domain/History.ts";
import { EventLog } from "../src/log/EventLog.ts";
import * as Projector from "../src/projection/Projector.ts";
import { Whole } from "./Harness.ts";
import { temporaryFolder, world } from "./Servers.ts";

const events = Number(process.env["RECOLLECT_BENCH_EVENTS"] ?? 1_000_000);
const eventsPerThread = 100;
const threads = Math.max(100, Math.floor(events / eventsPerThread));
export const short = { history: thread("short"), messages: 40 };
export const long = { history: thread("long"), messages: Math.min(10_000, Math.floor(events / 10)) };
/** The most that one atomic batch takes. */
const perBatch = 1_000;

/** A small message; composing a million events through their Schema would take longer than appending them. */
const eventOf = (history: History, turn: number, number: number): NewEvent => ({
  id: `00000000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`,
  type: "thread.message_appended",
  schemaVersion: 2,
  source: "bench",
  occurredAt: 1_700_000_000_000 + turn,
  body: JSON.stringify({
    messageId: `m${turn}`,
    role: turn % 2 === 0 ? "user" : "assistant",
    parts: [{ type: "text", text: `turn ${turn} of ${history.id}: what was said here is not long` }],
  }),
});

/** What is appended next to whom: each thread's messages as far from each other as the stream is long. */
function* scattered(): Generator<{ readonly history: History; readonly turn: number }> {
  const others = Array.from({ length: threads }, (_, index) => thread(`other-${index}`));
  const rest = events - short.messages - long.messages;
  const told = { short: 0, long: 0 };
  for (let at = 0; at < rest; at++) {
    const other = others[at % threads];
    if (other !== undefined) yield { history: other, turn: Math.floor(at / threads) };
    while (told.long < (long.messages * (at + 1)) / rest) yield { history: long.history, turn: told.long++ };
    while (told.short < (short.messages * (at + 1)) / rest) yield { history: short.history, turn: told.short++ };
  }
}

/** Appends everything, a thousand events at a time; each history stands once in a batch. */
const fill = Effect.fnUntraced(function* (log: EventLog["Service"]) {
  const reached = new Map<string, Sequence>();
  const batch = new Map<string, { readonly history: History; readonly events: Array<NewEvent> }>();
  let size = 0;
  const flush = Effect.suspend(() => {
    const appends = [...batch.values()].map((one) => ({ ...one, expected: reached.get(one.history.id) ?? 0 }));
    batch.clear();
    size = 0;
    return Effect.map(log.appendAll(appends), (appended) => {
      for (const [index, { sequence }] of appended.entries()) reached.set(appends[index]?.history.id ?? "", sequence);
    });
  });
  let number = 0;
  for (const { history, turn } of scattered()) {
    const told = batch.get(history.id)?.events ?? [];
    told.push(eventOf(history, turn, ++number));
    batch.set(history.id, { history, events: told });
    if (++size === perBatch) yield* flush;
  }
  if (size > 0) yield* flush;
});

const make = Effect.gen(function* () {
  const began = performance.now();
  const here = yield* world({ sync: "2m" });
  const database = join(yield* temporaryFolder, "ledger.db");
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* EventLog;
      const projector = yield* Layer.build(Projector.layer({ path: database, projections: [ledger] }));
      yield* fill(log);
      const { lastSequence } = yield* log.info;
      yield* Context.get(projector, Projector.Projector).awaitSequence(lastSequence);
    }).pipe(Effect.provide(here.rooms)),
  );
  const { lastSequence } = yield* Context.get(here.rooms, EventLog).info;
  const note = `${lastSequence} events of ${threads + 2} threads, made in ${((performance.now() - began) / 1000).toFixed(0)} s`;
  return { ...here, database, note };
});

let made: Effect.Success<typeof make> | undefined;

/** The stream and the ledger, made at the first call and gone with the whole bench. */
export const greatStream = Effect.gen(function* () {
  const whole = yield* Whole;
  made ??= yield* Scope.provide(make, whole);
  return made;
});
