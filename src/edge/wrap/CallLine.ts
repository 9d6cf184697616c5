/**
 * A line that calls one of some tools, or not.
 *
 * Room: edge. In: none. Out: Wrap. Pure, and plain: it is on the way of every line.
 */

/** A call as its answer depends on it. */
export interface Call {
  /** Its id in JSON. */
  readonly request: string;
  readonly name: string;
  readonly arguments: unknown;
}

const marker = Buffer.from('"tools/call"');

/** Undefined for everything but a call of one of `tools` that wants its result at once, and not as a task. */
export const callIn = (line: Buffer, tools: ReadonlySet<string>): Call | undefined => {
  if (!line.includes(marker)) return undefined;
  try {
    const message: unknown = JSON.parse(line.toString("utf8"));
    if (typeof message !== "object" || message === null) return undefined;
    const { id, method, params } = message as {
      readonly id?: unknown;
      readonly method?: unknown;
      readonly params?: unknown;
    };
    if (method !== "tools/call" || (typeof id !== "string" && typeof id !== "number")) return undefined;
    if (typeof params !== "object" || params === null) return undefined;
    const { name, task, arguments: args } = params as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || !tools.has(name) || task !== undefined) return undefined;
    return { request: JSON.stringify(id), name, arguments: args };
  } catch {
    return undefined;
  }
};
