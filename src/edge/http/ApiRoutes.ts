/**
 * The API on the router: its handlers, `/openapi.json`.
 *
 * Room: edge.
 */
import { Layer } from "effect";
import { HttpApiBuilder } from "effect/http-api";
import { Api } from "./api/Api.ts";
import * as Access from "./handlers/Access.ts";
import { sessionEvents, taskEvents, threadEvents } from "./handlers/Events.ts";
import { inbox, sessionHistory, sessions } from "./handlers/Agents.ts";
import { followed } from "./handlers/Follow.ts";
import { blobs, config, limits, sql, status } from "./handlers/Store.ts";
import { reports } from "./handlers/Reports.ts";
import { tasks } from "./handlers/Tasks.ts";
import { search, threads } from "./handlers/Threads.ts";

const handlers = Layer.mergeAll(
  threads,
  threadEvents,
  search,
  taskEvents,
  sessionEvents,
  followed,
  tasks,
  sessions,
  sessionHistory,
  inbox,
  blobs,
  config,
  limits,
  reports,
  sql,
  status,
);

export const layer = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide(handlers),
  Layer.provide(Access.layer),
);
