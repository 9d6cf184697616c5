/**
 * How a form in promises begins: options as a program gives them, a layer made of them, and a runtime that says nothing.
 *
 * Room: client.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem";
import * as NodePath from "@effect/platform-node/NodePath";
import { type FileSystem, Layer, ManagedRuntime, type Path, References } from "effect";
import type { Program } from "../domain/thread/Content.ts";
import { loose } from "../log/connection/HoldsProcessNats.ts";
import * as InFlight from "./InFlight.ts";
import type * as Layers from "./Layers.ts";

/** What every section of the client stands on. */
export type Core = Layer.Success<ReturnType<typeof Layers.core>> | Machine;

/** What the services ask of the machine. Named here, so that the declarations of the package name no more. */
type Machine = FileSystem.FileSystem | Path.Path;

/** How a program connects. Every field may be left out. */
export interface ConnectOptions extends Omit<Layers.Options, "source"> {
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

/**
 * Decision: no more of Node's services than these two, because its terminal listens to the program's standard input: at the
 * eleventh client Node warned of that.
 */
const machine = Layer.merge(NodeFileSystem.layer, NodePath.layer);

/** The runtime of a layer, begun. Rejects with what the layer fails with. */
export const begin = async <A, E>(
  layer: Layer.Layer<A, E, Machine>,
): Promise<ManagedRuntime.ManagedRuntime<A | Machine, E>> => {
  const runtime = ManagedRuntime.make(layer.pipe(Layer.provideMerge(Layer.mergeAll(machine, quiet, loose))));
  await InFlight.held(runtime.context());
  return runtime;
};

/** The layers' options for what a program gave. */
export const layerOptions = ({ client, ...rest }: ConnectOptions): Layers.Options => ({
  ...rest,
  source: sourceOf(client),
});
