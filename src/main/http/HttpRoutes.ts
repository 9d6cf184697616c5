/**
 * The one list of what is served over HTTP.
 *
 * Room: main.
 *
 * Another door adds its layer as one line to `routes`. A layer registers its routes on Effect's `HttpRouter`; what it may
 * use, and how it gets a principal and the store, stands in the head of `src/edge/http/Guard.ts`. A need of one layer that
 * the others do not is provided on its line.
 */
import { Layer } from "effect";
import * as HookRoutes from "../../edge/hooks/HookRoutes.ts";
import * as ApiRoutes from "../../edge/http/ApiRoutes.ts";
import * as Compressed from "../../edge/http/Compressed.ts";
import * as Docs from "../../edge/http/Docs.ts";
import * as Guard from "../../edge/http/Guard.ts";
import * as Health from "../../edge/http/Health.ts";
import * as Metrics from "../../edge/http/Metrics.ts";
import * as Page from "../../edge/page/Page.ts";
import * as SignIn from "../../edge/http/SignIn.ts";
import * as WhoAmI from "../../edge/http/WhoAmI.ts";
import * as Mcp from "../../edge/mcp/Http.ts";

export const routes = Layer.mergeAll(
  Guard.outermost,
  Compressed.layer,
  Page.layer,
  Health.layer,
  SignIn.layer,
  WhoAmI.layer,
  ApiRoutes.layer,
  Docs.layer,
  Metrics.layer,
  Mcp.layer,
  HookRoutes.layer,
);
