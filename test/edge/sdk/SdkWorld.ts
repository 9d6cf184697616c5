/** What tests of SDK entry points need: clients on one server, each with a folder of its own, closed with the test. */
import { Effect } from "effect";
import { Recollect } from "recollect";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";

/** A program on a machine of its own. */
export const client = Effect.gen(function* () {
  const { url } = yield* NatsServer.NatsServer;
  const data = yield* World.temporaryFolder;
  return yield* Effect.acquireRelease(
    Effect.promise(() => Recollect.connect({ data, url, patienceMillis: 10_000 })),
    (recollect) => Effect.promise(() => recollect.close()),
  );
});

/** What it rejects with. */
export const rejected = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error("it did not reject");
    },
    (error: unknown) => error,
  );
