/**
 * The kind of a message, by its role and its words: a person's, a model's, a tool's or a program's.
 *
 * Room: domain.
 *
 * The chat formats give a tool's result, a program's notice and a person's prompt the same role (`user`): of 748 such
 * messages of real Claude Code sessions 86 are words of a person. A count of messages means nothing without this.
 */
import type { MessageKind, MessageSaid } from "../Fact.ts";

/** Beginnings of what agents themselves write under the role of the person. */
const notices =
  /^(?:<(?:local-command-(?:stdout|stderr|caveat)|bash-(?:stdout|stderr)|system-reminder|task-notification|command-contents|environment_context|user_instructions|turn_aborted|permissions|skills_instructions|user-prompt-submit-hook|ide_opened_file|ide_selection)\b|Caveat: The messages below|\[Request interrupted by user|# AGENTS\.md instructions|This session is being continued from a previous)/;

/** A command that a person gave to the program: `/model`, `!ls`. */
const commands = /^<(?:command-(?:name|message|args)|bash-input)>/;

const tagOf = (text: string, tag: string): string | undefined =>
  new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text)?.[1]?.trim();

/** Tags that agents put around a person's words. */
const wrapped = /^<(task|user_query|USER_REQUEST|feedback|user_message)>([\s\S]*?)(?:<\/\1>|$)/;

/** Words as a person would recognise them: a command by its name and arguments, without an agent's tags around them. */
export const plainWords = (text: string): string => {
  if (!commands.test(text)) return wrapped.exec(text.trimStart())?.[2]?.trim() ?? text;
  const bash = tagOf(text, "bash-input");
  if (bash !== undefined) return `!${bash}`;
  const name = tagOf(text, "command-name") ?? tagOf(text, "command-message") ?? "";
  return `${name} ${tagOf(text, "command-args") ?? ""}`.trim();
};

const ofPerson = ({ isMeta, isSidechain, parts }: MessageSaid): MessageKind => {
  if (isMeta === true) return "notice";
  const words = parts.find((part) => part.type === "text" && part.text.trim() !== "");
  const text = words?.type === "text" ? words.text.trimStart() : undefined;
  if (text === undefined && parts.some(({ type }) => type === "tool_result")) return "tool_result";
  if (text !== undefined && notices.test(text)) return "notice";
  if (text !== undefined && commands.test(text)) return "command";
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
