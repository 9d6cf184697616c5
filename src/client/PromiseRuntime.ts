/**
 * Start of the promise form: a program's options, the layer made of them, and a runtime that logs nothing.
 *
 * Room: client.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem";
import * as NodePath from "@effect/platform-node/NodePath";
import { type FileSystem, Layer, ManagedRuntime, type Path, References } from "effect";
import type { Program } from "../domain/thread/Content.ts";
import { loose } from "../log/connection/HoldsProcessNats.ts";
import { asOptions } from "./Given.ts";
import * as InFlight from "./InFlight.ts";
import type * as Layers from "./Layers.ts";

/** Services that every section of the client uses. */
export type Core = Layer.Success<ReturnType<typeof Layers.core>> | Machine;

/** Platform services, named here so that the package's declarations name no more. */
type Machine = FileSystem.FileSystem | Path.Path;

/** Connection options of a program, all optional. */
export interface ConnectOptions extends Omit<Layers.Options, "source"> {
  /** Publishing program: its name, or its name and version. */
  readonly client?: string | Program | undefined;
}

/** Each of them, so that a slip in a name is seen. */
const optionNames: { readonly [_ in keyof Required<ConnectOptions>]: true } = {
  patienceMillis: true,
  whenDenied: true,
  durable: true,
  tenant: true,
  actor: true,
  session: true,
  url: true,
  data: true,
  access: true,
  spool: true,
  admit: true,
  leaseMillis: true,
  configScope: true,
  machine: true,
  client: true,
};

/** Throws `InvalidArgument` for a name that is none of them. */
export const checkedOptions = (options: ConnectOptions): ConnectOptions =>
  asOptions(options, Object.keys(optionNames), "connect");

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
