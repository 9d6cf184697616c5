/**
 * Codex's `session_index.jsonl`: the names of its sessions, one a line; a session that is renamed has a later line.
 *
 * Room: domain.
 */
import type { Fact } from "../../Fact.ts";
import { stringAt } from "../../Json.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";

const format = "codex-index";

export const codexIndex: Interpreter = {
  format,
  interpret: (entry, _context, carry) => {
    const title = stringAt(entry, "thread_name");
    if (title === undefined) return { facts: [notUnderstood(format, "line without a name")] };
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, { title });
    return { facts: [...facts, noted("session name", title)], carry: after };
  },
};
