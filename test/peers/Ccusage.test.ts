/**
 * Token totals beside a peer: ccusage (npm), which reads the same transcripts. The table in docs/numbers.md is made here:
 * `RECOLLECT_WRITE_DOCS=1 npm test -- test/peers` writes it, any other run holds it against what comes out.
 */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataRoot } from "../domain/realEntries.ts";
import { imported, rows, store } from "../support/Imported.ts";

/** The last version that is JavaScript; the later ones are native programs that not every registry has. */
const version = "18.0.11";
const docs = join(import.meta.dirname, "../../docs/numbers.md");

const folder = mkdtempSync(join(tmpdir(), "recollect-ccusage-"));

/** What a peer prints, or undefined when it cannot be had. */
const peer = (packageName: string, bin: string, env: Readonly<Record<string, string>>): unknown => {
  const words = ["exec", "--yes", `--package=${packageName}@${version}`, "--", bin, "daily", "--json", "--offline"];
  const environment = { ...process.env, TZ: "UTC", LOG_LEVEL: "0", ...env };
  const { status, stdout } = spawnSync("npm", words, { encoding: "utf8", env: environment, timeout: 120_000 });
  if (status !== 0 || !stdout.includes("{")) return undefined;
  return JSON.parse(stdout.slice(stdout.indexOf("{")));
};

interface Counts {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
}
const kinds = ["input", "output", "cacheRead", "cacheWrite"] as const;
const none = (): Counts => ({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0 });
const add = (sums: Map<string, Counts>, key: string, counts: Counts, sign = 1): void => {
  const sum = sums.get(key) ?? none();
  for (const kind of kinds) sum[kind] += sign * counts[kind];
  sums.set(key, sum);
};

interface ClaudeLine {
  readonly type: string;
  readonly timestamp?: string;
  readonly requestId?: string;
  readonly data?: { readonly type?: string; readonly message?: ClaudeLine };
  readonly message?: {
    readonly id?: string;
    readonly model?: string;
    readonly usage?: {
      readonly input_tokens?: number;
      readonly output_tokens?: number;
      readonly cache_read_input_tokens?: number;
      readonly cache_creation_input_tokens?: number;
    };
  };
}

/** The objects of a line: a writer that was interrupted leaves two on one, or half of one. */
const objectsOf = (text: string): ReadonlyArray<ClaudeLine> =>
  text.split(/(?<=\})(?=\{"(?:type|parentUuid)":)/).flatMap((piece) => {
    try {
      return [JSON.parse(piece) as ClaudeLine];
    } catch {
      return [];
    }
  });

/** What the peer leaves out, counted from the raw files: later lines of a streamed message, and sub-agents in progress lines. */
const leftOut = (files: ReadonlyArray<string>) => {
  const first = new Map<string, Counts>();
  const streamed = new Map<string, Counts>();
  const inProgress = new Map<string, Counts>();
  const largest = new Map<string, { readonly key: string; readonly isProgress: boolean; readonly counts: Counts }>();
  const see = (outer: ClaudeLine): void => {
    const inner = outer.data?.type === "agent_progress" ? outer.data.message : undefined;
    const line = inner ?? outer;
    const usage = line.message?.usage;
    if (usage === undefined || line.type !== "assistant") return;
    const id = `${line.message?.id ?? ""} ${line.requestId ?? ""}`;
    const counts = {
      input: usage.input_tokens ?? 0,
      output: usage.output_tokens ?? 0,
      cacheRead: usage.cache_read_input_tokens ?? 0,
      cacheWrite: usage.cache_creation_input_tokens ?? 0,
    };
    const known = largest.get(id);
    const key = known?.key ?? `${(line.timestamp ?? "").slice(0, 10)} ${line.message?.model ?? ""}`;
    if (known === undefined && inner === undefined) first.set(id, counts);
    const most = { ...counts };
    for (const kind of kinds) most[kind] = Math.max(counts[kind], known?.counts[kind] ?? 0);
    largest.set(id, { key, isProgress: inner !== undefined && (known?.isProgress ?? true), counts: most });
  };
  for (const file of files)
    for (const text of readFileSync(file, "utf8").split("\n")) for (const line of objectsOf(text)) see(line);
  for (const [id, { counts, isProgress, key }] of largest) {
    if (isProgress) add(inProgress, key, counts);
    else {
      add(streamed, key, counts);
      add(streamed, key, first.get(id) ?? none(), -1);
    }
  }
  return { streamed, inProgress };
};

const number = (value: number): string => value.toLocaleString("en-US");
const cells = ({ cacheRead, cacheWrite, input, output }: Counts) => [input, output, cacheRead, cacheWrite].map(number);
const row = (words: ReadonlyArray<string>): string => `| ${words.join(" | ")} |`;

/** The lines of the table; a difference that is not explained to the unit is none that is printed: the test fails. */
const claudeTable = (ours: Map<string, Counts>, theirs: Map<string, Counts>, files: ReadonlyArray<string>) => {
  const { inProgress, streamed } = leftOut(files);
  return [...ours]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([key, counts]) => {
      const they = theirs.get(key) ?? none();
      const [late, delegated] = [streamed.get(key) ?? none(), inProgress.get(key) ?? none()];
      for (const kind of kinds)
        assert.strictEqual(counts[kind], they[kind] + late[kind] + delegated[kind], `${key} ${kind}`);
      const reasons = [
        ...(kinds.some((kind) => late[kind] > 0)
          ? [`+${number(late.output)} output: last lines of streamed messages`]
          : []),
        ...(kinds.some((kind) => delegated[kind] > 0)
          ? [`+${cells(delegated).join(" / ")}: sub-agents inside progress lines`]
          : []),
      ];
      const [day = "", model = ""] = key.split(" ");
      return [row([day, model, ...cells(counts), reasons.length === 0 ? "equal" : reasons.join("; ")])];
    });
};

