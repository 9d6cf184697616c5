import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, layer } from "@effect/vitest";
import { Effect, Layer, References } from "effect";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as DataFolder from "../../src/machine/DataFolder.ts";
import * as FolderGuard from "../../src/main/FolderGuard.ts";
import * as NatsServer from "../support/NatsServer.ts";

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-guard-"))),
  (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true })),
);

/** Name of the condition for which a server is refused, on a folder with that record of its stream; undefined: it is believed. */
const refusedOn = Effect.fnUntraced(function* (root: string, isOwn: boolean) {
  const { url } = yield* NatsServer.NatsServer;
  const guard = yield* FolderGuard.make({ may: "bringInLine", isOwn, holdsFolder: true }).pipe(
    Effect.provide(DataFolder.layer({ data: root })),
  );
  const { link } = yield* NatsConnection.make({ servers: url, guard });
  return link.refused;
}, Effect.scoped);

layer(Layer.merge(NatsServer.layer(), NodeServices.layer), { excludeTestServices: true })(
  "the guard of a data folder",
  (it) => {
    it.effect("believes no stream of a foreign server where the folder's record of its own is damaged", () =>
      Effect.gen(function* () {
        const root = yield* folder;
        const store = join(root, "store.json");
        assert.isUndefined(yield* refusedOn(root, false));
        assert.isTrue(existsSync(store));
        writeFileSync(store, readFileSync(store, "utf8").replace(/"identity":"./, '"identity":"x'));
        const damaged = readFileSync(store, "utf8");
        const refused = yield* refusedOn(root, false);
        assert.strictEqual(refused?.name, "strangeStream");
        assert.include(refused?.message ?? "", store);
        assert.strictEqual(readFileSync(store, "utf8"), damaged);
        // Events in the folder's own store are its own.
        assert.isUndefined(yield* refusedOn(root, true));
        assert.isUndefined(yield* refusedOn(root, false));
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    );
  },
);
