/** Says messages while no log answers: `node spooler.ts DATA THREAD FROM COUNT`. A line for each: its event and what became of it. */
import { Recollect } from "../../../src/index.ts";

const [data = "", thread = "", from = "0", count = "0"] = process.argv.slice(2);
const recollect = await Recollect.connect({ data, client: "damage drill" });
for (let number = Number(from); number < Number(from) + Number(count); number++) {
  const { _tag, eventId } = await recollect.thread(thread).say({ role: "user", text: `waiting words ${number}` });
  process.stdout.write(`${_tag} ${eventId}\n`);
}
process.exit(0);
