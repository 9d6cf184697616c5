/**
 * A program that ends in the middle of its work: says so many messages that it does not await, then ends.
 *
 * `node ending.ts DATA URL THREAD HOW COUNT`. HOW is `exit`, `throw`, `SIGTERM`, `SIGINT`, `SIGHUP`, `handled` (a SIGTERM
 * that the program handles by `process.exit(7)`), `end` (it forgets to close), or `SIGKILL`: then it awaits, and its output
 * has a line for each message that resolved until it is killed by who has started it.
 */
import { writeSync } from "node:fs";
import { Recollect } from "../../src/index.ts";

const [data = "", url = "", id = "", how = "", count = "0"] = process.argv.slice(2);
const recollect = await Recollect.connect({ data, url, client: "ending" });
const thread = recollect.thread(id);
const say = (number: number) => thread.say({ role: "user", text: String(number) });

if (how === "SIGKILL") {
  for (let number = 0; number < Number(count); number++) {
    await say(number);
    writeSync(1, `${number}\n`);
  }
} else {
  for (let number = 0; number < Number(count); number++) void say(number);
}
if (how === "exit") process.exit(0);
if (how === "throw") throw new Error("a fault of the program");
if (how === "handled") process.on("SIGTERM", () => process.exit(7));
const signal = how === "handled" ? "SIGTERM" : how;
// In the middle of everything: some calls have returned, most have not.
if (signal.startsWith("SIG") && signal !== "SIGKILL") setTimeout(() => process.kill(process.pid, signal), 2);
