/** The nats-server of a folder of the drill. */
import { join } from "node:path";
import { commandLineOf, isAlive, pidIn } from "../../../src/machine/Processes.ts";

/** Its process, when one runs that names this very folder. */
export const natsPidOf = (data: string): number | undefined => {
  const file = join(data, "nats", "nats-server.pid");
  const pid = pidIn(file);
  return pid !== undefined && isAlive(pid) && commandLineOf(pid).includes(file) ? pid : undefined;
};
