/**
 * Answers in the server's place: an earlier answer to an equal one, else a limit that refuses it.
 *
 * Room: edge.
 *
 * In this order, because an answer that is given again makes no call, and uses up nothing of the limit of its tool. Plain
 * Node, as all that is on the way of a call.
 */
import type { Ask, Verdict } from "./Gate.ts";

/** Reason that a call is refused. */
export interface Refusal {
  readonly message: string;
  /** Pause before the next try, milliseconds; undefined when unknown. */
  readonly retryAfterMillis: number | undefined;
}

/** True when a tool may be called now. Never rejects. */
export type Decide = (tool: string) => Promise<Refusal | undefined>;

/** Outcome of a call: answered from the cache, refused, or made. */
export type How = "answered" | "refused" | "made";

/** A look for an earlier answer, as a line; what became of the call is said of it. */
export interface Looking {
  readonly answer: Promise<string | undefined>;
  readonly went: (how: How) => void;
}

/** Looks for an earlier answer; undefined for a line that calls no tool whose answers are given again. */
export type Find = (line: Buffer) => Looking | undefined;

/** Calls in one batch: each is decided by itself, and whoever comes behind waits for all of them. */
const maxBatch = 100;
const tooMany: Refusal = {
  message: `A batch of more than ${maxBatch} tool calls is not made. Send them one by one.`,
  retryAfterMillis: undefined,
};

interface Call {
  readonly id: string | number;
  readonly tool: string;
}

interface Calls {
  readonly calls: ReadonlyArray<Call>;
  readonly isBatch: boolean;
}

const callsIn = (line: Buffer): Calls => {
  let message: unknown;
  try {
    message = JSON.parse(line.toString("utf8"));
  } catch {
    // Whatever it is, the server may say so.
    return { calls: [], isBatch: false };
  }
  const isBatch = Array.isArray(message);
  const all = (isBatch ? message : [message]) as ReadonlyArray<{
    readonly id?: unknown;
    readonly method?: unknown;
    readonly params?: { readonly name?: unknown } | null;
  } | null>;
  const calls = all.flatMap((one): ReadonlyArray<Call> => {
    if (typeof one !== "object" || one === null || one.method !== "tools/call") return [];
    const { id, params } = one;
    const tool = params?.name;
    const isAsked = typeof id === "string" || typeof id === "number";
    return isAsked ? [{ id, tool: typeof tool === "string" ? tool : "" }] : [];
  });
  return { calls, isBatch };
};

/**
 * A result that is an error, and not a protocol error: a model is shown it, so that it can wait or do something else
 * (MCP, "Error Handling" of tools).
 */
const answerOf = ({ id }: Call, { message, retryAfterMillis }: Refusal) => ({
  jsonrpc: "2.0",
  id,
  result: {
    content: [{ type: "text", text: message }],
    isError: true,
    ...(retryAfterMillis === undefined ? {} : { _meta: { "recollect/retryAfterMillis": retryAfterMillis } }),
  },
});

/** Line in place of calls that are not made; undefined when they are. */
const refusalOf = async ({ calls, isBatch }: Calls, decide: Decide): Promise<string | undefined> => {
  for (const [index, call] of calls.entries()) {
    const refusal = index === 0 && calls.length > maxBatch ? tooMany : await decide(call.tool);
    if (refusal === undefined) continue;
    // Of a batch all or nothing is made, because what is passed on is passed on unchanged.
    const answers = calls.map((one) => answerOf(one, refusal));
    return JSON.stringify(isBatch ? answers : answers[0]);
  }
  return undefined;
};

const pass: Verdict = { _tag: "Pass" };

const hows: Readonly<Record<Verdict["_tag"], How>> = { Pass: "made", Answer: "answered", Refuse: "refused" };

/** The gate's question. Without `decide` nothing is refused, without `find` no answer is given again. */
export const asking =
  ({ decide, find }: { readonly decide?: Decide | undefined; readonly find?: Find | undefined }): Ask =>
  (line) => {
    const looking = find?.(line);
    const calls = decide === undefined ? undefined : callsIn(line);
    if (looking === undefined && (calls === undefined || calls.calls.length === 0)) return undefined;
    const verdict = async (): Promise<Verdict> => {
      const found = await looking?.answer.catch(() => undefined);
      if (found !== undefined) return { _tag: "Answer", line: found };
      const refusal = calls === undefined || decide === undefined ? undefined : await refusalOf(calls, decide);
      return refusal === undefined ? pass : { _tag: "Refuse", line: refusal };
    };
    return { verdict: verdict(), went: ({ _tag }) => looking?.went(hows[_tag]) };
  };
