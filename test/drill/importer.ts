/**
 * An importer to be killed: imports what it is told on stdin, one JSON list of paths a line, and answers with the
 * report. Its first line says that it is connected.
 *
 * `node importer.ts DATA NOTES`: the data folder of a running daemon, and the file for its acknowledgements.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Cause, Effect, Layer, Logger, Option, Schedule, Stream } from "effect";
import { createInterface } from "node:readline";
import { importPaths } from "../../src/edge/import/Importer.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { finder } from "../../src/log/connection/ServerAccess.ts";
import * as DataFolder from "../../src/machine/DataFolder.ts";
import * as Instance from "../../src/machine/Instance.ts";
import * as Notes from "./Notes.ts";

const [data = "", notes = ""] = process.argv.slice(2);
const lookMillis = 50;

const say = (value: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(value)}\n`));

/** stdout belongs to the answers. */
const logger = Logger.make(({ date, logLevel, message }) => {
  process.stderr.write(`${date.toISOString()} ${logLevel.toLowerCase()}: ${String(message)}\n`);
});

/** The address of the daemon, as soon as there is one. */
const address = Instance.find().pipe(
  Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced(lookMillis) }),
  Effect.map((found) => Option.getOrThrow(found).nats),
);

const log = Layer.unwrap(
  Effect.map(address, (servers) =>
    Notes.noting(notes).pipe(
      Layer.provide(EventLogNats.layer()),
      Layer.provide(NatsConnection.layer({ servers, name: "drill importer", access: finder({ root: data }) })),
    ),
  ),
);

const work = Effect.gen(function* () {
  yield* say({ connected: true });
  yield* Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (error) => error).pipe(
    Stream.runForEach((line) =>
      Effect.gen(function* () {
        const paths: ReadonlyArray<string> = JSON.parse(line);
        yield* say(yield* importPaths({ paths }));
      }),
    ),
  );
});

/** A failure of ours with its fields, on one line; a defect with its place. */
const told = (cause: Cause.Cause<unknown>): string =>
  Cause.hasDies(cause) ? Cause.pretty(cause) : JSON.stringify(Cause.squash(cause));

const folder = Layer.provideMerge(DataFolder.layer({ data }), NodeServices.layer);

const program = work.pipe(
  Effect.provide(Layer.provideMerge(log, folder)),
  Effect.tapCause((cause) => Effect.sync(() => process.stderr.write(`importer: ${told(cause)}\n`))),
  Effect.provide(Logger.layer([logger])),
);

NodeRuntime.runMain(program, { disableErrorReporting: true });
