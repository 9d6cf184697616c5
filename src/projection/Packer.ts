/**
 * Packing: changes of many events become packed rows, table by table, each name once.
 *
 * Room: projection. In: Projection, Packed, RowSql. Out: Fold.
 *
 * Plain functions: this runs for every row of every event. A fault in a change throws `RowRefused` before any row
 * of its unit is packed, and the caller turns it into a dead letter.
 */
import type { Kind, Packed, Statement, Value } from "./Packed.ts";
import { type Cell, type Change, isRemoval, type Removal, type Table, Utf8 } from "./Projection.ts";
import { type Bound, removeSql, upsertSql } from "./RowSql.ts";
import { fits, mergeInto } from "./RowMerge.ts";

/** A change that does not fit its table: the projection's own fault. */
export class RowRefused extends Error {}

type Row = Readonly<Record<string, Cell>>;

/** A set of columns that rows of one table speak of, found column by column; a statement once a row has ended there. */
class Shape {
  readonly columns: ReadonlyArray<Bound>;
  private readonly longer = new Map<string, Shape>();
  /** The statement made for it, and its place in the pack that is being made. */
  statement: Statement | undefined;
  pack = 0;
  at = 0;

  constructor(columns: ReadonlyArray<Bound>) {
    this.columns = columns;
  }

  with(name: string, kind: Kind): Shape {
    const key = kind === "value" || kind === "name" ? name : `${kind} ${name}`;
    const known = this.longer.get(key);
    if (known !== undefined) return known;
    const made = new Shape([...this.columns, { name, kind }]);
    this.longer.set(key, made);
    return made;
  }
}

/** Rows of one table on their way into a pack. */
class Lane {
  readonly table: Table;
  private readonly upserts = new Shape([]);
  private readonly removals = new Map<string, Shape>();
  rows: Array<Shape> = [];
  values: Array<Value> = [];
  bytes: Array<Uint8Array> = [];
  /** Rows of a hot table by key, merged here; undefined when they are packed as they come. */
  hot: Map<string, Record<string, Cell>> | undefined;

  constructor(table: Table) {
    this.table = table;
  }

  clear() {
    this.rows = [];
    this.values = [];
    this.bytes = [];
    this.hot = this.table.hot === true ? new Map() : undefined;
  }

  private kindOf(name: string, cell: Cell): Kind {
    if (typeof cell === "string") return this.table.columns[name]?.type === "name" ? "name" : "value";
    if (cell instanceof Utf8) return "text";
    if (cell instanceof Uint8Array) return "blob";
    if (typeof cell === "number" || cell == null) return "value";
    throw new RowRefused(`${this.table.name}.${name} cannot hold a ${typeof cell}`);
  }

  /** The columns a row speaks of: a cell that says nothing is left out, unless its column is replaced by it. */
  shapeOf(row: Row): Shape {
    const { columns, key } = this.table;
    let shape = this.upserts;
    for (const name in row) {
      const column = columns[name];
      if (column === undefined) throw new RowRefused(`${this.table.name} has no column ${name}`);
      const cell = row[name];
      if (cell != null || column.merge === "replace") shape = shape.with(name, this.kindOf(name, cell));
    }
    for (const name of key) {
      if (row[name] == null) throw new RowRefused(`a row of ${this.table.name} without its key ${name}`);
    }
    if (shape.statement !== undefined) return shape;
    const kinds = shape.columns.map(({ kind }) => kind);
    shape.statement = {
      table: this.table.name,
      sql: upsertSql(this.table, shape.columns),
      kinds: this.table.fullText === undefined ? kinds : ["id", ...kinds],
    };
    return shape;
  }

  removalShapeOf({ from, where }: Removal): Shape {
    let shape = this.removals.get(from?.column ?? "");
    if (shape === undefined) this.removals.set(from?.column ?? "", (shape = new Shape([])));
    for (const name in where) {
      if (this.table.columns[name] === undefined) throw new RowRefused(`${this.table.name} has no column ${name}`);
      shape = shape.with(name, this.kindOf(name, where[name]));
    }
    if (from !== undefined && this.table.columns[from.column] === undefined) {
      throw new RowRefused(`${this.table.name} has no column ${from.column}`);
    }
    if (shape.statement !== undefined) return shape;
    const kinds = shape.columns.map(({ kind }) => kind);
    shape.statement = {
      table: this.table.name,
      sql: removeSql(this.table, shape.columns, from?.column),
      kinds: from === undefined ? kinds : [...kinds, "value"],
    };
    return shape;
  }
}

