/**
 * Requests of MCP beside tool calls, with their answers: what was offered to the model, read for it, or asked of it.
 *
 * Room: edge.
 *
 * An exchange is told of when its answer passes, as one observation. A large one stands with its size and its beginning.
 */
import { cutText } from "../../domain/secret/CutText.ts";
import { isObject, type JsonObject, type JsonValue } from "../../domain/Json.ts";

export interface Exchanged {
  readonly _tag: "Exchanged";
  readonly at: number;
  /** Unique in its session: counts the exchanges. */
  readonly exchange: number;
  readonly method: string;
  /** Side that asked. */
  readonly from: "client" | "server";
  readonly params: JsonValue | undefined;
  /** `unanswered`: the session ended before. */
  readonly outcome: "ok" | "error" | "unanswered";
  readonly result: JsonValue | undefined;
  readonly error: JsonValue | undefined;
  readonly durationMillis: number;
}

interface Open {
  readonly exchange: number;
  readonly method: string;
  readonly params: JsonValue | null;
  readonly began: number;
}

/** As JSON has it. */
export interface State {
  readonly count: number;
  readonly open: ReadonlyArray<readonly [string, Open]>;
}

const recorded: ReadonlySet<string> = new Set([
  "tools/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "roots/list",
  "sampling/createMessage",
  "elicitation/create",
]);

/** Requests without an answer that are remembered. */
const maxOpen = 1_000;
/** Of params or a result; more is not what an audit of a session needs in its history. */
const maxBytes = 256 * 1024;
const headLength = 1_000;

const bounded = (value: JsonValue | undefined): JsonValue | undefined => {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxBytes) return value;
  return { notRecorded: `${bytes} bytes`, head: cutText(text, headLength) };
};

/** Both directions may use the same id. */
const keyed = (from: Exchanged["from"], key: string) => `${from} ${key}`;

export class Exchanges {
  readonly #open: Map<string, Open>;
  #count: number;

  constructor(state: State | undefined) {
    this.#open = new Map(state?.open);
    this.#count = state?.count ?? 0;
  }

  get state(): State {
    return { count: this.#count, open: [...this.#open] };
  }

  asked(
    from: Exchanged["from"],
    key: string,
    request: { readonly method: string; readonly params: JsonValue | undefined },
    began: number,
  ): void {
    const { method, params } = request;
    if (!recorded.has(method)) return;
    this.#open.set(keyed(from, key), { exchange: ++this.#count, method, params: bounded(params) ?? null, began });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpen) break;
      this.#open.delete(oldest);
    }
  }

  /** `from`: who had asked. */
  answered(
    from: Exchanged["from"],
    key: string,
    message: JsonObject,
    at: { readonly epochMillis: number; readonly monotonicMillis: number },
  ): ReadonlyArray<Exchanged> {
    const open = this.#open.get(keyed(from, key));
    if (open === undefined) return [];
    this.#open.delete(keyed(from, key));
    const { error, result } = message;
    const isError = isObject(error);
    return [
      {
        ...exchangedOf(open, from, at),
        outcome: isError ? "error" : "ok",
        result: isError ? undefined : bounded(result),
        error: isError ? bounded(error) : undefined,
      },
    ];
  }

  /** The session is over. */
  end(at: { readonly epochMillis: number; readonly monotonicMillis: number }): ReadonlyArray<Exchanged> {
    const left = [...this.#open].map(([key, open]): Exchanged => ({
      ...exchangedOf(open, key.startsWith("client ") ? "client" : "server", at),
      outcome: "unanswered",
      result: undefined,
      error: undefined,
    }));
    this.#open.clear();
    return left;
  }
}

const exchangedOf = (
  { began, exchange, method, params }: Open,
  from: Exchanged["from"],
  at: { readonly epochMillis: number; readonly monotonicMillis: number },
) => ({
  _tag: "Exchanged" as const,
  at: at.epochMillis,
  exchange,
  method,
  from,
  params: params ?? undefined,
  durationMillis: Math.max(0, at.monotonicMillis - began),
});
