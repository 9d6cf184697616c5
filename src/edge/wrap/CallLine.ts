/**
 * Tools whose answers may be reused, and the lines that call one of them.
 *
 * Room: edge.
 */

/** A call as its answer depends on it. */
export interface Call {
  /** Its id in JSON. */
  readonly request: string;
  readonly name: string;
  readonly arguments: unknown;
}

/** Longest life that a flag may ask for, milliseconds: a year. */
const maxTtlMillis = 365 * 86_400_000;

/**
 * The tools that `--cache-tool` allows, written `NAME` or `NAME=MILLIS`, each with how long its answers live; undefined: as
 * it is configured. Undefined for what is neither.
 */
export const cacheToolsOf = (words: ReadonlyArray<string>): ReadonlyMap<string, number | undefined> | undefined => {
  const tools = new Map<string, number | undefined>();
  for (const word of words) {
    const [, name, millis] = /^([^=]+)(?:=(\d{1,11}))?$/.exec(word) ?? [];
    const ttlMillis = millis === undefined ? undefined : Number(millis);
    if (name === undefined || (ttlMillis ?? 0) > maxTtlMillis) return undefined;
    tools.set(name, ttlMillis);
  }
  return tools;
};

const marker = Buffer.from('"tools/call"');

/** A line above this is not asked about: what is that large is not asked twice. */
const maxCallBytes = 4 * 1024 * 1024;

/** Undefined for everything but a call of one of `tools` that wants its result at once, and not as a task. */
export const callIn = (line: Buffer, tools: { readonly has: (tool: string) => boolean }): Call | undefined => {
  if (line.length > maxCallBytes || !line.includes(marker)) return undefined;
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
