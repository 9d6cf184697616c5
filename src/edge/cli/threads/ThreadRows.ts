/**
 * Threads as lines of a terminal: id, when, agent, project, how much was said, title.
 *
 * Room: edge.
 */
import { CliOutput } from "effect/cli";
import type { ThreadRow } from "../../../query/Query.ts";
import * as Output from "../Output.ts";
import { agentName, bold, dim, folderName, type Screen, when } from "../Screen.ts";

/** A longer id takes from its own title. */
const widest = { id: 13, agent: 10, project: 14, tenant: 12 } as const;
const leastTitle = 16;

const saidIn = ({ answers, prompts, toolCalls }: ThreadRow): string => {
  const you = prompts > 0 || answers === 0 ? `${Output.count(prompts)} you` : Output.counted(answers, "answer");
  return toolCalls === 0 ? you : `${you}, ${Output.counted(toolCalls, "tool")}`;
};

const padded = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)));

/** At most `width` cells: a character of a script without spaces takes two. */
export const fitted = (text: string, width: number): string => {
  const flat = Output.clip(text, width);
  if (CliOutput.displayWidth(flat) <= width) return flat;
  let shown = "";
  for (const character of flat) {
    if (CliOutput.displayWidth(`${shown}${character}…`) > width) break;
    shown += character;
  }
  return `${shown.trimEnd()}…`;
};

export const threadTitle = ({ opening, title }: Pick<ThreadRow, "opening" | "title">): string =>
  title ?? opening ?? "(nothing said)";

/** True when the tenant's name is needed to tell threads of a list apart. */
export const isOfSeveralTenants = (threads: ReadonlyArray<Pick<ThreadRow, "tenant">>): boolean =>
  threads.some(({ tenant }) => tenant !== threads[0]?.tenant);

/** One line a thread, none wider than the screen. `short` has the id of each as it is shown. */
export const threadLines = (
  threads: ReadonlyArray<ThreadRow>,
  how: {
    readonly short: ReadonlyArray<string>;
    readonly screen: Screen;
    readonly now: number;
    readonly utc: boolean;
  },
): ReadonlyArray<string> => {
  const isMixed = isOfSeveralTenants(threads);
  const cells = threads.map((thread, at) => [
    how.short[at] ?? thread.threadId,
    how.utc ? Output.moment(thread.lastActivityAt).slice(0, 16) : when(thread.lastActivityAt, how.now),
    fitted(agentName(thread.tool, thread.client), widest.agent),
    fitted(folderName(thread.cwd), widest.project),
    saidIn(thread),
    isMixed ? fitted(thread.tenant, widest.tenant) : "",
  ]);
  const tenants = isMixed ? [5] : [];
  const widths = [0, 1, 2, 3, 4, 5].map((column) => {
    const most = cells.reduce((width, row) => Math.max(width, CliOutput.displayWidth(row[column] ?? "")), 0);
    return column === 0 ? Math.min(most, widest.id) : most;
  });
  const needed = widths.reduce((sum, width) => sum + (width === 0 ? 0 : width + 2), 0);
  // Where there is no room for a title, what was said in numbers goes first.
  const isNarrow = how.screen.columns - needed < leastTitle;
  const columns = isNarrow ? [0, ...tenants, 1, 2, 3] : [0, ...tenants, 1, 2, 3, 4];
  return threads.map((thread, at) => {
    const [id = "", ...rest] = columns.map((column) => padded(cells[at]?.[column] ?? "", widths[column] ?? 0));
    const taken = [id, ...rest].reduce((sum, cell) => sum + CliOutput.displayWidth(cell) + 2, 0);
    const title = fitted(threadTitle(thread), Math.max(8, how.screen.columns - taken));
    return `${bold(id, how.screen)}  ${dim(rest.map(Output.shown).join("  "), how.screen)}  ${title}`.trimEnd();
  });
};
