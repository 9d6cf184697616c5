/** Says an answer bit by bit and tells how much of it is kept, until it is killed; with "end", ends it and is killed then; with "pause", says
 * no more once the log has what was said. */
import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Recollect } from "../../src/client/Recollect.ts";

const [data = "", url = "", wish = ""] = process.argv.slice(2);

const recollect = await Recollect.connect({ data, url, client: "talker", patienceMillis: 10_000 });
const answer = recollect.thread("killed").answer({ role: "assistant", model: "m-1", messageId: "a" });
if (wish === "pause") {
  answer.delta("one delta");
  while ((await recollect.thread("killed").read())?.messages.at(-1)?.stopReason !== "unfinished") await setTimeout(20);
  writeSync(1, "paused\n");
  await setTimeout(60_000);
}
let told = 0;
for (let index = 0; ; index++) {
  answer.delta(`${index} `);
  if (index % 20 === 0) await setTimeout(1);
  if (answer.kept === told) continue;
  told = answer.kept;
  writeSync(1, `${told}\n`);
  if (wish === "end" && told > 2_000) {
    const { _tag } = await answer.complete({ usage: { output: 9 } });
    writeSync(1, `${_tag}\n`);
    await setTimeout(60_000);
  }
}
