/**
 * What the conformance suite of MCP expects of a server beside its own tools: tools, resources and prompts by fixed names.
 *
 * They are put beside our own on the same server, so that one run judges both.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect";
import { McpSchema, McpServer } from "effect/ai";
import { createHmac, randomBytes } from "node:crypto";

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

type Block = McpSchema.CallToolResult["content"][number];

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const text = (said: string): Block => ({ type: "text", text: said });
const image: Block = { type: "image", data: bytes(png), mimeType: "image/png" };
const audio: Block = { type: "audio", data: bytes(wav), mimeType: "audio/wav" };
const embedded = (uri: string, mimeType: string, said: string): Block => ({
  type: "resource",
  resource: { uri, mimeType, text: said },
});

type Answer = ReadonlyArray<Block> | McpSchema.CallToolResult | McpSchema.InputRequired;
type Failure = McpSchema.InvalidParams | McpSchema.InternalError;

interface Fixture {
  readonly name: string;
  readonly inputSchema?: McpSchema.ToolJson;
  readonly handle: (args: Readonly<Record<string, unknown>>) => Effect.Effect<Answer, Failure>;
}

const empty: McpSchema.ToolJson = { type: "object", properties: {} };

const words = (...names: ReadonlyArray<string>): McpSchema.ToolJson => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});

const says = (name: string, ...blocks: ReadonlyArray<Block>): Fixture => ({
  name,
  handle: () => Effect.succeed(blocks),
});

const request = Effect.serviceOption(McpSchema.McpRequestContext);
const session = Effect.serviceOption(McpSchema.McpServerClient);

/** What the client sent with its second round. */
const responses = Effect.map(request, (found) => (found._tag === "Some" ? (found.value.inputResponses ?? {}) : {}));
const stateSent = Effect.map(request, (found) => (found._tag === "Some" ? found.value.requestState : undefined));
const isDeclared = (name: "elicitation" | "sampling") =>
  Effect.map(request, (found) => found._tag === "Some" && found.value.clientCapabilities[name] !== undefined);

const elicitation = (message: string, properties: Readonly<Record<string, { readonly type: string }>>) =>
  ({
    method: "elicitation/create",
    params: { message, requestedSchema: { type: "object", properties, required: Object.keys(properties) } },
  }) as unknown as McpSchema.McpInputRequest;
const sampling = (prompt: string, maxTokens: number) =>
  ({
    method: "sampling/createMessage",
    params: { messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens },
  }) as unknown as McpSchema.McpInputRequest;
const roots = { method: "roots/list", params: {} } as unknown as McpSchema.McpInputRequest;

const asks = (inputRequests: Readonly<Record<string, McpSchema.McpInputRequest>>, requestState?: string) =>
  new McpSchema.InputRequired({ inputRequests, ...(requestState === undefined ? {} : { requestState }) });

const contentOf = (response: unknown): Readonly<Record<string, unknown>> => {
  const content = (response as { readonly content?: unknown } | undefined)?.content;
  return typeof content === "object" && content !== null ? (content as Readonly<Record<string, unknown>>) : {};
};

const name = elicitation("What is your name?", { name: { type: "string" } });

/** Asks for what is missing, else says what came. */
const rounds = (
  tool: string,
  wanted: Readonly<Record<string, McpSchema.McpInputRequest>>,
  state?: string,
): Fixture => ({
  name: tool,
  handle: () =>
    Effect.gen(function* () {
      const given = yield* responses;
      const isComplete = Object.keys(wanted).every((key) => typeof given[key] === "object" && given[key] !== null);
      if (!isComplete) return asks(wanted, state);
      if (state !== undefined && (yield* stateSent) !== state)
        return yield* new McpSchema.InvalidParams({ message: "requestState is not the one that was given" });
      const said = contentOf(given["user_name"])["name"];
      return [text(said === undefined ? `state-ok ${JSON.stringify(given)}` : `Hello, ${String(said)}!`)];
    }),
});

