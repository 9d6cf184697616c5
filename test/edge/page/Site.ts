/** The page on a server of its own, over a store in memory with transcripts of every kind in it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Context, Effect, FileSystem, Layer } from "effect";
import { HttpRouter, HttpServer } from "effect/http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { Viewer } from "../../../src/edge/page/Viewer.ts";
import * as Page from "../../../src/edge/page/Page.ts";
import * as History from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";
import * as Projection from "../../../src/projection/Projector.ts";
import { Projector } from "../../../src/projection/Projector.ts";
import { newId } from "../../../src/publish/write/NewEvent.ts";
import * as AskSqlite from "../../../src/query/screens/AskSqlite.ts";
import * as EarlierStores from "../../../src/query/earlier/EarlierStoresSqlite.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { imported } from "../../support/Imported.ts";
import { files, threads } from "./Transcripts.ts";

/** Where it is served: `http://127.0.0.1:PORT`. */
export class Site extends Context.Service<Site, { readonly url: string }>()("recollect/test/Site") {}

export const store = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const path = join(yield* fs.makeTempDirectoryScoped({ prefix: "recollect-page-" }), "recollect.db");
    const readers = Layer.mergeAll(
      QuerySqlite.layer({ path }),
      AskSqlite.layer({ path }),
      EarlierStores.layer({ path }),
    );
    return Layer.merge(Projection.layer({ path, projections: readModels }), readers).pipe(
      Layer.provideMerge(EventLogMemory.layer),
    );
  }),
).pipe(Layer.provideMerge(NodeServices.layer));

/** Appends an event of ours, and waits until it can be seen. */
export const happened = Effect.fnUntraced(function* (
  history: History.History,
  events: ReadonlyArray<readonly [type: string, data: unknown]>,
) {
  const log = yield* EventLog;
  for (const [type, data] of events) {
    const id = yield* newId;
    const event = { id, type, schemaVersion: 1, occurredAt: Date.now(), source: "test", body: JSON.stringify(data) };
    yield* log.append({ history, events: [event], expected: "any" });
  }
  const { lastSequence } = yield* log.info;
  yield* Effect.flatMap(Projector, (projector) => projector.awaitSequence(lastSequence));
});

const request = { agentType: "explorer", description: "Find out who calls <checkout>" };

const worked = Effect.gen(function* () {
  yield* happened(History.task("task-1"), [
    ["task.submitted", { request, threadId: threads.shop }],
    ["task.claimed", { worker: "w1" }],
    ["task.started", { worker: "w1" }],
    ["task.progressed", { message: "half <b>way</b>", progress: 1, progressTotal: 2 }],
  ]);
  yield* happened(History.task("task-2"), [
    ["task.submitted", { request }],
    ["task.failed", { error: { type: "Broken", message: "<i>It broke</i>" } }],
  ]);
  // Refused by projections, and so a dead letter.
  yield* happened(History.thread("refused"), [["thread.message_appended", { neither: "fish nor fowl" }]]);
  yield* happened(History.session("session-1"), [
    ["session.started", { client: { name: "claude", version: "2.1" }, server: { name: "shop" }, leaseMillis: 30_000 }],
  ]);
});

const filled = Layer.effectDiscard(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-page-in-" });
    for (const [name, lines] of Object.entries(files)) {
      yield* fs.makeDirectory(join(folder, name, ".."), { recursive: true });
      yield* fs.writeFileString(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    yield* imported([folder]);
    yield* worked;
  }),
);

const queries = join(tmpdir(), `recollect-page-queries-${process.pid}`);

/** Signed in as the one who may see everything; `test/edge/page/Door.test.ts` comes in by the door itself. */
const operator = HttpRouter.middleware<{ provides: Viewer }>()(
  Effect.succeed((app) =>
    Effect.provideService(app, Viewer, {
      name: "test",
      tenant: undefined,
      isOperator: true,
      stillHolds: () => true,
      recorded: () => Effect.void,
      queries,
      closing: Effect.never,
    }),
  ),
).layer;

const site = Layer.effect(
  Site,
  Effect.map(HttpServer.HttpServer, ({ address }) => ({
    url: "port" in address ? `http://127.0.0.1:${address.port}` : "",
  })),
);

export const layer = Layer.merge(
  HttpRouter.serve(Layer.merge(Page.assets, Layer.provide(Page.screens, operator)), {
    disableLogger: true,
    disableListenLog: true,
  }),
  site,
).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provideMerge(filled),
  Layer.provideMerge(store),
);
