import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { execFileSync } from "node:child_process";
import { readModels } from "../../projections/all.ts";
import { eitherWay } from "../../src/projection/Catalog.ts";
import { faultsOf, schemaOf } from "../../src/projection/SchemaSqlite.ts";
import { conversation } from "../projection/Conversation.ts";
import { said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

describe("the data dictionary", () => {
  it.live("documents every view and every column of the database, in order, and nothing that is not there", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      const views = rows(
        "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v!_%' ESCAPE '!' ORDER BY name",
      ).map(({ name }) => String(name));
      const others = rows("SELECT name FROM sqlite_schema WHERE type = 'view' AND name NOT LIKE 'v!_%' ESCAPE '!'");
      for (const { name } of others) assert.match(String(name), /_text$/, "the content of an index, for nobody else");
      const real = views.flatMap((view) => [
        [view, 0, null] as const,
        ...rows(`SELECT name, cid FROM pragma_table_info('${view}')`).map(
          ({ name, cid }) => [view, Number(cid) + 1, name] as const,
        ),
      ]);
      const described = rows(`SELECT view, position, "column" FROM v_dictionary ORDER BY view, position`).map(
        Object.values,
      );
      assert.deepStrictEqual(described, real as never);
      assert.isAbove(views.length, 15);
      for (const { view, column, doc } of rows("SELECT * FROM v_dictionary")) {
        assert.match(String(doc), /^\S.{4,}[.…]$/s, `${String(view)}.${String(column)} needs a sentence`);
      }
    }),
  );

  it.live("gives each column a type, a unit and a purpose, by its name, which every value has", () =>
    Effect.gen(function* () {
      const { file, rows } = yield* folded(conversation(120));
      const stored: Readonly<Record<string, string>> = {
        TEXT: "text",
        INTEGER: "integer",
        INT: "integer",
        // What SQLite calls an integer of several SELECTs.
        NUM: "integer",
        REAL: "real",
        BLOB: "blob",
      };
      const ofName = new Map<string, string>();
      const columns =
        rows(`SELECT d.*, (SELECT i.type FROM pragma_table_info(d.view) i WHERE i.name = d."column") AS real
        FROM v_dictionary d WHERE d."column" IS NOT NULL`);
      for (const column of columns) {
        const { view, purpose, real, type, unit, is_additive } = column;
        const name = String(column["column"]);
        const where = `${String(view)}.${name}`;
        assert.isNotEmpty(String(unit), where);
        assert.include(["dimension", "measure", "content"], purpose, where);
        assert.isTrue(is_additive === 0 || purpose === "measure", where);
        if (!eitherWay.has(name)) assert.strictEqual(stored[String(real)] ?? "none", type, where);
        const known = ofName.get(name);
        assert.strictEqual(known ?? `${String(type)} ${String(unit)}`, `${String(type)} ${String(unit)}`, where);
        ofName.set(name, `${String(type)} ${String(unit)}`);
      }
      // v_search answers words alone.
      for (const { view } of rows("SELECT DISTINCT view FROM v_dictionary WHERE view <> 'v_search'")) {
        const own = columns.filter((column) => column["view"] === view);
        const types = own.map(({ column }) => `typeof("${String(column)}") AS "${String(column)}"`);
        for (const row of rows(`SELECT DISTINCT ${types.join(", ")} FROM "${String(view)}"`))
          for (const { column, type } of own) {
            if (eitherWay.has(String(column)) || column === "event_key") continue;
            assert.include([type, "null"], row[String(column)], `a value of ${String(view)}.${String(column)}`);
          }
      }
      assert.isAbove(ofName.size, 150);
      assert.isNotEmpty(file);
    }),
  );

  it("refuses a column whose name is in no list of the catalog, instead of guessing", () => {
    const [first, ...rest] = readModels;
    assert.isDefined(first);
    const view = { name: "v_new", doc: "New.", columns: { hitherto_unheard_of: "What." }, select: "SELECT 1" };
    assert.deepStrictEqual(faultsOf([{ ...first, views: [...first.views, view] }, ...rest]), [
      "v_new.hitherto_unheard_of is in no list of the catalog",
    ]);
  });

  it.live("has every public name that others build on", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      const promised = {
        v_threads:
          "thread_id tenant title source client tool opened_at last_activity_at messages tool_calls parent_thread_id",
        v_messages: "thread_id message_id sequence role text model occurred_at",
        v_tool_calls:
          "tool_call_id thread_id tool_name server outcome error_type started_at ended_at duration_millis arguments_bytes result_bytes",
        v_token_usage:
          "provider_message_id thread_id model input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens occurred_at",
        v_tasks: "task_id thread_id agent_type status",
        v_task_transitions: "task_id thread_id agent_type from_status to_status moved_at sequence",
        v_events:
          "sequence event_id type schema_version tenant subject actor session correlation_id causation_id occurred_at recorded_at data",
      };
      for (const [view, columns] of Object.entries(promised))
        rows(`SELECT ${columns.replaceAll(" ", ", ")} FROM ${view}`);
    }),
  );

  it("documents every private column too", () => {
    for (const { tables, doc } of readModels) {
      assert.isNotEmpty(doc);
      for (const table of tables) for (const column of Object.values(table.columns)) assert.isNotEmpty(column.doc);
    }
    assert.isNotEmpty(schemaOf({ projections: readModels, indexes: "all" }));
  });

  it.live("can be read with the SQLite that this machine has, if any", () =>
    Effect.gen(function* () {
      const { file, rows } = yield* folded([said(1, "hello")]);
      const views = rows(
        "SELECT name FROM sqlite_schema WHERE type = 'view' AND name GLOB 'v_*' AND name <> 'v_search'",
      ).map(({ name }) => String(name));
      const script = views.map((view) => `SELECT count(*) FROM ${view};`).join("");
      try {
        assert.lengthOf(
          execFileSync("sqlite3", ["-readonly", file, script], { encoding: "utf8" }).trim().split("\n"),
          views.length,
        );
      } catch (cause) {
        if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause;
      }
    }),
  );
});
