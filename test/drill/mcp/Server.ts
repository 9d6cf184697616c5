/**
 * The server that the conformance suite of MCP is run against: ours with its tools, and the suite's fixtures beside them.
 *
 * The routes are those of the product (`serving`) behind the HTTP door's own check of host and origin; only the token is left
 * out, because the suite sends none.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { createServer } from "node:http";
import * as Layers from "../../../src/client/Layers.ts";
import * as Guard from "../../../src/edge/http/Guard.ts";
import { Caller } from "../../../src/edge/mcp/Caller.ts";
import * as Desk from "../../../src/edge/mcp/Desk.ts";
import { serving } from "../../../src/edge/mcp/Http.ts";
import { registered, visible } from "../../../src/edge/mcp/Server.ts";
import * as FreePort from "../../../src/machine/nats/FreePort.ts";
import * as Fixtures from "./Fixtures.ts";
import * as TaskFixtures from "./Tasks.ts";

/** Serves the store of a data folder until the scope closes; gives the URL. */
export const serve = Effect.fnUntraced(function* (data: string) {
  const client = { data, source: "conformance" };
  const writing = Layers.tasks(client).pipe(Layer.provideMerge(Layers.core(client)));
  const services = yield* Layer.build(
    Layer.merge(writing, Layers.query(client)).pipe(Layer.provide(NodeServices.layer)),
  );
  const caller = {
    who: { role: "operator" as const, tenant: "default", thread: undefined },
    desk: yield* Desk.of(services, { at: () => Effect.die("no as_of here") }),
  };
  const always = HttpRouter.middleware<{ provides: Caller }>()((app) => Effect.provideService(app, Caller, caller));
  const routes = serving({
    registrations: Layer.merge(registered, Fixtures.layer).pipe(Layer.provide(visible.layer)),
    tasks: TaskFixtures.options,
    callers: (inside) => inside.combine(always).layer,
  });
  const port = yield* FreePort.find("127.0.0.1");
  const url = `http://127.0.0.1:${port}`;
  const door = Layer.succeed(Guard.HttpDoor, {
    root: data,
    url,
    hosts: [],
    closing: Effect.never,
  });
  const server = HttpRouter.serve(Layer.merge(Guard.outermost.pipe(Layer.provide(door)), routes), {
    disableLogger: true,
    disableListenLog: true,
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port })));
  yield* Layer.build(server);
  return `${url}/mcp`;
});
