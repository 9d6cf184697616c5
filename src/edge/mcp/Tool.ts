/**
 * A tool as a model sees it: a name, a description, its parameters, and what it answers.
 *
 * Room: edge.
 *
 * A handler's failure is told to the model in words, as a result that is an error: it can ask again, better. Parameters
 * that the tool does not know are refused by name, because a model that misspells one would be answered something else.
 */
import { Cause, Context, Effect, Option, Schema } from "effect";
import { McpSchema, McpServer } from "effect/ai";
import { isObject, type JsonObject } from "../../domain/Json.ts";
import { defaultTokens, fewestTokens, mostTokens } from "../../query/brief/Budget.ts";
import { Caller, type Deed, may, threadIn, toolUseIn, type Who } from "./Caller.ts";
import { Desk } from "./Desk.ts";
import { leaving } from "./Leaving.ts";
import { inWords, Refused } from "./Refusal.ts";

/** A call of a tool, beside its arguments. */
export interface Call {
  readonly who: Who;
  /** The asking agent's name for this call, where it says one. */
  readonly toolUse: string | undefined;
  readonly client: { readonly name: string; readonly version?: string | undefined } | undefined;
  /** Budget of the answer, tokens. */
  readonly tokens: number;
}

export interface Definition<Fields extends Schema.Struct.Fields> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly deed: Deed;
  readonly parameters: Fields;
  /** True when the same call twice is one. */
  readonly isIdempotent?: boolean;
  readonly handle: (
    input: Schema.Struct.Type<Fields>,
    call: Call,
  ) => Effect.Effect<JsonObject, { readonly _tag: string }, Desk>;
}

/** A definition whose parameters' types only its handler knows. */
export interface Registered {
  readonly name: string;
  readonly deed: Deed;
  readonly tool: McpSchema.Tool;
  /** Never fails: what went wrong is the result. */
  readonly call: (input: unknown, call: Call) => Effect.Effect<McpSchema.CallToolResult, never, Desk>;
}

/** Every tool takes it. */
const budget = {
  max_tokens: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: fewestTokens, maximum: mostTokens })).annotate({
      description: `Most tokens the answer may take, ${fewestTokens} to ${mostTokens}. Default ${defaultTokens}.`,
    }),
  ),
};

/** Parameter of each tool that only reads. */
const then = {
  as_of: Schema.optionalKey(
    Schema.String.check(Schema.isMaxLength(40)).annotate({
      description: "The record as it was at a time, or after an event: 2026-11-01T10:00Z, 7d, or a sequence.",
    }),
  ),
};

const asOfIn = (input: unknown): string | undefined => {
  const given = isObject(input) ? input["as_of"] : undefined;
  return typeof given === "string" ? given : undefined;
};

const words = (text: string, isError: boolean) =>
  new McpSchema.CallToolResult({ content: [McpSchema.TextContent.make({ type: "text", text })], isError });

/** Models write null, or an empty text, for what they leave out. */
const withoutBlanks = (input: unknown): unknown =>
  isObject(input)
    ? Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null && value !== ""))
    : (input ?? {});

/** Budget that the call asks for, when it does so well. */
const tokensOf = (input: unknown): number => {
  const given = isObject(input) ? input["max_tokens"] : undefined;
  return typeof given === "number" ? given : defaultTokens;
};

const schemaOf = (fields: Schema.Struct.Fields): McpSchema.ToolJson => {
  const { schema } = Schema.toJsonSchemaDocument(Schema.Struct(fields), { onExcessProperty: "error" });
  return schema as McpSchema.ToolJson;
};

export const tool = <const Fields extends Schema.Struct.Fields>(definition: Definition<Fields>): Registered => {
  const { deed, description, handle, isIdempotent = deed === "read", name, title } = definition;
  const asks = deed === "read" || deed === "sql";
  const fields = { ...definition.parameters, ...(asks ? then : {}), ...budget };
  const decode = Schema.decodeUnknownEffect(Schema.Struct(fields), { onExcessProperty: "error", errors: "all" });
  return {
    name,
    deed,
    tool: new McpSchema.Tool({
      name,
      title,
      description,
      inputSchema: schemaOf(fields),
      annotations: {
        title,
        readOnlyHint: deed === "read",
        destructiveHint: false,
        idempotentHint: isIdempotent,
        openWorldHint: false,
      },
    }),
    call: (input, call) =>
      Effect.gen(function* () {
        if (!may(call.who, deed)) {
          return yield* new Refused({ message: `The role ${call.who.role} may not use ${name}.` });
        }
        const unknown = Object.keys(isObject(input) ? input : {}).filter((given) => !Object.hasOwn(fields, given));
        if (unknown.length > 0) {
          const message = `${name} has no parameter ${unknown.slice(0, 5).join(", ").slice(0, 200)}.`;
          return yield* new Refused({ message, hint: `It takes: ${Object.keys(fields).join(", ")}.` });
        }
        const given = yield* decode(withoutBlanks(input)) as Effect.Effect<
          Schema.Struct.Type<Fields>,
          Schema.SchemaError
        >;
        const desk = yield* Desk;
        const moment = asOfIn(given);
        const asked = handle(given, { ...call, tokens: tokensOf(given) });
        if (moment === undefined) return leaving(yield* asked, desk.shown);
        const query = Effect.succeed(yield* desk.asOf(moment));
        return leaving(yield* Effect.provideService(asked, Desk, { ...desk, query, isEarlier: true }), desk.shown);
      }).pipe(
        Effect.scoped,
        Effect.map((text) => words(text, false)),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.succeed(words(inWords(cause), true)),
        ),
      ),
  };
};

/** A server without its middleware is a mistake of ours. */
const nobody = Effect.die(new Error("the call has no caller"));

/** The current call, and the desk that it is answered from. */
export const currentCall = Effect.gen(function* () {
  const caller = yield* Effect.serviceOption(Caller);
  const { desk, who } = Option.isSome(caller) ? caller.value : yield* nobody;
  const request = yield* Effect.serviceOption(McpSchema.McpRequestContext);
  const session = yield* Effect.serviceOption(McpSchema.McpServerClient);
  const meta = Option.isSome(session) ? session.value.requestMetadata : Option.getOrUndefined(request)?.requestMetadata;
  const client = Option.getOrUndefined(request)?.clientInfo;
  const call: Call = {
    who: { ...who, thread: threadIn(meta) ?? who.thread },
    toolUse: toolUseIn(meta),
    client: client === undefined ? undefined : { name: client.name, version: client.version },
    tokens: defaultTokens,
  };
  return { call, desk };
});

/** Puts the tools on the server that is being made. */
export const register = (tools: ReadonlyArray<Registered>) =>
  Effect.gen(function* () {
    const server = yield* McpServer.McpServer;
    // Middleware that is provided to this effect runs around each call.
    const services = yield* Effect.context<never>();
    for (const one of tools) {
      yield* server.addTool({
        tool: one.tool,
        annotations: Context.empty(),
        services,
        handle: (input) =>
          Effect.flatMap(currentCall, ({ call, desk }) => Effect.provideService(one.call(input, call), Desk, desk)),
      });
    }
  });
