/** A process that reads one thread, and then others that it has not read either: what each read took, in milliseconds. */
import { Recollect } from "../dist/index.js";

const [data, ...threads] = process.argv.slice(2);
const recollect = await Recollect.connect({ data });
await recollect.connected();
const took = [];
for (const id of threads) {
  const began = performance.now();
  const read = await recollect.thread(id).read();
  took.push(performance.now() - began);
  if (read === undefined || read.messages.length === 0 || !read.isCurrent) throw new Error(`${id} was not read`);
}
process.stdout.write(JSON.stringify(took));
await recollect.close();
