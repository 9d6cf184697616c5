/**
 * Heals a data folder, or completes an exchange that is verified, and kills itself at a step: `heal-child.ts FOLDER STEP`.
 */
import { join } from "node:path";
import * as StoreSwap from "../../../src/machine/StoreSwap.ts";

const [root = "", step = ""] = process.argv.slice(2);

const onStep = (reached: string): void => {
  if (reached === step) process.kill(process.pid, "SIGKILL");
};

if (StoreSwap.read(root) !== undefined) StoreSwap.complete(root, onStep);
else {
  const { Effect } = await import("effect");
  const NodeServices = await import("@effect/platform-node/NodeServices");
  const Heal = await import("../../../src/projection/heal/Heal.ts");
  await Effect.runPromise(
    Heal.execute({
      folder: {
        root,
        natsStore: join(root, "nats"),
        database: join(root, "recollect.db"),
        spool: join(root, "spool.db"),
      },
      stream: "RECOLLECT",
      reason: "a test",
      onProgress: () => Effect.void,
      onStep,
    }).pipe(Effect.provide(NodeServices.layer)),
  );
}
