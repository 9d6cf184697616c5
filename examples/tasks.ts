/** Work that many share. Run it beside `npm start`: `npx node examples/tasks.ts`. */
// #region tasks
import { Recollect } from "recollect";

const recollect = await Recollect.connect();
recollect.tasks.work({
  agentTypes: ["summarizer"],
  concurrency: 4,
  run: async ({ request, signal, progress }) => {
    await progress({ message: "reading", progress: 1, total: 2 });
    signal.throwIfAborted(); // cancelled, or the lease was lost
    return { summary: `${request.message?.slice(0, 20)}…` };
  },
});

const { taskId } = await recollect.tasks.submit(
  { agentType: "summarizer", message: "It was a bright cold day in April, and the clocks were striking thirteen." },
  { priority: "high", maxAttempts: 5 },
);
const { status, output } = await recollect.tasks.result(taskId);
console.log(status, output);
await recollect.close();
// #endregion tasks
