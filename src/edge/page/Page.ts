/**
 * The page: every screen as routes on Effect's router.
 *
 * Room: edge.
 *
 * `screens` need `Query`, `Ask`, `EventLog`, and in each request a `Viewer`; `layer` gets the viewer from the HTTP door.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { nowhere } from "./Nowhere.ts";
import { signedIn } from "./Viewer.ts";
import { asset } from "./Shown.ts";
import { icon } from "./layout/Layout.ts";
import { script } from "./layout/Script.ts";
import { style } from "./layout/Style.ts";
import * as AuditRoutes from "./audit/AuditRoutes.ts";
import * as EventRoutes from "./audit/EventRoutes.ts";
import * as LiveRoutes from "./live/LiveRoutes.ts";
import * as PipelineRoutes from "./pipeline/PipelineRoutes.ts";
import * as CallRoutes from "./report/CallRoutes.ts";
import * as ReportRoutes from "./report/ReportRoutes.ts";
import * as ShownStore from "./ShownStore.ts";
import * as SqlRoutes from "./sql/SqlRoutes.ts";
import * as TaskRoutes from "./tasks/TaskRoutes.ts";
import * as AsOfRoutes from "./overview/AsOfRoutes.ts";
import * as OverviewRoutes from "./overview/OverviewRoutes.ts";
import * as SearchRoutes from "./search/SearchRoutes.ts";
import * as ThreadRoutes from "./thread/ThreadRoutes.ts";

/** Style, script and sign; they tell nothing, so they need no viewer. */
export const assets = Layer.mergeAll(
  HttpRouter.add("GET", "/page.css", Effect.succeed(asset(style, "text/css; charset=utf-8"))),
  HttpRouter.add("GET", "/page.js", Effect.succeed(asset(script, "text/javascript; charset=utf-8"))),
  HttpRouter.add("GET", "/icon.svg", Effect.succeed(asset(icon, "image/svg+xml"))),
);

export const screens = Layer.mergeAll(
  OverviewRoutes.layer,
  AsOfRoutes.layer,
  ThreadRoutes.layer,
  SearchRoutes.layer,
  EventRoutes.layer,
  AuditRoutes.layer,
  LiveRoutes.layer,
  PipelineRoutes.layer,
  CallRoutes.layer,
  ReportRoutes.layer,
  SqlRoutes.layer,
  TaskRoutes.layer,
).pipe(HttpRouter.provideRequest(ShownStore.layer));

export const layer = Layer.mergeAll(assets, Layer.provide(screens, signedIn), HttpRouter.add("GET", "*", nowhere));
