/**
 * Reads threads as a program does, and says what it got.
 *
 * `node damageReader.ts DATA THREAD…`. Its output is one JSON object: for each thread what `read` and `messages` gave, a
 * text each as its hash, or the error. A call that has not ended after 15 s, longer on a busy machine, is said to be late.
 */
import { createHash } from "node:crypto";
import { Recollect } from "../../../src/index.ts";
import { underLoad } from "./Command.ts";
import type { ReadMessage } from "../../../src/client/ReadThread.ts";

const [data = "", ...threads] = process.argv.slice(2);
const limitMillis = underLoad(15_000);

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);
const said = (messages: ReadonlyArray<ReadMessage>) =>
  messages.map(({ isCut, messageId, role, text }) => `${messageId} ${role} ${isCut ? "cut" : hash(text)}`);

const outcome = async (call: () => Promise<unknown>): Promise<unknown> => {
  const late = new Promise<{ late: true }>((resolve) => {
    setTimeout(() => resolve({ late: true }), limitMillis).unref();
  });
  try {
    return await Promise.race([call(), late]);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

const recollect = await Recollect.connect({ data, client: "damage drill" });
const answers: Record<string, unknown> = {};
for (const id of threads) {
  const thread = recollect.thread(id);
  answers[id] = {
    read: await outcome(async () => {
      const read = await thread.read();
      return read === undefined ? { none: true } : { isCurrent: read.isCurrent, messages: said(read.messages) };
    }),
    messages: await outcome(async () => {
      const all: Array<ReadMessage> = [];
      for await (const message of thread.messages()) all.push(message);
      return { messages: said(all) };
    }),
  };
}
process.stdout.write(JSON.stringify(answers));
process.exit(0);
