/**
 * `recollect cost --statusline` for an agent that asks at each prompt: without Effect, the command line's library or a server.
 *
 * Room: edge.
 *
 * Only what is plain is answered here: anything else, a mistake, or a database that is not as it should be is left to the
 * full command, before a byte of the standard input is read, so that its words are the same.
 *
 * Decision: beside the full command, which takes four times a bare Node's processor.
 */
import { join } from "node:path";
import { prepareCost } from "../../../query/report/CostLineSqlite.ts";
import { dataFolder } from "../../wrap/Journal.ts";
import { statusOf } from "./CostText.ts";

/** Longest wait for the agent's JSON on the standard input: it comes at once or never. */
const inputMillis = 100;
/** Longest input that is looked at, characters. */
const longestInput = 1_000_000;

const flags = { "--data": "data", "--tenant": "tenant", "--session": "session" } as const;
type Asked = { -readonly [K in (typeof flags)[keyof typeof flags]]?: string };

/** The words behind `cost`; undefined where the full command is to read them. */
const read = (words: ReadonlyArray<string>): Asked | undefined => {
  const asked: Asked = {};
  let isStatus = false;
  for (let at = 0; at < words.length; at++) {
    const [flag = "", given] = (words[at] ?? "").split(/=(.*)/s);
    if (flag === "--statusline" && given === undefined) isStatus = true;
    else if (Object.hasOwn(flags, flag)) {
      const value = given ?? words[++at];
      if (value === undefined || value === "" || value.startsWith("-")) return undefined;
      asked[flags[flag as keyof typeof flags]] = value;
    } else return undefined;
  }
  return isStatus ? asked : undefined;
};

/** Session id in the input so far; undefined while that is no whole JSON. */
const sessionIn = (text: string): { readonly id: string | undefined } | undefined => {
  try {
    const { session_id: id } = Object(JSON.parse(text)) as { readonly session_id?: unknown };
    return { id: typeof id === "string" ? id : undefined };
  } catch {
    return undefined;
  }
};

const sessionOnStdin = (): Promise<string | undefined> => {
  if (process.stdin.isTTY === true) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    let text = "";
    const done = (id: string | undefined) => {
      clearTimeout(patience);
      process.stdin.destroy();
      resolve(id);
    };
    const patience = setTimeout(() => done(undefined), inputMillis);
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", (piece: string) => {
      text += piece;
      const found = sessionIn(text);
      if (found !== undefined || text.length > longestInput) done(found?.id);
    });
    process.stdin.on("end", () => done(sessionIn(text)?.id));
    process.stdin.on("error", () => done(undefined));
  });
};

/** True when the line was written; false when the full command is to be run with the same words. */
export const answered = async (words: ReadonlyArray<string>): Promise<boolean> => {
  const asked = read(words);
  if (asked === undefined) return false;
  const cost = prepareCost(join(dataFolder(asked.data), "recollect.db"));
  if (cost === undefined) return false;
  const request = {
    tenant: asked.tenant ?? "default",
    today: new Date().setHours(0, 0, 0, 0),
    session: asked.session ?? (await sessionOnStdin()),
  };
  process.stdout.write(`${statusOf(cost(request))}\n`);
  return true;
};