const key = randomBytes(32);
const signed = (said: string) => `${said}.${createHmac("sha256", key).update(said).digest("hex")}`;

const later = (millis: number) => Effect.andThen(Clock.currentTimeMillis, Effect.sleep(millis));

const notify = Effect.serviceOption(McpServer.McpServer);

const logs = Effect.gen(function* () {
  const server = yield* notify;
  for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
    if (server._tag === "Some") yield* server.value.notifications["notifications/message"]({ level: "info", data });
    yield* later(50);
  }
  return [text("Logged.")];
});

/** Refuses what needs a capability that the client has not declared. */
const needsSampling = McpServer.middleware((effect, { requestContext, target }) =>
  target === "test_missing_capability" && requestContext.clientCapabilities.sampling === undefined
    ? Effect.fail(
        new McpSchema.McpErrorBase({
          code: -32021,
          message: "This tool needs sampling",
          data: { requiredCapabilities: { sampling: {} } },
        }),
      )
    : effect,
);

/** Its elicitation of a session of before 2026-07-28. */
const elicits = (tool: string, message: string, requestedSchema: object, prefix: string): Fixture => ({
  name: tool,
  handle: (args) =>
    Effect.gen(function* () {
      const client = yield* session;
      if (client._tag === "None") return yield* new McpSchema.InvalidParams({ message: "no session" });
      const reverse = yield* client.value.getClient;
      const given = {
        mode: "form",
        message: typeof args["message"] === "string" ? args["message"] : message,
        requestedSchema,
      };
      const decoded = yield* Schema.decodeUnknownEffect(McpSchema.ElicitRequestFormParams)(given).pipe(Effect.orDie);
      const answer = yield* Effect.orDie(reverse.elicit(decoded));
      const content = "content" in answer ? answer.content : {};
      return [text(`${prefix}action=${answer.action}, content=${JSON.stringify(content)}`)];
    }).pipe(Effect.scoped),
});

const jsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
} as unknown as McpSchema.ToolJson;

const enums = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: {
      type: "string",
      oneOf: [
        { const: "value1", title: "First Option" },
        { const: "value2", title: "Second Option" },
      ],
    },
    legacyEnum: { type: "string", enum: ["opt1", "opt2"], enumNames: ["Option One", "Option Two"] },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2"] } },
    titledMulti: {
      type: "array",
      items: {
        anyOf: [
          { const: "value1", title: "First Choice" },
          { const: "value2", title: "Second Choice" },
        ],
      },
    },
  },
};

const defaults = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
};

