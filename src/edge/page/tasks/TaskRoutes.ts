/**
 * Tasks: a board by status, and the life of one task.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { Query, type TaskRow, type TransitionRow } from "../../../query/Query.ts";
import { taskCounts } from "../../../query/screens/Lists.ts";
import { asked, given } from "../Asked.ts";
import { guarded } from "../Guarded.ts";
import { atMoment, count, counted, duration, line, shortId, since, threadPath } from "../html/Format.ts";
import { code } from "../html/Highlight.ts";
import { type Child, type Html, html, separated } from "../html/Html.ts";
import { shown, trouble } from "../Shown.ts";

/** In the order in which a task goes through them. */
const statuses = [
  "pending",
  "starting",
  "running",
  "input_required",
  "completed",
  "failed",
  "timeout",
  "cancelled",
] as const;

const names: Readonly<Record<string, string>> = { input_required: "waiting for a person", timeout: "timed out" };

/** Tasks of one column. */
const perColumn = 20;

const titleOf = (task: TaskRow): string =>
  line(task.description ?? task.agentType ?? "", 120) || `Task ${shortId(task.taskId)}`;

const taskPath = (taskId: string): string => `/task/${encodeURIComponent(taskId)}`;

const progress = ({ message, progress: done, progressTotal }: TaskRow): Child =>
  done === null
    ? message !== null && line(message, 80)
    : html`<span
        >${progressTotal === null ? count(done) : `${count(done)} of ${count(progressTotal)}`}${message !== null && `: ${line(message, 60)}`}</span
      >`;

const card = (task: TaskRow, now: number): Html =>
  html`<li data-item>
    <a class="title" href="${taskPath(task.taskId)}">${titleOf(task)}</a>
    <p class="about">
      ${separated([task.description !== null && task.agentType !== null && html`<span>${task.agentType}</span>`, task.worker !== null && html`<span>by ${task.worker}</span>`, progress(task), task.errorType !== null && html`<span class="bad">${task.errorType}</span>`, task.deadLetter === 1 && html`<span class="bad">last attempt</span>`, task.durationMillis !== null && html`<span>${duration(task.durationMillis)}</span>`], " ")}${since(task.lastActivityAt, now)}
    </p>
  </li>`;

const board = Effect.gen(function* () {
  const { now, query, viewer, wishes } = yield* asked;
  const only = given(query, "status");
  const store = yield* Query;
  const counts = new Map((yield* taskCounts(viewer.tenant)).map(({ status, tasks }) => [status, tasks]));
  const columns = statuses.filter((status) => (only === undefined ? (counts.get(status) ?? 0) > 0 : status === only));
  const filled = yield* Effect.forEach(columns, (status) =>
    Effect.map(
      store.tasks({ status, tenant: viewer.tenant, limit: only === undefined ? perColumn : 200 }),
      (tasks) => ({ status, tasks }),
    ),
  );
  const body = html`<h1>Tasks</h1>
    ${only !== undefined && html`<p><a href="/tasks">The whole board</a></p>`}
    ${
      filled.length === 0
        ? html`<p class="empty">
            ${only === undefined ? html`No task has been submitted yet. <code>recollect tasks submit</code> does so, and any MCP server that is recorded.` : `No task is ${names[only] ?? only}.`}
          </p>`
        : html`<div class="board" tabindex="0" role="region" aria-label="Board">
            ${filled.map(
              ({ status, tasks }) =>
                html`<section>
                  <h2 class="column">
                    <a href="/tasks?status=${status}">${names[status] ?? status}</a>
                    <span class="quiet">${count(counts.get(status) ?? 0)}</span>
                  </h2>
                  <ul class="rows">
                    ${tasks.map((task) => card(task, now))}
                  </ul>
                </section>`,
            )}
          </div>`
    }
    <p><a href="/report/tasks">Times, failures and stuck tasks</a></p>`;
  return shown({ title: "Tasks", at: "/tasks", body, wishes });
});

