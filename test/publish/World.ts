/** What tests of publishing need: a real log, a real spool in a temporary folder, and ways to look at the result. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer, Schedule, Stream } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import type { History } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnectionNats from "../../src/log/connection/NatsConnectionNats.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as SwitchableLog from "./SwitchableLog.ts";

/** The log on the test's server. */
export const natsLog = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) =>
    EventLogNats.layer().pipe(Layer.provide(NatsConnectionNats.layer({ servers: url }))),
  ),
);

/** A folder that is gone with its scope. */
export const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.makeTempDirectoryScoped({ prefix: "recollect-publish-" });
}).pipe(Effect.provide(NodeServices.layer), Effect.orDie);

export interface PublisherOptions extends Publisher.Options {
  readonly folder: string;
  readonly to: SwitchableLog.LogSwitch;
  readonly target?: string;
}

/** A publisher whose log has a switch; the log itself stays as it is for who reads the result. */
export const publisher = ({ folder, to, target = "test", ...options }: PublisherOptions) => {
  const spool = SpoolSqlite.layer({ file: `${folder}/spool.db`, target });
  return Publisher.layer(options).pipe(Layer.provideMerge(spool), Layer.provide(SwitchableLog.layer(to)), Layer.fresh);
};

/** All of a history. A server that was away is waited for: the test's own connection comes back when it likes. */
export const eventsOf = (history: History): Effect.Effect<ReadonlyArray<RecordedEvent>, never, EventLog> =>
  EventLog.use((log) => Stream.runCollect(log.read({ history }))).pipe(
    Effect.retry({ schedule: Schedule.spaced(20), times: 1_000 }),
    Effect.orDie,
  );

export const dataOf = (event: RecordedEvent): Record<string, unknown> =>
  JSON.parse(Buffer.from(event.body).toString("utf8"));

/** The first part's text of each message of a thread, in order. */
export const textsOf = (history: History) =>
  Effect.map(eventsOf(history), (events) =>
    events.map((event) => (dataOf(event)["parts"] as ReadonlyArray<{ readonly text: string }>)[0]?.text),
  );

/** Returns when `condition` holds; looks every 10 ms and gives up after a minute: a machine can be ten times slower. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    while (!(yield* condition)) yield* Effect.sleep(10);
  }).pipe(Effect.timeoutOrElse({ duration: 60_000, orElse: () => Effect.die(new Error("the condition never held")) }));

/** Returns when nothing waits for the log any more. */
export const drained = Publisher.Publisher.use((there) => there.drained).pipe(
  Effect.timeoutOrElse({ duration: 60_000, orElse: () => Effect.die(new Error("the spool was never drained")) }),
);

/** Whether callers are sent to the log or to the spool. */
export const mode = Publisher.Publisher.use((there) => Effect.map(there.waiting, (waiting) => waiting.mode));

/** Returns when callers are sent to the log. */
export const direct = until(Effect.map(mode, (now) => now === "direct"));

export const blobOf = (sha256: string) => EventLog.use((log) => log.getBlob(sha256)).pipe(Effect.orDie);
