/**
 * The routes put on a listener, with what they need.
 *
 * Room: main.
 *
 * Loaded when the door is first used: router, API and their Schemas are no part of a start.
 */
import * as NodeHttpPlatform from "@effect/platform-node/NodeHttpPlatform";
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer";
import { ByteSize, Context, Effect, Layer, Scope } from "effect";
import { Etag, HttpRouter, HttpServerRequest } from "effect/http";
import { HttpDoor, maxBodyBytes } from "../../edge/http/Guard.ts";
import { numbersOf } from "../../edge/cli/record/StoreNumbers.ts";
import { Readiness } from "../../edge/http/Health.ts";
import { StoreStatus } from "../../edge/http/handlers/Store.ts";
import * as HookDoor from "../../edge/hooks/HookDoor.ts";
import * as HookRoutes from "../../edge/hooks/HookRoutes.ts";
import * as HotPath from "../../edge/http/hot/HotPath.ts";
import { routes as hotRoutes } from "../../edge/http/hot/HotRoutes.ts";
import * as HeldLeases from "../../edge/http/HeldLeases.ts";
import * as HeldSessions from "../../edge/http/HeldSessions.ts";
import * as TenantClients from "../../edge/http/TenantClients.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { DataFolder } from "../../machine/DataFolder.ts";
import { routes } from "./HttpRoutes.ts";
import type { Doors } from "./HttpServing.ts";
import * as EarlierStores from "../../query/earlier/EarlierStoresSqlite.ts";
import * as HttpTracing from "./HttpTracing.ts";

const readiness = Layer.effect(
  Readiness,
  Effect.map(NatsConnection, ({ conditions, link }) => ({
    conditions,
    trouble: () => (link.connected ? undefined : "The log is unreachable; what is written waits in the spool."),
  })),
);

/** Status as `recollect status --json` has it, by the daemon's own connection: the stream is looked at anew, as at a connect. */
const status = ({ access }: TenantClients.ClientOptions) =>
  Layer.effect(
    StoreStatus,
    Effect.gen(function* () {
      const context = yield* Effect.context<Effect.Services<ReturnType<typeof numbersOf>> | DataFolder>();
      const { lookAgain } = yield* NatsConnection;
      const now = Effect.andThen(lookAgain, numbersOf(yield* DataFolder, access));
      return { now: Effect.provideContext(now, context) };
    }),
  );

const door = ({ inside, names, outside }: Doors) =>
  Layer.effect(
    HttpDoor,
    Effect.map(DataFolder, ({ root }) => ({
      root,
      url: inside.url,
      outside: outside?.url,
      hosts: names,
      closing: inside.closing,
    })),
  );

export const serve = Effect.fn("main.serveHttp")(function* (doors: Doors, client: TenantClients.ClientOptions) {
  const services = yield* Layer.build(
    Layer.mergeAll(
      readiness,
      status(client),
      // Holders of a tenant's client end before the clients do.
      Layer.mergeAll(HeldLeases.layer, HeldSessions.layer, HookDoor.layer).pipe(
        Layer.provideMerge(Layer.merge(door(doors), TenantClients.layer(client))),
      ),
      Layer.unwrap(Effect.map(DataFolder, ({ database }) => EarlierStores.layer({ path: database }))),
      NodeHttpPlatform.layer,
      Etag.layerWeak,
      HttpTracing.layer,
      Layer.succeed(HttpServerRequest.MaxBodySize, ByteSize.bytes(maxBodyBytes)),
    ),
  );
  const handled = yield* HttpRouter.toHttpEffect(routes.pipe(Layer.provide(Layer.succeedContext(services))));
  // Closed behind the drain, which the listener does first: a request that was accepted is not interrupted by its end.
  const scope = yield* Scope.fork(yield* Effect.scope);
  const handler = yield* NodeHttpServer.makeHandler(handled, { scope }).pipe(Effect.provideContext(services));
  const hot = yield* HotPath.make({
    routes: [...hotRoutes, HookRoutes.hot(Context.get(services, HookDoor.HookDoor))],
    router: handler,
    services,
    scope,
  });
  yield* doors.inside.serve(hot);
  if (doors.outside !== undefined) yield* doors.outside.serve(hot);
});
