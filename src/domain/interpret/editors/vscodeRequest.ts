/**
 * A request of VS Code's chat: what was asked, what came back piece by piece, and what it cost.
 *
 * Room: domain.
 *
 * A request is two messages: the person's under its `requestId`, and the answer under that with ` answer` behind, each
 * piece of it a segment by its place. So a session reads the same from its JSON (VS Code up to 1.108) as from the log of
 * mutations that came after it.
 */
import { shortId } from "../../Truncate.ts";
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, flagAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, parsed } from "../facts.ts";
import type { EntryContext } from "../Interpreter.ts";
import { wordsOf } from "../parts.ts";

/** Pieces that say nothing to a reader: places to undo to, progress, files that are about to be edited. */
const silent: ReadonlySet<string> = new Set([
  "undoStop",
  "codeblockUri",
  "prepareToolInvocation",
  "progressTaskSerialized",
  "progressTask",
  "progressMessage",
  "mcpServersStarting",
  "mcpServersInteractionRequired",
  "textEditGroup",
  "notebookEditGroup",
  "treeData",
  "pullRequest",
]);

/** A text, or a markdown string around one. */
const textOf = (value: JsonValue | undefined): string =>
  typeof value === "string"
    ? value
    : Array.isArray(value)
      ? wordsOf(value as ReadonlyArray<JsonValue>).join("\n")
      : (stringAt(value, "value") ?? stringAt(objectAt(value, "content"), "value") ?? "");

export const answerId = (requestId: string): string => `${requestId} answer`;

/** The provider's id of a call; VS Code puts a number of its own behind it. */
const callIdOf = (id: string): string => id.replace(/__vscode-\d+$/, "");

const invoked = (piece: JsonObject, requestId: string, { threadId }: EntryContext) => {
  const callId = callIdOf(idAt(piece, "toolCallId") ?? "");
  const details = piece["resultDetails"];
  const written =
    stringAt(details, "input") ?? stringAt(objectAt(piece["toolSpecificData"], "commandLine"), "original");
  const input = written === undefined ? null : (parsed(written) ?? written);
  const about = { callId, name: stringAt(piece, "toolId") ?? "", arguments: input };
  const callKey = threadKey(threadId, callId);
  const facts: Array<Fact> = [toolCalled({ ...about, callKey, messageId: answerId(requestId) })];
  const output = isObject(details) ? details["output"] : undefined;
  if (flagAt(piece, "isComplete") || details !== undefined) {
    const text = wordsOf(output ?? null).join("\n") || textOf(piece["pastTenseMessage"]);
    const failure: Failure | undefined = flagAt(details, "isError") ? { type: "error", message: text } : undefined;
    facts.push(toolReturned({ callKey, callId, result: output ?? text, failure }));
  }
  return { parts: [toolUse(about)] as ReadonlyArray<Part>, facts };
};

const partsOfPiece = (piece: JsonObject, kind: string): ReadonlyArray<Part> => {
  if (kind === "thinking") return [{ type: "thinking", text: textOf(piece["value"]) }];
  if (kind === "inlineReference") {
    const place = objectAt(piece, "inlineReference");
    const path = stringAt(piece, "name") ?? stringAt(place, "path") ?? stringAt(objectAt(place, "uri"), "path") ?? "";
    return path === "" ? [] : [{ type: "file", path }];
  }
  const text = textOf(piece["value"]) || textOf(piece["content"]);
  return text === "" ? [] : [{ type: "text", text }];
};

/** One piece of an answer, by its place in it. A piece that says nothing gives nothing. */
export const pieceFacts = (
  piece: JsonValue,
  place: number,
  {
    context,
    model,
    requestId,
  }: { readonly requestId: string; readonly model?: string | undefined; readonly context: EntryContext },
): ReadonlyArray<Fact> => {
  if (!isObject(piece)) return [];
  const kind = stringAt(piece, "kind") ?? "";
  if (silent.has(kind)) return [];
  const isCall = kind === "toolInvocationSerialized" || kind === "toolInvocation";
  const { facts, parts } = isCall
    ? invoked(piece, requestId, context)
    : { parts: partsOfPiece(piece, kind), facts: [] as ReadonlyArray<Fact> };
  if (parts.length === 0) return facts;
  const said: Fact = {
    _tag: "MessageSaid",
    messageId: answerId(requestId),
    segment: String(place),
    role: "assistant",
    parts,
    parentMessageId: requestId,
    model,
  };
  return [said, ...facts];
};