const step = (one: TransitionRow, before: TransitionRow | undefined): Html => {
  const took = before === undefined ? 0 : one.movedAt - before.movedAt;
  const isProgress = one.fromStatus === one.toStatus;
  return html`<tr data-item>
    <td class="nowrap">${atMoment(one.movedAt)}</td>
    <td class="number quiet">${took > 0 && `+ ${duration(took)}`}</td>
    <th scope="row">
      ${isProgress ? html`<span class="quiet">progress</span>` : (names[one.toStatus ?? ""] ?? one.toStatus)}
    </th>
    <td>
      ${separated([one.progress !== null && `${count(one.progress)}${one.progressTotal === null ? "" : ` of ${count(one.progressTotal)}`}`, one.message === null ? null : line(one.message, 300)], ": ")}
    </td>
    <td>${one.worker}</td>
    <td><a href="/event/${one.sequence}">${count(one.sequence)}</a></td>
  </tr>`;
};

const fact = (name: string, value: Child): Html | null =>
  value === null || value === false || value === undefined
    ? null
    : html`<tr>
        <th scope="row">${name}</th>
        <td>${value}</td>
      </tr>`;

const pretty = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const link = (taskId: string | null): Child =>
  taskId !== null && html`<a href="${taskPath(taskId)}">${shortId(taskId)}</a>`;

const life = (task: TaskRow, transitions: ReadonlyArray<TransitionRow>): Html =>
  html`<h1>${titleOf(task)}</h1>
    <p class="facts">
      <strong
        class="${task.status === "failed" || task.status === "timeout" ? "bad" : task.status === "completed" ? "good" : ""}"
        >${names[task.status] ?? task.status}</strong
      >${task.threadId !== null && html`<a href="${threadPath(task.threadId, task.tenant)}">Its thread</a>`}<span
        class="mono"
        >${task.taskId}</span
      >
    </p>
    ${task.errorMessage !== null && html`<p class="notice bad">${task.errorType}: ${task.errorMessage}</p>`}
    <div class="wide">
      <table>
        <tbody>
          ${fact("Agent", task.agentType)}${fact("Model", task.model)}${fact("Folder", task.cwd)}${fact("Worker", task.worker)}${fact("Priority", task.priority)}${fact("Attempt", task.attempt !== null && `${task.attempt}${task.maxAttempts === null ? "" : ` of ${task.maxAttempts}`}`)}
          ${fact("Took", task.durationMillis !== null && duration(task.durationMillis))}${fact("Batch", task.batchId)}${fact("Submitted by", link(task.parentTaskId))}${fact("Another try of", link(task.retryOf))}
        </tbody>
      </table>
    </div>
    <h2>Its life, ${counted(transitions.length, "step")}</h2>
    <div class="wide" tabindex="0" role="region" aria-label="Steps">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col" class="number">After</th>
            <th scope="col">Became</th>
            <th scope="col">Said</th>
            <th scope="col">By</th>
            <th scope="col">Event</th>
          </tr>
        </thead>
        <tbody>
          ${transitions.map((one, index) => step(one, transitions[index - 1]))}
        </tbody>
      </table>
    </div>
    ${
      task.request !== null &&
      html`<h2>Asked for</h2>
        ${code(pretty(task.request).slice(0, 100_000), "json", "Request")}`
    }
    ${
      task.output !== null &&
      html`<h2>Gave</h2>
        ${code(pretty(task.output).slice(0, 100_000), "json", "Output")}`
    }`;

const one = Effect.gen(function* () {
  const { viewer, wishes } = yield* asked;
  const { id = "" } = yield* HttpRouter.params;
  const found = yield* Effect.flatMap(Query, (store) => store.task(id, viewer.tenant));
  if (found === undefined || (viewer.tenant !== undefined && found.task.tenant !== viewer.tenant))
    return trouble(
      wishes,
      { title: "No such task", message: `There is no task ${id}.`, hint: html`<a href="/tasks">The board</a>` },
      404,
    );
  return shown({ title: titleOf(found.task), at: "/tasks", body: life(found.task, found.transitions), wishes });
});

export const layer = Layer.merge(
  HttpRouter.add("GET", "/tasks", guarded(board)),
  HttpRouter.add("GET", "/task/:id", guarded(one)),
);
