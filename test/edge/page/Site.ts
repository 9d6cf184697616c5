/** The page on a server of its own, over a store in memory with transcripts of every kind in it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Context, Effect, FileSystem, Layer } from "effect";
import { HttpRouter, HttpServer } from "effect/http";
import { createServer } from "node:http";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { Viewer } from "../../../src/edge/page/Viewer.ts";
import * as Page from "../../../src/edge/page/Page.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";
import * as Projection from "../../../src/projection/Projector.ts";
import * as AskSqlite from "../../../src/query/screens/AskSqlite.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { imported } from "../../support/Imported.ts";
import { files } from "./Transcripts.ts";

/** Where it is served: `http://127.0.0.1:PORT`. */
export class Site extends Context.Service<Site, { readonly url: string }>()("recollect/test/Site") {}

const store = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const path = join(yield* fs.makeTempDirectoryScoped({ prefix: "recollect-page-" }), "recollect.db");
    const readers = Layer.merge(QuerySqlite.layer({ path }), AskSqlite.layer({ path }));
    return Layer.merge(Projection.layer({ path, projections: readModels }), readers).pipe(
      Layer.provideMerge(EventLogMemory.layer),
    );
  }),
).pipe(Layer.provideMerge(NodeServices.layer));

const filled = Layer.effectDiscard(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-page-in-" });
    for (const [name, lines] of Object.entries(files)) {
      yield* fs.makeDirectory(join(folder, name, ".."), { recursive: true });
      yield* fs.writeFileString(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    yield* imported([folder]);
  }),
);

/** Signed in as the one who may see everything; `test/edge/page/Door.test.ts` comes in by the door itself. */
const operator = HttpRouter.middleware<{ provides: Viewer }>()(
  Effect.succeed((app) =>
    Effect.provideService(app, Viewer, {
      name: "test",
      tenant: undefined,
      isOperator: true,
      stillHolds: () => true,
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