const fixtures: ReadonlyArray<Fixture> = [
  says("test_simple_text", text("This is a simple text response for testing.")),
  says("test_image_content", image),
  says("test_audio_content", audio),
  says(
    "test_embedded_resource",
    embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."),
  ),
  says(
    "test_multiple_content_types",
    text("Multiple content types test:"),
    image,
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
  ),
  {
    name: "test_error_handling",
    handle: () =>
      Effect.succeed(
        new McpSchema.CallToolResult({
          isError: true,
          content: [text("This tool intentionally returns an error for testing")],
        }),
      ),
  },
  ...["test_tool_with_logging", "test_logging_tool"].map((one): Fixture => ({ name: one, handle: () => logs })),
  { name: "test_streaming_elicitation", handle: () => Effect.andThen(logs, Effect.succeed(asks({ user_name: name }))) },
  says("test_missing_capability", text("sampled")),
  {
    name: "test_custom_header",
    inputSchema: {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": "Region" }, text: { type: "string" } },
      required: ["region"],
    },
    handle: (args) => Effect.succeed([text(JSON.stringify(args))]),
  },
  {
    name: "test_tool_with_progress",
    handle: () =>
      Effect.gen(function* () {
        const server = yield* notify;
        const client = yield* session;
        const asked = yield* request;
        const meta =
          client._tag === "Some"
            ? client.value.requestMetadata
            : asked._tag === "Some"
              ? asked.value.requestMetadata
              : {};
        const token = (meta as { readonly progressToken?: string | number } | undefined)?.progressToken;
        for (const progress of [0, 50, 100]) {
          if (token !== undefined && server._tag === "Some")
            yield* server.value.notifications["notifications/progress"]({ progressToken: token, progress, total: 100 });
          yield* later(50);
        }
        return [text("Progressed.")];
      }),
  },
  {
    name: "test_sampling",
    inputSchema: words("prompt"),
    handle: (args) =>
      Effect.gen(function* () {
        const client = yield* session;
        if (client._tag === "None") return yield* new McpSchema.InvalidParams({ message: "no session" });
        const reverse = yield* client.value.getClient;
        const messages = [{ role: "user" as const, content: { type: "text" as const, text: String(args["prompt"]) } }];
        const asked = yield* Schema.decodeUnknownEffect(McpSchema.CreateMessage.payloadSchema)({
          messages,
          maxTokens: 100,
        }).pipe(Effect.orDie);
        const answer = yield* Effect.orDie(reverse.createMessage(asked));
        return [text(`LLM response: ${JSON.stringify(answer.content)}`)];
      }).pipe(Effect.scoped),
  },
  {
    ...elicits(
      "test_elicitation",
      "",
      {
        type: "object",
        properties: { username: { type: "string" }, email: { type: "string" } },
        required: ["username", "email"],
      },
      "User response: ",
    ),
    inputSchema: words("message"),
  },
  elicits("test_elicitation_sep1034_defaults", "Please review", defaults, "Elicitation completed: "),
  elicits("test_elicitation_sep1330_enums", "Please choose", enums, "Elicitation completed: "),
  { name: "json_schema_2020_12_tool", inputSchema: jsonSchema, handle: () => Effect.succeed([text("ok")]) },
  rounds("test_input_required_result_elicitation", { user_name: name }),
  rounds("test_input_required_result_sampling", { capital_question: sampling("What is the capital of France?", 100) }),
  rounds("test_input_required_result_list_roots", { client_roots: roots }),
  rounds(
    "test_input_required_result_request_state",
    { confirm: elicitation("Please confirm", { ok: { type: "boolean" } }) },
    signed("round-1"),
  ),
  rounds(
    "test_input_required_result_tampered_state",
    { confirm: elicitation("Please confirm", { ok: { type: "boolean" } }) },
    signed("tampered"),
  ),
  rounds(
    "test_input_required_result_multiple_inputs",
    { user_name: name, greeting: sampling("Generate a greeting", 50), client_roots: roots },
    signed("multiple"),
  ),
  {
    name: "test_input_required_result_multi_round",
    handle: () =>
      Effect.gen(function* () {
        const given = yield* responses;
        const state = yield* stateSent;
        if (given["step2"] !== undefined && state === signed("two"))
          return [text(`Done: ${JSON.stringify(given["step2"])}`)];
        if (given["step1"] !== undefined && state === signed("one"))
          return asks(
            { step2: elicitation("Step 2: What is your favorite color?", { color: { type: "string" } }) },
            signed("two"),
          );
        return asks({ step1: elicitation("Step 1: What is your name?", { name: { type: "string" } }) }, signed("one"));
      }),
  },
  {
    name: "test_input_required_result_capabilities",
    handle: () =>
      Effect.gen(function* () {
        const mayElicit = yield* isDeclared("elicitation");
        const maySample = yield* isDeclared("sampling");
        return asks({
          ...(mayElicit ? { user_name: name } : {}),
          ...(maySample ? { question: sampling("Why?", 50) } : {}),
        });
      }),
  },
  {
    name: "test_tool_with_task",
    handle: () => Effect.succeed(asks({ user_name: name })),
  },
  {
    name: "greet",
    inputSchema: words("name"),
    handle: (args) => Effect.succeed([text(`Hello, ${String(args["name"])}!`)]),
  },
  ...["slow_compute", "confirm_delete", "multi_input", "failing_job", "protocol_error_job"].map((one): Fixture => ({
    name: one,
    handle: () => Effect.succeed([text(`${one} at once`)]),
  })),
];

