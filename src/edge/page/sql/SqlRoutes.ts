/**
 * The SQL editor: one reading statement in the sandbox, its rows and a plot of them, CSV, and the dictionary at hand.
 *
 * Room: edge.
 */
import { Effect, Layer, Stream } from "effect";
import { HttpRouter, HttpServerRequest, HttpServerResponse, UrlParams } from "effect/http";
import { Query } from "../../../query/Query.ts";
import { type Unit, unitOf } from "../../../query/report/Unit.ts";
import { readSql } from "../../../query/sandbox/SqlText.ts";
import { preparable } from "../../../query/saved/Preparable.ts";
import { listQueries, type SavedQuery, saveQuery } from "../../../query/saved/SavedQueries.ts";
import { shippedQueries } from "../../../query/saved/ShippedQueries.ts";
import { dictionary } from "../../../query/screens/Lists.ts";
import { QueryRefused, type Value } from "../../../query/Sql.ts";
import { sqlAtOnce, tooManyStatements } from "../../http/SqlAtOnce.ts";
import { asked, given } from "../Asked.ts";
import { forOperators } from "../Guarded.ts";
import { count, counted } from "../html/Format.ts";
import { type Html, html } from "../html/Html.ts";
import { csv, figure, type FigureData } from "../plot/Figure.ts";
import { shown, text, trouble } from "../Shown.ts";
import { Viewer } from "../Viewer.ts";

/** Rows on the screen; `recollect sql` has no such end. */
const mostShown = 1_000;
const mostExported = 50_000;
/** Held in memory at once, bytes of all values. */
const mostBytes = 32_000_000;
const timeoutMillis = 20_000;
/** Longer ones are no address: Node takes 16 KB with all headers, and gives 431 for more. */
const mostAddress = 8_000;
/** Characters of a statement; one that people or programs write is far shorter. */
const mostCharacters = 1_000_000;

interface Answer {
  readonly columns: ReadonlyArray<string>;
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>;
  readonly isCut: boolean;
  readonly millis: number;
}

const busy = new QueryRefused({ message: tooManyStatements, hint: "Ask again when one of them has ended." });

const asks = Effect.fnUntraced(function* (
  statement: string,
  parameters: Readonly<Record<string, Value>>,
  most: number,
) {
  const query = yield* Query;
  const { recorded } = yield* Viewer;
  const begun = performance.now();
  const options = { maxRows: most, maxBytes: mostBytes, timeoutMillis };
  yield* recorded({ statement, parameters, options, door: "page" });
  const result = yield* query.sql(statement, parameters, options);
  const rows = [...(yield* Stream.runCollect(result.rows))];
  return {
    columns: result.columns,
    rows,
    isCut: yield* result.isCut,
    millis: performance.now() - begun,
  } satisfies Answer;
}, Effect.scoped);

/** Recorded, then asked, where there is room for one more. */
const run = (...question: Parameters<typeof asks>) =>
  Effect.flatMap(sqlAtOnce.withPermitsIfAvailable(1)(asks(...question)), (answer) =>
    answer._tag === "Some" ? Effect.succeed(answer.value) : Effect.fail(busy),
  );

/** By the column's name, where the values are not texts. */
const unitIn = ({ rows }: Answer, name: string, index: number): Unit =>
  rows.some((row) => typeof row[index] === "string") && unitOf(name) !== "day" ? "text" : unitOf(name);

/** A first column of days is drawn as lines, one of names as bars; everything else is a table. */
const plotOf = ({ columns, rows }: Answer): FigureData["plot"] => {
  const [first] = columns;
  if (first === undefined || rows.length < 2 || rows.length > 400) return undefined;
  const numeric = columns
    .slice(1)
    .filter(
      (_, index) =>
        rows.every((row) => typeof row[index + 1] !== "string" && !(row[index + 1] instanceof Uint8Array)) &&
        rows.some((row) => row[index + 1] !== null),
    );
  const [y] = numeric.filter((name) => !/(?:sequence|_at|_id)$/.test(name));
  if (y === undefined) return undefined;
  if (rows.every((row) => typeof row[0] === "string" && /^\d{4}-\d{2}-\d{2}$/.test(row[0]))) {
    const same = numeric.filter((name) => unitOf(name) === unitOf(y)).slice(0, 4);
    return { kind: "line", x: first, y: same };
  }
  return rows.length <= 60 && rows.every((row) => typeof row[0] === "string" || row[0] === null)
    ? { kind: "bars", x: first, y: [y] }
    : undefined;
};

