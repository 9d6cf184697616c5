/**
 * Twenty questions about real transcripts, with answers that were found by hand, and a client that asks them: it sees names,
 * descriptions and answers of the tools, and nothing of what is behind.
 */
import type { McpSchema } from "effect/ai";

/** One look: a tool by what its description says, parameters by what theirs say, values in the person's words. */
interface Step {
  readonly tool: RegExp;
  readonly say?: ReadonlyArray<readonly [RegExp, string | number | boolean]>;
  /** Takes the thread, and the place if the tool has a parameter for one, of the first that was found. */
  readonly follow?: true;
}

export interface Question {
  readonly asked: string;
  readonly steps: ReadonlyArray<Step>;
  /** What the last answer must hold. */
  readonly answer: RegExp;
}

const find = (words: string, ...more: NonNullable<Step["say"]>): Step => ({
  tool: /finds where something was said/i,
  say: [[/^words to find/i, words], ...more],
});
const look: Step = { tool: /reads a part of one conversation/i, follow: true };
const brief: Step = { tool: /brief of one conversation/i, follow: true };
const list = (...say: NonNullable<Step["say"]>): Step => ({ tool: /lists recorded conversations/i, say });
const addUp = (by: string, ...say: NonNullable<Step["say"]>): Step => ({
  tool: /adds up what was used/i,
  say: [[/group by/i, by], ...say],
});
const sql = (statement: string): Step => ({ tool: /sqlite statement/i, say: [[/the statement/i, statement]] });

const ofAgent = (name: string) => [/of this agent/i, name] as const;
const inProject = (name: string) => [/working directory/i, name] as const;

export const questions: ReadonlyArray<Question> = [
  {
    asked: "Who holds the copyright in the MIT license that was added?",
    steps: [find("standard MIT license"), brief],
    answer: /Entire Inc/,
  },
  {
    asked: "Which colour did the agent choose for the file in docs?",
    steps: [find('"color file" docs', ofAgent("claude")), brief],
    answer: /teal/i,
  },
  { asked: "What was written to test-gemini.txt?", steps: [find("test-gemini.txt")], answer: /hello, gemini/ },
  {
    asked: "Why does the method work on Unix only and not on Windows?",
    steps: [find("Setpgid Unix-only"), look],
    answer: /syscall\.SysProcAttr/,
  },
  {
    asked: "Which action retries the release workflow now?",
    steps: [find("release workflow retry max_attempts"), look],
    answer: /nick-fields\/retry@v3/,
  },
  {
    asked: "Which Linear issue was our working documentation kept in?",
    steps: [find('"working documentation" linear')],
    answer: /ENT-98/,
  },
  {
    asked: "In which folder were the lint errors in Go detached code fixed?",
    steps: [find("lint errors Go detached code")],
    answer: /improve-status-cmd-output/,
  },
  {
    asked: "What was asked last in the conversation about the changelog 0.4.3 -> 0.4.4?",
    steps: [find("changelog.md update 0.4.4"), brief],
    answer: /add it to CHANGELOG\.md/,
  },
  {
    asked: "Which type from main broke the merge of the explain command?",
    steps: [find("merge origin/main stop halfway"), look],
    answer: /CheckpointID/,
  },
  { asked: "How many conversations are from Gemini CLI?", steps: [list(ofAgent("gemini"))], answer: /"total":3\b/ },
  { asked: "How many prompts has the long session with pi?", steps: [list(ofAgent("pi"))], answer: /"prompts":88\b/ },
  {
    asked: "How many tool calls did Codex make when it ran the numbered steps?",
    steps: [list(ofAgent("codex"), [/title or the first words/i, "numbered steps"])],
    answer: /"tool_calls":60\b/,
  },
  {
    asked: "What was worked on in test-cli, and with which agent?",
    steps: [list(inProject("test-cli"))],
    answer: /Add Unit Tests for CLIVersion/,
  },
  {
    asked: "Which tool was called most, and how often did it fail?",
    steps: [addUp("tool")],
    answer: /"tool":"Bash","calls":216,"ok":204,"errors":11/,
  },
  {
    asked: "How many tokens did claude-opus-4-6 write?",
    steps: [addUp("model", [/models with this/i, "claude-opus-4-6"])],
    answer: /"output_tokens":7017\b/,
  },
  { asked: "What did all of it cost, as far as it is known?", steps: [addUp("model")], answer: /"cost_usd":30\.33/ },
  { asked: "How long did the longest shell command take?", steps: [addUp("tool")], answer: /"longest_millis":2624468/ },
  {
    asked: "How many tool calls had no result?",
    steps: [sql("SELECT count(*) AS calls FROM v_tool_calls WHERE outcome = 'unknown'")],
    answer: /\[\[20\]\]/,
  },
  {
    asked: "Which model said most messages?",
    steps: [
      sql("SELECT model, count(*) AS said FROM v_messages WHERE model IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 1"),
    ],
    answer: /claude-opus-4-5-20251101|claude-sonnet-4-5/,
  },
  {
    asked: "Which files did the plan about ComputeTranscriptPath change?",
    steps: [find("ComputeTranscriptPath Log Restoration plan"), brief],
    answer: /manual_commit_rewind\.go/,
  },
];

type Tools = ReadonlyArray<McpSchema.Tool>;

const parameter = (tool: McpSchema.Tool, described: RegExp): string => {
  const found = Object.entries(tool.inputSchema.properties ?? {}).find(([, schema]) => {
    const { description } = (typeof schema === "object" ? schema : {}) as { readonly description?: string };
    return description !== undefined && described.test(description);
  });
  if (found === undefined) throw new Error(`${tool.name} has no parameter that says ${described}`);
  return found[0];
};

/** The first thread, and the first place in it, that an answer names. */
const firstOf = (answer: string): { readonly thread: string; readonly place: number | undefined } => {
  const thread = /"thread":"([^"]+)"/.exec(answer)?.[1] ?? "";
  const place = /"place":(\d+)/.exec(answer)?.[1];
  return { thread, place: place === undefined ? undefined : Number(place) };
};

/** The arguments of a step, by what the tool says of itself and what the answer before said. */
export const argumentsOf = (tools: Tools, step: Step, before: string) => {
  const tool = tools.find(({ description = "" }) => step.tool.test(description));
  if (tool === undefined) throw new Error(`no tool says ${step.tool}`);
  const given = Object.fromEntries((step.say ?? []).map(([described, value]) => [parameter(tool, described), value]));
  if (step.follow === undefined) return { name: tool.name, arguments: given };
  const { place, thread } = firstOf(before);
  const has = (name: string) => Object.hasOwn(tool.inputSchema.properties ?? {}, name);
  const at = place !== undefined && has("around") ? { around: place } : {};
  return { name: tool.name, arguments: { ...given, thread, ...at } };
};
