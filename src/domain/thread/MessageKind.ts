/**
 * The kind of a message, by its role and its words: a person's, a model's, a tool's or a program's.
 *
 * Room: domain.
 *
 * The chat formats give a tool's result, a program's notice and a person's prompt the same role (`user`): of 748 such
 * messages of real Claude Code sessions 86 are words of a person. A count of messages means nothing without this.
 */
import type { MessageKind, MessageSaid } from "../Fact.ts";
import type { Part } from "./Content.ts";

/** Beginnings of what agents themselves write under the role of the person. */
const notices =
  /^(?:<(?:local-command-(?:stdout|stderr|caveat)|bash-(?:stdout|stderr)|system-reminder|task-notification|command-contents|environment_context|user_instructions|turn_aborted|permissions|skills_instructions|user-prompt-submit-hook|ide_opened_file|ide_selection)\b|Caveat: The messages below|\[Request interrupted by user|# AGENTS\.md instructions|This session is being continued from a previous)/;

/** True for what an agent itself writes under the role of the person. */
export const isNotice = (text: string): boolean => notices.test(text.trimStart());

/** Words of a person in a message: what an agent puts before them (the file that is open) are parts of their own. */
export const wordsOfPerson = (parts: ReadonlyArray<Part>): string | undefined => {
  for (const part of parts)
    if (part.type === "text" && part.text.trim() !== "" && !isNotice(part.text)) return part.text.trim();
  return undefined;
};

/** A command as it was typed: `/model`, `!ls`. A path begins with a slash too, and has another. */
export const isTypedCommand = (text: string): boolean => /^[/!][\w:-]+(?:\s|$)/.test(text);

/** A command that a person gave to the program: `/model`, `!ls`. */
const commands = /^<(?:command-(?:name|message|args)|bash-input)>/;

/** Text between a tag's two ends. No expression: it would go to the end of the text from each beginning of a tag. */
const tagOf = (text: string, tag: string): string | undefined => {
  const from = text.indexOf(`<${tag}>`) + tag.length + 2;
  const to = from < tag.length + 2 ? -1 : text.indexOf(`</${tag}>`, from);
  return to < 0 ? undefined : text.slice(from, to).trim();
};

/** Tags that agents put around a person's words. */
const wrapped = /^<(task|user_query|USER_REQUEST|feedback|user_message)>([\s\S]*?)(?:<\/\1>|$)/;

/** Tags that agents put before a person's words, whole. */
const led = /^(?:\s*<(ide_opened_file|ide_selection|system-reminder)>[\s\S]*?<\/\1>)+\s*(?=\S)/;

/** Words as a person would recognise them: a command by its name and arguments, without an agent's tags around them. */
export const plainWords = (given: string): string => {
  const text = given.replace(led, "");
  if (!commands.test(text)) return wrapped.exec(text.trimStart())?.[2]?.trim() ?? text;
  const bash = tagOf(text, "bash-input");
  if (bash !== undefined) return `!${bash}`;
  const name = tagOf(text, "command-name") ?? tagOf(text, "command-message") ?? "";
  return `${name} ${tagOf(text, "command-args") ?? ""}`.trim();
};

/** A text of a message as it is shown: a command as it was given, all else as it was written. */
export const shownText = (kind: string, text: string): string => (kind === "command" ? plainWords(text) || text : text);

const ofPerson = ({ isMeta, isSidechain, parts }: MessageSaid): MessageKind => {
  if (isMeta === true) return "notice";
  const text = wordsOfPerson(parts);
  if (text === undefined) {
    if (parts.some((part) => part.type === "text" && part.text.trim() !== "")) return "notice";
    if (parts.some(({ type }) => type === "tool_result")) return "tool_result";
  } else if (commands.test(text)) return "command";
  return isSidechain === true ? "task" : "prompt";
};

export const kindOf = (said: MessageSaid): MessageKind => {
  if (said.kind !== undefined) return said.kind;
  switch (said.role) {
    case "user":
    case "human":
      return ofPerson(said);
    case "assistant":
    case "model":
      return said.isMeta === true ? "notice" : "answer";
    case "tool":
    case "function":
      return "tool_result";
    case "system":
    case "developer":
      return "instructions";
    default:
      return said.isMeta === true ? "notice" : "answer";
  }
};
