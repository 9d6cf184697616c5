/**
 * A real nats-server as `recollect up` runs it: closed, with the keys of a temporary data folder.
 *
 * Tests of what a role may use it; most others use `NatsServer`, which lets everybody in.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { connect, type ConnectionOptions, nkeyAuthenticator } from "@nats-io/transport-node";
import { Effect, FileSystem, Layer } from "effect";
import { mkdirSync, readFileSync } from "node:fs";
import * as AccessList from "../../src/log/access/AccessList.ts";
import { finder } from "../../src/log/connection/ServerAccess.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Credentials } from "../../src/log/connection/NatsCredentialsNats.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import type { Admit } from "../../src/log/access/Admission.ts";
import * as TenantService from "../../src/log/access/TenantServiceNats.ts";
import * as TenantWrites from "../../src/log/access/TenantWritesNats.ts";
import * as ServerConf from "../../src/log/access/ServerConf.ts";
import { fileOf, type KeyName } from "../../src/machine/KeyFiles.ts";
import * as NatsBinary from "../../src/machine/nats/NatsBinary.ts";
import * as NatsProcess from "../../src/machine/nats/NatsProcess.ts";

export const machine = Layer.provideMerge(NatsBinary.layer, NodeServices.layer);

/** `users` are let in beside the folder's own keys. */
export const make = Effect.fnUntraced(function* (
  options: Partial<NatsProcess.Options> & {
    readonly users?: ReadonlyArray<AccessList.User>;
    readonly root?: string;
  } = {},
) {
  const fs = yield* FileSystem.FileSystem;
  const { root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-closed-" }), users, ...rest } = options;
  if (users !== undefined) yield* AccessList.write(root, { users });
  const { configFile, ...access } = yield* ServerConf.prepare(root);
  mkdirSync(`${root}/logs`, { recursive: true });
  const process = yield* NatsProcess.make({
    storeFolder: `${root}/nats`,
    logFile: `${root}/logs/nats-server.log`,
    configFile,
    access,
    ...rest,
  });
  yield* fs.writeFileString(`${root}/port`, `${process.port}\n`);
  const { url } = process;
  return { root, url, process, keys: access.keys, access: finder({ root }) };
});

/** The log over the daemon's own key, with the stream made, and what it answers for tenants; ends with the scope. */
export const daemon = ({ admit, root, url }: { readonly root: string; readonly url: string; readonly admit?: Admit }) =>
  Layer.build(
    Layer.merge(TenantService.serve(admit), TenantWrites.serve(root, admit)).pipe(
      Layer.provideMerge(EventLogNats.layer()),
      Layer.provideMerge(
        NatsConnection.layer({
          servers: url,
          credentials: Credentials.NKeyFile({ path: fileOf(root, "daemon") }),
        }),
      ),
    ),
  );

/** A bare client with one of the folder's keys, or whatever is given; closed with the scope. */
export const client = (options: ConnectionOptions) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ reconnect: false, timeout: 20_000, ...options })),
    (nc) => Effect.promise(() => nc.close()),
  );

export const keyOf = (root: string, name: KeyName) => ({
  authenticator: nkeyAuthenticator(new TextEncoder().encode(readFileSync(fileOf(root, name), "utf8").trim())),
});