/** Facts of a request that has ended: its usage, and the arguments of its calls as the model gave them. */
export const resultFacts = (
  result: JsonValue | undefined,
  requestId: string,
  model: string | undefined,
  context: EntryContext,
): ReadonlyArray<Fact> => {
  const metadata = objectAt(result, "metadata");
  const usage = objectAt(result, "usage") ?? objectAt(metadata, "usage");
  const input = countAt(metadata, "promptTokens") ?? countAt(usage, "promptTokens") ?? countAt(usage, "prompt_tokens");
  const output =
    countAt(metadata, "outputTokens") ?? countAt(usage, "completionTokens") ?? countAt(usage, "completion_tokens");
  const facts: Array<Fact> = arrayAt(metadata, "toolCallRounds").flatMap((round) =>
    arrayAt(round, "toolCalls").map((call) => {
      const callId = callIdOf(idAt(call, "id") ?? "");
      return toolCalled({
        callKey: threadKey(context.threadId, callId),
        callId,
        name: stringAt(call, "name") ?? "",
        arguments: isObject(call) ? call["arguments"] : undefined,
        messageId: answerId(requestId),
      });
    }),
  );
  for (const [id, answer] of Object.entries(objectAt(metadata, "toolCallResults") ?? {})) {
    const callId = callIdOf(id);
    const content = isObject(answer) ? answer["content"] : undefined;
    facts.push(toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: content }));
  }
  if (input !== undefined || output !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(requestId)}`,
      providerMessageId: requestId,
      messageId: answerId(requestId),
      model,
      usage: { input: input ?? null, output: output ?? null, cacheInInput: true },
    });
  return facts;
};

/** Fields of a request in which newer versions count its tokens. */
export const countNames: ReadonlySet<string> = new Set(["promptTokens", "completionTokens", "modelTotals"]);

/**
 * Usage as it stands on the request itself: by model with the whole turn's sums, else of the request. The input there is
 * that of the turn's last call, its output that of all of them.
 */
export const countedFacts = (
  request: JsonObject,
  requestId: string,
  model: string | undefined,
  { threadId }: EntryContext,
): ReadonlyArray<Fact> => {
  const about = { providerMessageId: requestId, messageId: answerId(requestId) };
  const usageKey = `${threadId} ${shortId(requestId)}`;
  const totals = arrayAt(request, "modelTotals");
  if (totals.length > 0)
    return totals.map((total): Fact => {
      const own = stringAt(total, "model") ?? model;
      const usage = {
        input: countAt(total, "inputTokens") ?? null,
        output: countAt(total, "outputTokens") ?? null,
        cacheRead: countAt(total, "cachedTokens") ?? null,
        cacheInInput: true,
      };
      // The first model has the key under which the request was counted while it ran.
      return {
        _tag: "TokensUsed",
        ...about,
        usageKey: total === totals[0] ? usageKey : `${usageKey} ${own}`,
        model: own,
        usage,
      };
    });
  const input = countAt(request, "promptTokens");
  const output = countAt(request, "completionTokens");
  if (input === undefined && output === undefined) return [];
  const usage = { input: input ?? null, output: output ?? null, cacheInInput: true };
  return [{ _tag: "TokensUsed", ...about, usageKey, model, usage }];
};

export const modelOf = (request: JsonValue | undefined): string | undefined => stringAt(request, "modelId");

/** Prompt of a person. */
export const askedFacts = (request: JsonObject, requestId: string): ReadonlyArray<Fact> => {
  const files = arrayAt(objectAt(request, "variableData"), "variables").flatMap((variable): ReadonlyArray<Part> => {
    const value = objectAt(variable, "value");
    const path = stringAt(value, "path") ?? stringAt(objectAt(value, "uri"), "path");
    return path === undefined ? [] : [{ type: "file", path }];
  });
  const text = stringAt(request["message"], "text") ?? textOf(request["message"]);
  const words: ReadonlyArray<Part> = text === "" ? [] : [{ type: "text", text }];
  return [{ _tag: "MessageSaid", messageId: requestId, segment: "", role: "user", parts: [...words, ...files] }];
};

/** A whole request. */
export const requestFacts = (request: JsonObject, requestId: string, context: EntryContext): ReadonlyArray<Fact> => {
  const model = modelOf(request);
  return [
    ...askedFacts(request, requestId),
    ...arrayAt(request, "response").flatMap((piece, place) => pieceFacts(piece, place, { requestId, model, context })),
    ...resultFacts(request["result"], requestId, model, context),
    ...countedFacts(request, requestId, model, context),
  ];
};