const theirDays = (told: unknown): Map<string, Counts> => {
  const sums = new Map<string, Counts>();
  const { daily } = told as {
    daily: Array<{ date: string; modelBreakdowns: Array<Readonly<Record<string, number>> & { modelName: string }> }>;
  };
  for (const { date, modelBreakdowns } of daily)
    for (const one of modelBreakdowns)
      add(sums, `${date} ${one.modelName}`, {
        input: one["inputTokens"] ?? 0,
        output: one["outputTokens"] ?? 0,
        cacheRead: one["cacheReadTokens"] ?? 0,
        cacheWrite: one["cacheCreationTokens"] ?? 0,
      });
  return sums;
};

const ourDays = Effect.gen(function* () {
  const sums = new Map<string, Counts>();
  const found = yield* rows(
    `SELECT date(occurred_at / 1000, 'unixepoch'), model, sum(uncached_input_tokens), sum(output_tokens),
       total(cache_read_tokens), total(cache_write_tokens), sum(input_tokens) FROM v_token_usage GROUP BY 1, 2`,
  );
  for (const [day, model, input, output, cacheRead, cacheWrite] of found)
    add(sums, `${String(day)} ${String(model)}`, {
      input: Number(input),
      output: Number(output),
      cacheRead: Number(cacheRead),
      cacheWrite: Number(cacheWrite),
    });
  return sums;
});

/** Holds what was made against the page, or writes it there. */
const held = (name: string, lines: ReadonlyArray<string>): void => {
  const page = readFileSync(docs, "utf8");
  const region = new RegExp(`(<!-- table: ${name} -->\n)[\\s\\S]*?(<!-- end of table -->)`);
  assert.match(page, region);
  const made = page.replace(region, (_all, begin: string, end: string) => `${begin}${lines.join("\n")}\n${end}`);
  if (process.env["RECOLLECT_WRITE_DOCS"] === "1") writeFileSync(docs, made);
  else assert.strictEqual(page.replaceAll(/ +\|/g, " |").replaceAll(/-{3,}/g, "---"), made.replaceAll(/ +\|/g, " |"));
};

const claude =
  dataRoot === undefined ? undefined : peer("ccusage", "ccusage", { CLAUDE_CONFIG_DIR: claudeHome(dataRoot) });
const codex =
  dataRoot === undefined ? undefined : peer("@ccusage/codex", "ccusage-codex", { CODEX_HOME: codexHome(dataRoot) });

function claudeHome(root: string): string {
  const home = join(folder, "claude");
  mkdirSync(join(home, "projects"), { recursive: true });
  cpSync(join(root, "claude-code-entire"), join(home, "projects/entire"), { recursive: true });
  return home;
}

function codexHome(root: string): string {
  const home = join(folder, "codex");
  mkdirSync(join(home, "sessions"), { recursive: true });
  for (const name of readdirSync(join(root, "codex-rollouts")))
    if (name.endsWith("rollout.jsonl")) cpSync(join(root, "codex-rollouts", name), join(home, "sessions", name));
  return home;
}

if (claude === undefined || codex === undefined)
  console.warn(`SKIPPED: ccusage ${version} cannot be had from the registry, or the real transcripts are not there`);

const fresh = Effect.provide(Layer.fresh(store));

describe.skipIf(claude === undefined || codex === undefined)(
  "token totals beside ccusage",
  { timeout: 120_000 },
  () => {
    it.live(
      "of real Claude Code sessions are equal by day and model, or differ by what it leaves out, to the unit",
      () =>
        Effect.gen(function* () {
          const home = join(folder, "claude/projects/entire");
          yield* imported([home]);
          const files = readdirSync(home)
            .filter((name) => name.endsWith(".jsonl"))
            .map((name) => join(home, name));
          const table = claudeTable(yield* ourDays, theirDays(claude), files);
          assert.isAbove(table.length, 3);
          const head = ["day (UTC)", "model", "input", "output", "cache read", "cache write", "beside ccusage"];
          held("claude", ["", row(head), row(["---", "---", "---:", "---:", "---:", "---:", "---"]), ...table, ""]);
        }).pipe(fresh),
    );

    it.live("of real Codex rollouts are equal by day and model", () =>
      Effect.gen(function* () {
        yield* imported([join(folder, "codex/sessions")]);
        const { daily } = codex as {
          daily: Array<{ date: string; models: Readonly<Record<string, Readonly<Record<string, number>>>> }>;
        };
        const theirs = daily.flatMap(({ date, models }) =>
          Object.entries(models).map(([model, counts]) => [
            new Date(`${date} UTC`).toISOString().slice(0, 10),
            model,
            counts["inputTokens"] ?? 0,
            counts["cachedInputTokens"] ?? 0,
            counts["outputTokens"] ?? 0,
            counts["reasoningOutputTokens"] ?? 0,
          ]),
        );
        const ours = yield* rows(
          `SELECT date(occurred_at / 1000, 'unixepoch'), model, sum(input_tokens), total(cache_read_tokens), sum(output_tokens),
           total(reasoning_tokens) FROM v_token_usage GROUP BY 1, 2 ORDER BY 1, 2`,
        );
        assert.deepStrictEqual(ours, theirs);
        const head = ["day (UTC)", "model", "input", "of it cached", "output", "of it reasoning", "beside ccusage"];
        const table = ours.map(([day, model, ...counts]) =>
          row([String(day), String(model), ...counts.map((count) => number(Number(count))), "equal"]),
        );
        held("codex", ["", row(head), row(["---", "---", "---:", "---:", "---:", "---:", "---"]), ...table, ""]);
      }).pipe(fresh, Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true })))),
    );
  },
);
