/**
 * The door, before it is opened.
 *
 * Room: client.
 *
 * Decision: what `connect` needs is loaded by `connect`, because a program that imports the library at its start may open
 * it late or never: NATS client, SQLite and their layers are two thirds of it.
 */
import type { ConnectOptions } from "./PromiseRuntime.ts";
import type { Recollect as Opened } from "./Recollect.ts";

export type Recollect = Opened;

export const Recollect: {
  /**
   * Connects to the server at `url`, else at `RECOLLECT_NATS_URL`, else to the running instance of the data folder.
   * Never fails and never waits because it is away: what is published then waits in the spool of the data folder.
   */
  readonly connect: (options?: ConnectOptions) => Promise<Opened>;
} = {
  connect: async (options) => {
    const { Recollect: Door } = await import("./Recollect.ts");
    return Door.connect(options);
  },
};
