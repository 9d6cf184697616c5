/**
 * Authorizer of foreign statements, asked by SQLite for each table, column and function while it is prepared.
 *
 * Room: query.
 *
 * For all: reading only, no ATTACH, no PRAGMA. Under masks: through public views only, where personal columns read NULL.
 *
 * Decision: masks are views of our own over the public ones, and not the authorizer's own way to make a column NULL,
 * because SQLite 3.53 does not ask for columns that a join names by USING or NATURAL: a FULL JOIN gave them away, from
 * tables as well. So such joins are refused under masks, too. And the innermost view that SQLite names as the reason for
 * a reading is whatever a WITH calls itself, so that only a view with a random name is believed.
 */
import { constants, type DatabaseSync } from "node:sqlite";
import { tokensOf } from "./SqlText.ts";

/** By its code in SQLite: what the sentence of refusal calls it. */
const actions: Readonly<Record<number, string>> = {
  [constants.SQLITE_ATTACH]: "ATTACH",
  [constants.SQLITE_DETACH]: "DETACH",
  [constants.SQLITE_PRAGMA]: "PRAGMA",
};

/**
 * Functions by what they reach. Node's SQLite has FTS3, whose function gives a bound text the address of a tokenizer in memory, and
 * takes eight bound bytes for one.
 */
const beyond: ReadonlyMap<string, string> = new Map([
  ["load_extension", "load_extension reaches beyond the file."],
  ["fts3_tokenizer", "fts3_tokenizer reaches into the memory of the process."],
]);

/** Table functions over a value, which reach no stored row. */
const overValues = new Set(["json_each", "json_tree"]);

export interface Authorizer {
  /** Reason that the last statement was not prepared. */
  readonly refusal: () => string | undefined;
}

/** From now on `db` prepares nothing else. `believed`: the ending of views whose reading is ours. */
export const authorize = (db: DatabaseSync, masked: { readonly believed: string } | undefined): Authorizer => {
  let refusal: string | undefined;
  const deny = (sentence: string): number => {
    refusal = sentence;
    return constants.SQLITE_DENY;
  };
  const denyNamed = (sentence: string | undefined): number =>
    sentence === undefined ? constants.SQLITE_OK : deny(sentence);
  const read = (table: string, column: string | null, context: string | null): number => {
    if (masked === undefined) return constants.SQLITE_OK;
    const { believed } = masked;
    const isOurs = context?.endsWith(believed) === true || table.endsWith(believed);
    // Without a column nothing is read but how many rows there are.
    if (isOurs || column === "" || column === null || overValues.has(table)) return constants.SQLITE_OK;
    // Whatever the context: in the file's own views it is they that read tables, and are refused there.
    if (table.startsWith("v_")) return constants.SQLITE_OK;
    return deny(`This role reads the public views only, and not ${table}.`);
  };
  db.setAuthorizer((action, first, second, _database, context) => {
    switch (action) {
      case constants.SQLITE_SELECT:
      case constants.SQLITE_RECURSIVE:
        return constants.SQLITE_OK;
      case constants.SQLITE_READ:
        return read(first ?? "", second, context);
      case constants.SQLITE_FUNCTION:
        return denyNamed(beyond.get(second?.toLowerCase() ?? ""));
      case constants.SQLITE_PRAGMA:
        // Questions of the full-text index to itself.
        if (first === "data_version" && second === null) return constants.SQLITE_OK;
    }
    return deny(`${actions[action] ?? "Writing"} is not possible here.`);
  });
  return { refusal: () => refusal };
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A name that a WITH gives, with what follows it up to the SELECT. */
const withName = /^\w+$/;
const isGiven = (rest: string): boolean => /^\s*(?:\([^()]*\)\s*)?AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\(/i.test(rest);

/** The text of a view of ours, reading only views with that ending, and with it on the names of its own WITH. */
const withEnding = (text: string, views: ReadonlySet<string>, ending: string): string => {
  const tokens = tokensOf(text);
  const given = new Set(
    tokens.filter((one, at) => withName.test(one) && isGiven(tokens.slice(at + 1, at + 40).join(""))),
  );
  return tokens
    .map((one, at) => {
      const bare = one.startsWith('"') ? one.slice(1, -1) : one;
      const isOurs = views.has(bare) || (given.has(one) && tokens[at - 1] !== ".");
      return isOurs ? quoted(bare + ending) : one;
    })
    .join("");
};

/** Lays views of the same names over the public ones, with NULL for what is masked. Before `authorize`. */
export const maskViews = (
  db: DatabaseSync,
  masked: Readonly<Record<string, ReadonlyArray<string>>>,
  believed: string,
): void => {
  const views = db.prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'view' AND name GLOB 'v_*'").all();
  const names = new Set(views.map((view) => String(view["name"])));
  for (const view of views) {
    const name = String(view["name"]);
    const hidden = Object.hasOwn(masked, name) ? masked[name] : undefined;
    const columns = db.prepare("SELECT name FROM pragma_table_info(?)").all(name);
    // A view's reading of another view is not masked: only its own columns are.
    db.exec(withEnding(String(view["sql"]), names, believed).replace(/^CREATE VIEW/, "CREATE TEMP VIEW"));
    const shown = columns.map((column) => {
      const own = quoted(String(column["name"]));
      return hidden === undefined || hidden.includes(String(column["name"])) ? `NULL AS ${own}` : own;
    });
    const rows = hidden === undefined ? " WHERE FALSE" : "";
    db.exec(`CREATE TEMP VIEW ${quoted(name)} AS SELECT ${shown.join(", ")} FROM ${quoted(name + believed)}${rows}`);
  }
};