const example =
  "SELECT day, model, input_tokens, output_tokens, cost_usd\nFROM v_daily_tokens ORDER BY day DESC LIMIT 50";

/** Numbers as numbers, exactly: what SQLite holds in 64 bits and JavaScript does not is a BigInt. */
const parameterOf = (value: string): Value => {
  if (!/^-?\d{1,18}$/.test(value)) return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
};

/** Parameters that a link gave, such as those of a report's statement. */
const parametersOf = (query: URLSearchParams): Readonly<Record<string, Value>> =>
  Object.fromEntries(
    [...query].flatMap(([name, value]) =>
      name.startsWith("p.") ? [[name.slice(2), parameterOf(value)] as const] : [],
    ),
  );

const views = (rows: ReadonlyArray<Readonly<Record<string, string | number | null>>>): Html => {
  const byView = Map.groupBy(rows, (row) => String(row["view"]));
  return html`<section aria-label="Dictionary" class="dictionary">
    <h2>Dictionary</h2>
    ${[...byView].map(([view, columns]) => {
      const about = columns.find((row) => row["column"] === null);
      return html`<details>
        <summary><code>${view}</code></summary>
        <p class="small">${String(about?.["doc"] ?? "")}</p>
        <dl>
          ${columns
            .filter((row) => row["column"] !== null)
            .map(
              (row) =>
                html`<dt><code>${String(row["column"])}</code></dt>
                  <dd class="small">${String(row["doc"] ?? "")}</dd>`,
            )}
        </dl>
      </details>`;
    })}
  </section>`;
};

const answered = (statement: string, address: string | undefined, answer: Answer, now: number): Html => {
  const plot = plotOf(answer);
  const data: FigureData = {
    name: "result",
    title: counted(answer.rows.length, "row"),
    doc: `${answer.isCut ? `cut after ${count(answer.rows.length)}; ` : ""}${Math.round(answer.millis)} ms`,
    columns: answer.columns.map((name, index) => ({ name, unit: unitIn(answer, name, index) })),
    rows: answer.rows,
    ...(address === undefined ? {} : { csv: `${address}&csv=1` }),
    ...(plot === undefined ? {} : { plot }),
  };
  return statement === "" ? html`` : figure(data, now);
};

const addressOf = (sql: string, values: Readonly<Record<string, Value>>): string =>
  `/sql?${new URLSearchParams([["q", sql], ...readSql(sql).named.map((name): [string, string] => [`p.${name}`, String(values[name] ?? "")])])}`;

/** Short enough to be an address: one can keep it, go back to it and hand it on. */
const isAddress = (address: string): boolean => address.length <= mostAddress;

const savedAddress = ({ name, sql }: SavedQuery): string => {
  const address = addressOf(sql, {});
  return isAddress(address) ? address : `/sql?saved=${name}`;
};

/** Saved queries, and those that come with the program. */
const savedList = (saved: ReadonlyArray<SavedQuery>): Html =>
  html`<details class="small" ${saved.length > 0 && html` open`}>
    <summary>Saved queries</summary>
    <p>
      ${
        saved.length === 0
          ? "None of yours yet."
          : saved.map((query) => html`<a href="${savedAddress(query)}" title="${query.doc}">${query.name}</a> `)
      }
    </p>
    <p class="quiet">With the program, a part of a report each:</p>
    <p>
      ${shippedQueries.map(({ defaults, doc, name, sql }) => html`<a href="${addressOf(sql.replaceAll(/\n\s+/g, "\n  "), defaults)}" title="${doc}">${name}</a> `)}
    </p>
  </details>`;

const refused = (message: string, hint: string): Html =>
  html`<div class="notice bad" role="alert">
    <p>${message}</p>
    <p class="quiet">${hint}</p>
  </div>`;

