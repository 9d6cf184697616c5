/**
 * The gate: holds a tool call until it is decided whether it may be made now, and answers one that may not in the
 * server's place.
 *
 * Room: edge. In: Lines. Out: Proxy.
 *
 * Plain Node, as all that is on the way of a call. Without `--limits` there is no gate. With it the client's lines go on
 * whole and unchanged, one after another, or not at all; what waits is bounded, because a client that is not read from
 * stops writing. An answer of ours stands between two lines of the server, never within one.
 */
import { Transform, type TransformCallback, type Writable } from "node:stream";
import { maxLineBytes } from "./Lines.ts";

/** Why a call is not made. */
export interface Refusal {
  readonly message: string;
  /** When it is worth to call again; undefined when nobody can say. */
  readonly retryAfterMillis: number | undefined;
}

/** Whether a tool may be called now. Never rejects. */
export type Decide = (tool: string) => Promise<Refusal | undefined>;

const newline = 0x0a;
/** Calls in one batch: each is decided by itself, and whoever comes behind waits for all of them. */
const maxBatch = 100;
const tooMany: Refusal = {
  message: `A batch of more than ${maxBatch} tool calls is not made. Send them one by one.`,
  retryAfterMillis: undefined,
};

/** What is said to the client between the server's lines. */
export class Answers {
  readonly #client: Writable;
  #waiting: Array<string> = [];
  #isBetween = true;

  constructor(client: Writable) {
    this.#client = client;
  }

  /** The server's bytes have been passed on. */
  passed(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.#isBetween = chunk.at(-1) === newline;
    if (this.#isBetween) for (const line of this.#waiting.splice(0)) this.#client.write(line);
  }

  say(message: unknown): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#isBetween) this.#client.write(line);
    else this.#waiting.push(line);
  }
}

interface Call {
  readonly id: string | number;
  readonly tool: string;
}

const callsIn = (line: Buffer): { readonly calls: ReadonlyArray<Call>; readonly isBatch: boolean } => {
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

export class Gate extends Transform {
  readonly #decide: Decide;
  readonly #answers: Answers;
  #pieces: Array<Buffer> = [];
  #bytes = 0;
  /** Within a line that is too large to be looked at. */
  #isPassing = false;

  constructor(decide: Decide, answers: Answers) {
    super();
    this.#decide = decide;
    this.#answers = answers;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    void this.#taken(chunk, done);
  }

  /** A last line without its end is no call. */
  override _flush(done: TransformCallback): void {
    for (const piece of this.#pieces.splice(0)) this.push(piece);
    done();
  }

  async #taken(chunk: Buffer, done: TransformCallback): Promise<void> {
    try {
      await this.#take(chunk);
    } catch (cause) {
      done(cause instanceof Error ? cause : new Error(String(cause)));
      return;
    }
    done();
  }

  async #take(chunk: Buffer): Promise<void> {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      this.#keep(chunk.subarray(from, at + 1));
      if (!this.#isPassing) await this.#line(Buffer.concat(this.#pieces));
      this.#pieces = [];
      this.#bytes = 0;
      this.#isPassing = false;
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.byteLength;
    if (!this.#isPassing && this.#bytes > maxLineBytes) {
      this.#isPassing = true;
      for (const kept of this.#pieces.splice(0)) this.push(kept);
    }
    if (this.#isPassing) this.push(piece);
    else this.#pieces.push(piece);
  }

  async #line(line: Buffer): Promise<void> {
    const { calls, isBatch } = callsIn(line);
    for (const [index, call] of calls.entries()) {
      const refusal = index === 0 && calls.length > maxBatch ? tooMany : await this.#decide(call.tool);
      if (refusal === undefined) continue;
      // Of a batch all or nothing is made, because what is passed on is passed on unchanged.
      const answers = calls.map((one) => answerOf(one, refusal));
      return this.#answers.say(isBatch ? answers : answers[0]);
    }
    this.push(line);
  }
}
