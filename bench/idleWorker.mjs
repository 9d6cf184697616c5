/** A worker that waits for tasks, as a program has it: its memory is looked at from outside. */
import { Recollect } from "../dist/index.js";

const [url, data] = process.argv.slice(2);
const recollect = await Recollect.connect({ url, data });
await recollect.connected();
recollect.tasks.work({ agentTypes: ["idle"], run: () => undefined });
process.send?.("ready");