/** Parameters of the address, or of the form. */
const answering = Effect.fnUntraced(function* (query: URLSearchParams) {
  const { now, viewer, wishes } = yield* asked;
  const saved = yield* listQueries(viewer.queries);
  const statement = given(query, "q") ?? saved.find(({ name }) => name === given(query, "saved"))?.sql ?? "";
  if (statement.length > mostCharacters)
    return yield* new QueryRefused({
      message: `This statement has ${count(statement.length)} characters.`,
      hint: `The editor takes ${count(mostCharacters)}.`,
    });
  const parameters = parametersOf(query);
  const own = `/sql?${new URLSearchParams([...query].filter(([name]) => name !== "csv"))}`;
  const address = isAddress(own) ? own : undefined;
  if (statement !== "" && given(query, "csv") !== undefined) {
    const all = yield* Effect.result(run(statement, parameters, mostExported));
    if (all._tag === "Success")
      return text(csv(all.success.columns, all.success.rows), { type: "text/csv", file: "result.csv" });
    return text(`${all.failure.message}\n`, { status: all.failure === busy ? 429 : 400 });
  }
  const result = statement === "" ? undefined : yield* Effect.result(run(statement, parameters, mostShown));
  const below =
    result === undefined
      ? html`<p class="quiet">
          One statement that reads. It runs in a process of its own for ${timeoutMillis / 1000} seconds at most, and
          cannot change anything.
        </p>`
      : result._tag === "Success"
        ? answered(statement, address, result.success, now)
        : refused(result.failure.message, "hint" in result.failure ? String(result.failure.hint) : "");
  const body = html`<h1>SQL</h1>
    <div class="split">
      <div>
        <form action="/sql" method="post" class="editor" aria-label="Statement">
          <label for="statement" class="seen">Statement</label
          ><textarea id="statement" name="q" rows="7" spellcheck="false" autocapitalize="off" autocomplete="off">
${statement === "" ? example : statement}</textarea>
          ${Object.entries(parameters).map(([name, value]) => html`<label class="small">:${name} <input name="p.${name}" value="${String(value)}" size="16" /></label> `)}
          <p>
            <button>Run</button> ${address === undefined && html`<button name="csv" value="1">CSV</button> `}<span
              class="quiet small"
              ><kbd>Ctrl</kbd> <kbd>Enter</kbd> in the editor</span
            >
            <label class="small push"
              >Name <input name="name" size="14" pattern="[a-z0-9][a-z0-9_\\-]{0,63}" autocomplete="off"
            /></label>
            <button formaction="/sql/save">Save</button>
          </p>
          ${address === undefined && html`<p class="quiet small">Too long for an address of its own: saved under a name it has one.</p>`}
        </form>
        ${savedList(saved)} ${below}
      </div>
      ${views(yield* dictionary)}
    </div>`;
  return shown({ title: "SQL", at: "/sql", body, wishes });
});

const screen = Effect.flatMap(asked, ({ query }) => answering(query));

/** The form of the editor; values that were not given are left out. */
const formGiven = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest;
  const form = yield* Effect.orElseSucceed(request.urlParamsBody, () => UrlParams.empty);
  return new URLSearchParams([...form].flatMap(([name, value]) => (value === "" ? [] : [[name, String(value)]])));
});

/** A statement that fits into an address is asked by it, and a longer one at once. */
const posted = Effect.gen(function* () {
  const form = yield* formGiven;
  form.delete("name");
  const address = `/sql?${form}`;
  return isAddress(address) ? HttpServerResponse.redirect(address, { status: 303 }) : yield* answering(form);
});

/** Saves what stands in the editor, once SQLite can prepare it. */
const save = Effect.gen(function* () {
  const { wishes, viewer } = yield* asked;
  const form = yield* formGiven;
  const [name, sql] = [form.get("name")?.trim() ?? "", form.get("q") ?? ""];
  const fault = yield* Effect.result(
    Effect.gen(function* () {
      yield* preparable(sql);
      return yield* saveQuery(viewer.queries, { name, sql });
    }),
  );
  if (fault._tag === "Failure")
    return trouble(wishes, { title: "Not saved", message: fault.failure.message, hint: fault.failure.hint }, 400);
  return HttpServerResponse.redirect(savedAddress({ name, sql, doc: "" }), { status: 303 });
});

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/sql", forOperators(screen)),
  HttpRouter.add("POST", "/sql", forOperators(posted)),
  HttpRouter.add("POST", "/sql/save", forOperators(save)),
);
