/**
 * One made-up session in the form Claude Code writes it, line by line, of any length.
 *
 * Sizes are those of real ones: most lines below 1 KB, tool results log-normal with a long tail, now and then one
 * that is too large for an event. So are the oddities: lines without a session, one message over several lines,
 * identical lines, results in other alphabets, halves of surrogate pairs.
 */
import type { Dice } from "./Dice.ts";

const words =
  "the file test error function stream why does it return undefined after restart and where is the sequence kept — " +
  'größe naïve 東京 проверка 🚀 const await import => { } [ ] "quoted" back\\slash tab\t newline\n 0xdeadbeef 3.14 ';

/** Words in random order; texts are slices of it, so that making one costs a copy. */
const makeSoup = (from: Dice): string => {
  const all = words.split(" ");
  let soup = "";
  while (soup.length < 2 ** 20) soup += `${all[from.between(0, all.length - 1)]} `;
  return soup;
};

const tools = ["Bash", "Read", "Edit", "Grep", "Task", "mcp__store__lookup"] as const;

/** One tool result in this many is beyond the largest event that is kept inline, and becomes a blob. */
const hugeOneIn = 1_500;
const hugeBytes = 900_000;

type Line = Readonly<Record<string, unknown>>;

/** Writes turns of one session for ever. */
export class Session {
  readonly id: string;
  private readonly dice: Dice;
  private readonly soup: string;
  private parent: string | null = null;
  private time: number;
  private turn = 0;

  constructor(options: { readonly dice: Dice; readonly soup: string }) {
    this.dice = options.dice;
    this.soup = options.soup;
    this.id = this.dice.uuid();
    this.time = Date.UTC(2026, 0, 1) + this.dice.between(0, 200 * 86_400_000);
  }

  static soup(from: Dice): string {
    return makeSoup(from);
  }

  /** The lines of the next turns, each with its newline, about as many bytes as asked for. */
  write(bytes: number): string {
    let text = "";
    while (text.length < bytes) {
      for (const line of this.next()) {
        const written = `${JSON.stringify(line)}\n`;
        text += written;
        // The same line twice is two entries: nothing may take the second for a duplicate.
        if (this.dice.chance(0.004)) text += written;
      }
    }
    return text;
  }

  private next(): ReadonlyArray<Line> {
    const first = this.turn++ === 0 ? [this.fileHistory()] : [];
    const lines = [...first, this.user(this.text(120, 1.2))];
    for (let calls = this.dice.between(0, 4); calls > 0; calls--) lines.push(...this.call());
    lines.push(...this.assistant([{ type: "text", text: this.text(400, 1) }]));
    if (this.dice.chance(0.1)) lines.push(this.fileHistory());
    if (this.dice.chance(0.15)) lines.push(this.line("system", { subtype: "turn_duration", durationMs: 4321 }));
    return lines;
  }

  /** A call, what it says on its way, and its result. */
  private call(): ReadonlyArray<Line> {
    const id = `toolu_${this.dice.uuid().replaceAll("-", "")}`;
    const thinking = this.dice.chance(0.3) ? [{ type: "thinking", thinking: this.text(300, 1) }] : [];
    const use = { type: "tool_use", id, name: this.dice.pick(tools), input: { command: this.text(80, 1) } };
    const progress = Array.from({ length: this.dice.chance(0.2) ? this.dice.between(1, 5) : 0 }, () =>
      this.line("progress", { parentToolUseID: id, data: { type: "bash_progress", output: this.text(200, 1) } }),
    );
    const huge = this.dice.between(1, hugeOneIn) === 1;
    const content = huge ? this.soup.slice(0, hugeBytes) : this.text(700, 1.6);
    return [
      ...this.assistant([...thinking, use]),
      ...progress,
      this.user([{ type: "tool_result", tool_use_id: id, content, is_error: this.dice.chance(0.04) }]),
    ];
  }

  /** One line for each block, all with the message's id and its usage. */
  private assistant(blocks: ReadonlyArray<Line>): ReadonlyArray<Line> {
    const id = `msg_${this.dice.uuid().replaceAll("-", "")}`;
    const requestId = `req_${this.dice.uuid().replaceAll("-", "")}`;
    return blocks.map((block, index) =>
      this.line("assistant", {
        requestId,
        message: {
          id,
          type: "message",
          role: "assistant",
          model: "claude-opus-4-6",
          content: [block],
          usage: { input_tokens: 12, output_tokens: 20 * (index + 1), cache_read_input_tokens: 30_000 },
        },
      }),
    );
  }

  private user(content: unknown): Line {
    return this.line("user", { message: { role: "user", content } });
  }

  /** A line that names neither session nor time. */
  private fileHistory(): Line {
    return { type: "file-history-snapshot", messageId: this.dice.uuid(), snapshot: { trackedFileBackups: {} } };
  }

  private line(type: string, rest: Line): Line {
    const parentUuid = this.parent;
    this.parent = this.dice.uuid();
    this.time += this.dice.between(1, 20_000);
    return {
      parentUuid,
      isSidechain: false,
      userType: "external",
      cwd: "/home/someone/project",
      sessionId: this.id,
      version: "2.1.29",
      gitBranch: "main",
      type,
      ...rest,
      uuid: this.parent,
      timestamp: new Date(this.time).toISOString(),
    };
  }

  private text(median: number, spread: number): string {
    const length = this.dice.size({ median, spread, most: 150_000 });
    const from = this.dice.between(0, this.soup.length - length);
    return this.soup.slice(from, from + length);
  }
}
