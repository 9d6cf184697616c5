/**
 * How a form in promises begins: options as a program gives them, a layer made of them, and a runtime that says nothing.
 *
 * Room: client.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Layer, ManagedRuntime, References } from "effect";
import type { Program } from "../domain/Content.ts";
import type * as Connect from "../publish/Connect.ts";

export interface ConnectOptions extends Omit<Connect.Options, "source"> {
  /** Who publishes: a program's name, or its name and version. */
  readonly client?: string | Program | undefined;
}

/** The name under which a client publishes. */
export const sourceOf = (client: ConnectOptions["client"]): string | undefined => {
  if (client === undefined || typeof client === "string") return client;
  return client.version == null ? client.name : `${client.name}/${client.version}`;
};

/** Log lines belong nowhere: standard error is the program's own. */
export const quiet = Layer.succeed(References.MinimumLogLevel, "None");

/** The runtime of a layer, begun. Rejects with what the layer fails with. */
export const begin = async <Options extends ConnectOptions, A, E>(
  { client, ...rest }: Options,
  layer: (options: Omit<Options, "client"> & Connect.Options) => Layer.Layer<A, E, NodeServices.NodeServices>,
): Promise<ManagedRuntime.ManagedRuntime<A, E>> => {
  const runtime = ManagedRuntime.make(
    layer({ ...rest, source: sourceOf(client) }).pipe(Layer.provide(NodeServices.layer), Layer.provideMerge(quiet)),
  );
  await runtime.context();
  return runtime;
};
