/**
 * Threads as lines of a terminal: id, when, agent, project, how much was said, title.
 *
 * Room: edge.
 */
import type { ThreadRow } from "../../../query/Query.ts";
import * as Output from "../Output.ts";
import { agentName, bold, dim, folderName, type Screen, when } from "../Screen.ts";

/** A longer id takes from its own title. */
const widest = { id: 13, agent: 10, project: 14, tenant: 12 } as const;
const leastTitle = { beside: 16, alone: 8 } as const;

const saidIn = ({ answers, prompts, toolCalls }: ThreadRow): string => {
  const you = prompts > 0 || answers === 0 ? `${Output.count(prompts)} you` : Output.counted(answers, "answer");
  return toolCalls === 0 ? you : `${you}, ${Output.counted(toolCalls, "tool")}`;
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
    Output.clip(agentName(thread.tool, thread.client), widest.agent),
    Output.clip(folderName(thread.cwd), widest.project),
    saidIn(thread),
    isMixed ? Output.clip(thread.tenant, widest.tenant) : "",
  ]);
  const tenants = isMixed ? [5] : [];
  const widths = [0, 1, 2, 3, 4, 5].map((column) => {
    const most = cells.reduce((width, row) => Math.max(width, Output.widthOf(row[column] ?? "")), 0);
    return column === 0 ? Math.min(most, widest.id) : most;
  });
  const roomBeside = (shown: ReadonlyArray<number>): number =>
    shown.reduce(
      (room, column) => room - ((widths[column] ?? 0) === 0 ? 0 : (widths[column] ?? 0) + 2),
      how.screen.columns,
    );
  let columns = [0, ...tenants, 1, 2, 3, 4];
  // Without room for a title the numbers go first, then project, agent and time.
  const titleRoom = (shown: ReadonlyArray<number>): number =>
    shown.includes(4) ? leastTitle.beside : leastTitle.alone;
  while (columns.length > 1 + tenants.length && roomBeside(columns) < titleRoom(columns))
    columns = columns.slice(0, -1);
  return threads.map((thread, at) => {
    const [id = "", ...rest] = columns.map((column) => Output.padded(cells[at]?.[column] ?? "", widths[column] ?? 0));
    const taken = [id, ...rest].reduce((sum, cell) => sum + Output.widthOf(cell) + 2, 0);
    const title = Output.clip(threadTitle(thread), Math.max(leastTitle.alone, how.screen.columns - taken));
    const about = rest.length === 0 ? "" : `${dim(rest.map(Output.shown).join("  "), how.screen)}  `;
    return `${bold(id, how.screen)}  ${about}${title}`.trimEnd();
  });
};
