/**
 * The limit drill: processes share one limit and all want more than it gives. Then count, by the server's clock and
 * from its stream, how many decisions allowed in each full second.
 *
 * Afterwards: in every full second between 98 and 100 % of the limit, to all processes together. Where one of them was
 * kept from working its seconds cannot be told apart; the whole is judged all the same, however busy the machine is.
 */
import { Effect, Layer } from "effect";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { start } from "./Program.ts";

export interface Options {
  readonly processes: number;
  /** In each second. */
  readonly limit: number;
  readonly seconds: number;
  /** `each`: every decision is looked at. `sum`: only how many there were, for limits that a log of them would slow. */
  readonly count: "each" | "sum";
  readonly say: (line: string) => void;
}

export interface Outcome {
  /** How many were allowed in each full second from the first decision on; with `sum` the mean. */
  readonly bySecond: ReadonlyArray<number>;
  readonly allowed: number;
  readonly refused: number;
  /** Reads and writes of the limit's state, of all processes. */
  readonly trips: number;
  /** The longest time for which one of them was kept from working. */
  readonly stallMillis: number;
  /** Of a machine that is too busy for all of them the whole is judged, but not each second. */
  readonly isJudged: boolean;
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

const streamName = "DRILL_LIMITS";

/**
 * What is allowed comes in a bunch at the beginning of each second, because all want it at once. Seconds are cut in the
 * quiet between: what the way of a message to the stream takes must not put it into another second.
 */
const beforeFirstMillis = 100;

interface Said {
  readonly allowed: number;
  readonly refused: number;
  readonly reads: number;
  readonly writes: number;
  readonly seconds: number;
  readonly stallMillis: number;
}

/**
 * Who is kept from working for longer asks too late for what is there, and tells too late of what it got. Ten processes
 * that share two cores with nothing else are kept for some 20 ms.
 */
const mostStallMillis = beforeFirstMillis;

/** What the stream has: when each decision was, in epoch milliseconds, and what the processes say at the end. */
const readStream = Effect.gen(function* () {
  const { js, jsm } = yield* NatsConnection.NatsConnection;
  return yield* Effect.promise(async () => {
    const { state } = await jsm.streams.info(streamName);
    const moments: Array<number> = [];
    const said: Array<Said> = [];
    if (state.messages === 0) return { moments, said };
    const consumer = await js.consumers.getPushConsumer(streamName);
    for await (const message of await consumer.consume()) {
      if (message.subject.endsWith(".said")) said.push(message.json());
      else moments.push(message.info.timestampNanos / 1e6);
      if (message.info.pending === 0) break;
    }
    return { moments, said };
  });
});

/** How many moments lie in each of so many seconds. */
export const secondsOf = (moments: ReadonlyArray<number>, seconds: number): ReadonlyArray<number> => {
  const began = (moments.toSorted((a, b) => a - b)[0] ?? 0) - beforeFirstMillis;
  return Array.from(
    { length: seconds },
    (_, second) => moments.filter((at) => Math.floor((at - began) / 1_000) === second).length,
  );
};

/**
 * What holds of the whole on any machine. No window gives more than the limit, so a span gives at most one window more
 * than it has seconds; it may have been up to one longer than the stream saw, because its first messages came late. And
 * nine of ten go on while one is kept waiting, so in the time of the drill nothing that was there is left.
 */
const faultsOfWhole = (moments: ReadonlyArray<number>, { limit, seconds }: Options): ReadonlyArray<string> => {
  const inOrder = moments.toSorted((a, b) => a - b);
  const span = ((inOrder.at(-1) ?? 0) - (inOrder[0] ?? 0)) / 1_000;
  const most = limit * (Math.ceil(span) + 1);
  const least = 0.98 * limit * seconds;
  return moments.length >= least && moments.length <= most
    ? []
    : [`${moments.length} were allowed in ${span.toFixed(2)} s, of ${least} to ${most}`];
};

const measured = Effect.fnUntraced(function* (options: Options) {
  const { count, limit, processes, say, seconds } = options;
  const folder = mkdtempSync(join(tmpdir(), "recollect-drill-limits-"));
  const { url } = yield* NatsServer.NatsServer;
  const { jsm } = yield* NatsConnection.NatsConnection;
  const stream = { name: streamName, subjects: ["drill.limits.>"], storage: "memory" as const };
  yield* Effect.promise(() => jsm.streams.add(stream));
  const takers = yield* Effect.forEach(
    Array.from({ length: processes }),
    () => start({ file: "test/drill/limitTaker.ts", args: [url, count], log: join(folder, "takers.log") }),
    { concurrency: "unbounded" },
  );
  yield* Effect.forEach(takers, ({ firstLine }) => firstLine, { concurrency: "unbounded" });
  say(`${processes} processes are ready`);
  const config = yield* Configuration.Configuration;
  yield* config.set({ "limits.drill": { per: [], limit, windowMillis: 1_000 } });
  yield* Effect.sleep(seconds * 1_000 + 4 * beforeFirstMillis);
  for (const taker of takers) taker.finish();
  const ends = yield* Effect.forEach(takers, ({ ended }) => ended, { concurrency: "unbounded" });
  const { moments, said } = yield* readStream;
  const sum = (of: (one: Said) => number) => said.reduce((all, one) => all + of(one), 0);
  const longest = Math.max(...said.map((one) => one.seconds));
  const bySecond = count === "each" ? secondsOf(moments, seconds) : [sum(({ allowed }) => allowed) / longest];
  const faults = ends.flatMap(({ code }, index) => (code === 0 ? [] : [`process ${index} ended with ${code}`]));
  const stallMillis = Math.max(...said.map((one) => one.stallMillis));
  const isJudged = stallMillis <= mostStallMillis;
  if (count === "each") faults.push(...faultsOfWhole(moments, options));
  if (!isJudged) say(`Seconds not judged one by one: a process was kept from working for ${stallMillis.toFixed(0)} ms`);
  if (count === "each" && isJudged) {
    for (const [second, allowed] of bySecond.entries()) {
      const isRight = allowed >= 0.98 * limit && allowed <= limit;
      if (!isRight) faults.push(`${allowed} were allowed in second ${second + 1}, of a limit of ${limit}`);
    }
  }
  if (faults.length === 0) rmSync(folder, { recursive: true });
  const outcome: Outcome = {
    bySecond,
    allowed: sum(({ allowed }) => allowed),
    refused: sum(({ refused }) => refused),
    trips: sum(({ reads, writes }) => reads + writes),
    stallMillis,
    isJudged,
    faults,
    folder,
  };
  return outcome;
});

const onServer = Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url })));

/** On a server of its own. */
export const run = (options: Options) =>
  measured(options).pipe(
    Effect.scoped,
    Effect.provide(
      Configuration.layer().pipe(
        Layer.provideMerge(EventLogNats.layer()),
        Layer.provideMerge(onServer),
        Layer.provideMerge(NatsServer.layer()),
      ),
    ),
  );
