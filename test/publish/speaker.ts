/** Says one message after the other, with a log that is away, and tells of each one that was spooled. Killed by the test. */
import { writeSync } from "node:fs";
import { Recollect } from "../../src/client/Recollect.ts";

const [data = "", url = ""] = process.argv.slice(2);

const recollect = await Recollect.connect({ data, url });
const thread = recollect.thread("killed");
for (let index = 0; ; index++) {
  const { _tag } = await thread.say({ role: "user", text: `${index}` });
  if (_tag !== "Spooled") throw new Error(`message ${index} was ${_tag}`);
  writeSync(1, `${index}\n`);
}
