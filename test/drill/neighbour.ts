/**
 * Several clients of one data folder in one process, as in a program that gives each of its parts one.
 *
 * `node neighbour.ts DATA URL NAME CLIENTS MESSAGES`: each says so many messages, awaited, in a thread of its own, and
 * waits for its connection; the output is what became of them, as JSON, and what Node had to warn of.
 */
import { Recollect } from "../../src/index.ts";

const [data = "", url = "", name = "", clients = "1", messages = "1"] = process.argv.slice(2);
const warnings: Array<string> = [];
process.on("warning", ({ message }) => warnings.push(message));
const tags: Record<string, number> = {};
const all = Array.from({ length: Number(clients) }, async (_, index) => {
  const recollect = await Recollect.connect({ data, url, client: name });
  const thread = recollect.thread(`${name}-${index}`);
  for (let number = 0; number < Number(messages); number++) {
    const tag = await thread.say({ role: "user", text: String(number) }).then(
      ({ _tag }) => _tag as string,
      (error: Error) => `refused: ${error.message}`,
    );
    tags[tag] = (tags[tag] ?? 0) + 1;
  }
  // However long it takes on a busy machine: it gets its connection.
  await recollect.connected();
  await recollect.close();
});
await Promise.all(all);
process.stdout.write(JSON.stringify({ tags, warnings }));