export interface Packer {
  /** Adds the changes of one unit, all of them or, with `RowRefused`, none. */
  readonly add: (changes: ReadonlyArray<Change>) => void;
  /** What was added since the last time. */
  readonly take: () => Packed;
}

export const make = (tables: ReadonlyArray<Table>): Packer => {
  const lanes = new Map(tables.map((table) => [table.name, new Lane(table)] as const));
  for (const lane of lanes.values()) lane.clear();
  let names = new Map<string, number>();
  let pack = 0;

  const nameAt = (text: string): number => {
    const known = names.get(text);
    if (known !== undefined) return known;
    names.set(text, names.size);
    return names.size - 1;
  };

  const bind = (lane: Lane, shape: Shape, row: Row) => {
    lane.rows.push(shape);
    for (const { kind, name } of shape.columns) {
      const cell = row[name];
      if (kind === "name") lane.values.push(nameAt(String(cell)));
      else if (cell instanceof Uint8Array || cell instanceof Utf8) {
        lane.bytes.push(cell instanceof Utf8 ? cell.bytes : cell);
        lane.values.push(null);
      } else lane.values.push(cell ?? null);
    }
  };

  /** Packs what a hot table has merged so far, and goes on row by row when `then` says so. */
  const settle = (lane: Lane, then: "hot" | "cold") => {
    for (const row of lane.hot?.values() ?? []) bind(lane, lane.shapeOf(row), row);
    if (lane.hot !== undefined) lane.hot = then === "hot" ? new Map() : undefined;
  };

  const addRow = (lane: Lane, shape: Shape, row: Row) => {
    if (lane.hot !== undefined && !fits(lane.table, row)) settle(lane, "cold");
    if (lane.hot === undefined) return bind(lane, shape, row);
    const key = lane.table.key.map((name) => `${String(row[name]).length} ${String(row[name])}`).join(" ");
    const known = lane.hot.get(key);
    if (known === undefined) lane.hot.set(key, { ...row });
    else mergeInto(lane.table, known, row);
  };

  const addRemoval = (lane: Lane, shape: Shape, { from, where }: Removal) => {
    settle(lane, "hot");
    bind(lane, shape, where);
    if (from !== undefined) lane.values.push(from.value);
  };

  const laneOf = (change: Change): Lane => {
    const lane = lanes.get(change.table);
    if (lane === undefined) throw new RowRefused(`there is no table ${change.table}`);
    return lane;
  };

  return {
    add: (changes) => {
      // All shapes before the first row, so that a refused row leaves nothing of its unit behind.
      const shapes = changes.map((change) => {
        const lane = laneOf(change);
        return isRemoval(change) ? lane.removalShapeOf(change) : lane.shapeOf(change.row);
      });
      for (const [index, change] of changes.entries()) {
        const shape = shapes[index];
        if (shape === undefined) continue;
        if (isRemoval(change)) addRemoval(laneOf(change), shape, change);
        else addRow(laneOf(change), shape, change.row);
      }
    },
    take: () => {
      pack += 1;
      const statements: Array<Statement> = [];
      const rows: Array<number> = [];
      const values: Array<ReadonlyArray<Value>> = [];
      const bytes: Array<ReadonlyArray<Uint8Array>> = [];
      for (const lane of lanes.values()) {
        settle(lane, "hot");
        for (const shape of lane.rows) {
          if (shape.pack !== pack && shape.statement !== undefined) {
            shape.pack = pack;
            shape.at = statements.push(shape.statement) - 1;
          }
          rows.push(shape.at);
        }
        values.push(lane.values);
        bytes.push(lane.bytes);
        lane.clear();
      }
      const packed: Packed = { names: [...names.keys()], statements, rows, values: values.flat(), bytes: bytes.flat() };
      names = new Map();
      return packed;
    },
  };
};