const tools = Effect.gen(function* () {
  const server = yield* McpServer.McpServer;
  const services = yield* Effect.context<never>();
  for (const { handle, inputSchema = empty, name: called } of fixtures) {
    yield* server.addTool({
      tool: new McpSchema.Tool({ name: called, description: `A fixture: ${called}`, inputSchema }),
      annotations: Context.empty(),
      services,
      handle: (args) =>
        Effect.map(Effect.provideService(handle(args ?? {}), McpServer.McpServer, server), (answer) =>
          Array.isArray(answer)
            ? new McpSchema.CallToolResult({ content: answer as ReadonlyArray<Block>, isError: false })
            : (answer as McpSchema.CallToolResult | McpSchema.InputRequired),
        ),
    });
  }
});

const resource = (uri: string, mimeType: string, content: string | Uint8Array) =>
  McpServer.resource({
    uri,
    name: uri,
    description: `A fixture: ${uri}`,
    mimeType,
    content: Effect.succeed({
      contents: [typeof content === "string" ? { uri, mimeType, text: content } : { uri, mimeType, blob: content }],
    }),
  });

const template = McpServer.resource`test://template/${McpSchema.param("id", Schema.String)}/data`({
  name: "template",
  description: "A fixture with a parameter",
  mimeType: "application/json",
  content: (uri, id) =>
    Effect.succeed({
      contents: [
        {
          uri,
          mimeType: "application/json",
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
});

const prompt = (given: {
  readonly name: string;
  readonly parameters?: ReadonlyArray<string>;
  readonly content: (params: Readonly<Record<string, string>>) => Array<McpSchema.PromptMessage>;
}) =>
  McpServer.prompt({
    name: given.name,
    description: `A fixture: ${given.name}`,
    parameters: Object.fromEntries((given.parameters ?? []).map((one) => [one, Schema.String])),
    completion: Object.fromEntries((given.parameters ?? []).map((one) => [one, () => Effect.succeed([])])),
    content: (params) => Effect.succeed(given.content(params as Readonly<Record<string, string>>)),
  });

const said = (...blocks: ReadonlyArray<Block>): Array<McpSchema.PromptMessage> =>
  blocks.map((content) => ({ role: "user", content }) as McpSchema.PromptMessage);

const askingPrompt = Layer.effectDiscard(
  Effect.gen(function* () {
    const server = yield* McpServer.McpServer;
    const services = yield* Effect.context<never>();
    yield* server.addPrompt({
      prompt: new McpSchema.Prompt({ name: "test_input_required_result_prompt", description: "A fixture that asks" }),
      annotations: Context.empty(),
      services,
      completions: {},
      handle: () =>
        Effect.map(responses, (given) =>
          given["user_context"] === undefined
            ? asks({
                user_context: elicitation("What context should the prompt use?", { context: { type: "string" } }),
              })
            : new McpSchema.GetPromptResult({ messages: said(text(JSON.stringify(given["user_context"]))) }),
        ),
    });
  }),
);

export const layer = Layer.mergeAll(
  Layer.effectDiscard(tools).pipe(Layer.provide(needsSampling.layer)),
  resource("test://static-text", "text/plain", "This is the content of the static text resource."),
  resource("test://static-binary", "image/png", bytes(png)),
  resource("test://watched-resource", "text/plain", "watched"),
  template,
  askingPrompt,
  prompt({ name: "test_simple_prompt", content: () => said(text("This is a simple prompt for testing.")) }),
  prompt({
    name: "test_prompt_with_arguments",
    parameters: ["arg1", "arg2"],
    content: ({ arg1, arg2 }) => said(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  }),
  prompt({
    name: "test_prompt_with_embedded_resource",
    parameters: ["resourceUri"],
    content: ({ resourceUri = "" }) =>
      said(
        embedded(resourceUri, "text/plain", "Embedded resource content for testing."),
        text("Please process the embedded resource above."),
      ),
  }),
  prompt({ name: "test_prompt_with_image", content: () => said(image, text("Please analyze the image above.")) }),
);
