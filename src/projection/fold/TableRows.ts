/**
 * The rows of one table on their way into a batch of rows: columns by shape, cells packed flat.
 *
 * Room: projection.
 *
 * Plain and mutable: this runs for every cell of every row.
 */
import type { Kind, Statement } from "./RowBatch.ts";
import { type Cell, type Column, type Removal, type Table, Utf8 } from "../Projection.ts";
import { fits, fitsColumn, mergeInto } from "./RowMerge.ts";
import { type Bound, removalOf, upsertOf } from "../write/RowSql.ts";

/** A change that does not fit its table: the projection's own fault. */
export class RowRefused extends Error {}

type Row = Readonly<Record<string, Cell>>;

/** A set of columns that rows of one table speak of, found column by column; a statement once a row has ended there. */
export class Shape {
  readonly columns: ReadonlyArray<Bound>;
  readonly names: ReadonlyArray<string>;
  /** Its last column. */
  private readonly name: string;
  private readonly kind: Kind;
  private readonly longer = new Map<string, Array<Shape>>();
  /** Rows of a table mostly speak of the same columns as the one before. */
  private last: Shape | undefined;
  /** The statement made for it, and its place in the pack that is being made. */
  statement: Statement | undefined;
  pack = 0;
  at = 0;

  constructor(columns: ReadonlyArray<Bound>) {
    this.columns = columns;
    this.names = columns.map(({ name }) => name);
    this.name = columns.at(-1)?.name ?? "";
    this.kind = columns.at(-1)?.kind ?? "null";
  }

  with(name: string, kind: Kind): Shape {
    const { last } = this;
    if (last !== undefined && last.name === name && last.kind === kind) return last;
    return (this.last = this.find(name, kind));
  }

  private find(name: string, kind: Kind): Shape {
    let known = this.longer.get(name);
    if (known === undefined) this.longer.set(name, (known = []));
    for (const shape of known) if (shape.kind === kind) return shape;
    const made = new Shape([...this.columns, { name, kind }]);
    known.push(made);
    return made;
  }
}

/** Numbers one after the other, in memory that is used again for the next pack. */
class Numbers {
  private values = new Float64Array(256);
  length = 0;

  push(value: number) {
    if (this.length === this.values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  get filled(): Float64Array {
    return this.values.subarray(0, this.length);
  }
}

/** Rows bound for statements, in order. */
class Rows {
  readonly numbers = new Numbers();
  texts: Array<string> = [];
  bytes: Array<Uint8Array> = [];
  /** A shape for each row. */
  shapes: Array<Shape> = [];

  bind(shape: Shape, row: Row, nameAt: (text: string) => number) {
    this.shapes.push(shape);
    for (const { kind, name } of shape.columns) {
      if (kind === "null") continue;
      const cell = row[name];
      if (typeof cell === "string") {
        if (kind === "name") this.numbers.push(nameAt(cell));
        else this.texts.push(cell);
      } else if (typeof cell === "number") this.numbers.push(cell);
      else if (cell != null) this.bytes.push(cell instanceof Utf8 ? cell.bytes : cell);
    }
  }

  append(other: Rows) {
    for (const number of other.numbers.filled) this.numbers.push(number);
    for (const text of other.texts) this.texts.push(text);
    for (const bytes of other.bytes) this.bytes.push(bytes);
    for (const shape of other.shapes) this.shapes.push(shape);
  }

  clear() {
    this.numbers.length = 0;
    this.texts = [];
    this.bytes = [];
    this.shapes = [];
  }
}

/** Ends each cell of a key, so that no two keys are spelled alike. */
const end = "\0";

/** Equal for rows that SQLite takes for equal in these columns; undefined where that cannot be told without it. */
const keyOf = (table: Table, row: Row, columns: ReadonlyArray<string>): string | undefined => {
  let key = "";
  for (const name of columns) {
    const cell = row[name];
    const column = table.columns[name];
    if (column === undefined || !fitsColumn(column, cell)) return undefined;
    if (typeof cell === "string" && cell.includes(end)) return undefined;
    key += typeof cell === "string" ? cell : String(cell);
    key += end;
  }
  return key;
};

/** Undefined for what no column can hold. */
const kindOf = ({ type }: Column, cell: Cell): Kind | undefined => {
  if (typeof cell === "number") return "number";
  if (typeof cell === "string") return type === "name" || type === "id" ? type : "text";
  if (cell == null) return "null";
  if (cell instanceof Utf8) return "utf8";
  return cell instanceof Uint8Array ? "blob" : undefined;
};

export class TableRows {
  readonly table: Table;
  private readonly nameAt: (text: string) => number;
  private readonly upserts = new Shape([]);
  private readonly removals = new Map<string, Shape>();
  readonly rows = new Rows();
  /** Rows of a hot table by key, merged here; undefined when they are packed as they come. */
  private hot: Map<string, Record<string, Cell>> | undefined;
  /**
   * Removals of one shape that concern no row after them: they are written together, behind the rows, and the rows
   * together before them. By what they remove.
   */
  private readonly later = new Rows();
  private readonly laterKeys = new Set<string>();
  private laterShape: Shape | undefined;

  constructor(table: Table, nameAt: (text: string) => number) {
    this.table = table;
    this.nameAt = nameAt;
    this.clear();
  }

  clear() {
    this.rows.clear();
    this.clearLater();
    this.hot = this.table.hot === true ? new Map() : undefined;
  }

  /** The columns a row speaks of: a cell that says nothing is left out, unless its column is replaced by it. */
  shapeOf(row: Row): Shape {
    const { columns, key } = this.table;
    let shape = this.upserts;
    for (const name in row) {
      const column = columns[name];
      const cell = row[name];
      if (column === undefined || cell != null || column.merge === "replace") shape = this.longer(shape, name, cell);
    }
    for (const name of key) {
      if (row[name] == null) throw new RowRefused(`a row of ${this.table.name} without its key ${name}`);
    }
    shape.statement ??= upsertOf(this.table, shape.columns);
    return shape;
  }

  private longer(shape: Shape, name: string, cell: Cell): Shape {
    const column = this.table.columns[name];
    if (column === undefined) throw new RowRefused(`${this.table.name} has no column ${name}`);
    const kind = kindOf(column, cell);
    if (kind === undefined) throw new RowRefused(`${this.table.name}.${name} cannot hold a ${typeof cell}`);
    return shape.with(name, kind);
  }

  removalShapeOf({ from, where }: Removal): Shape {
    let shape = this.removals.get(from?.column ?? "");
    if (shape === undefined) this.removals.set(from?.column ?? "", (shape = new Shape([])));
    for (const name in where) shape = this.longer(shape, name, where[name]);
    if (from !== undefined && this.table.columns[from.column] === undefined) {
      throw new RowRefused(`${this.table.name} has no column ${from.column}`);
    }
    shape.statement ??= removalOf(this.table, shape.columns, from?.column);
    return shape;
  }

  add(shape: Shape, row: Row) {
    if (this.hot !== undefined && !fits(this.table, row)) this.settle("cold");
    const { hot, laterShape } = this;
    if (laterShape !== undefined) {
      const key = keyOf(this.table, row, laterShape.names);
      if (key === undefined || this.laterKeys.has(key)) this.settleLater();
    }
    const key = hot === undefined ? undefined : keyOf(this.table, row, this.table.key);
    if (hot === undefined || key === undefined) return this.rows.bind(shape, row, this.nameAt);
    const known = hot.get(key);
    if (known === undefined) hot.set(key, { ...row });
    else mergeInto(this.table, known, row);
  }

  addRemoval(shape: Shape, { from, where }: Removal) {
    this.settle("hot");
    const key = keyOf(this.table, where, shape.names);
    if (key === undefined || this.laterShape !== shape || this.laterKeys.has(key)) this.settleLater();
    const rows = key === undefined ? this.rows : this.later;
    rows.bind(shape, where, this.nameAt);
    if (from !== undefined) rows.numbers.push(from.value);
    if (key === undefined) return;
    this.laterShape = shape;
    this.laterKeys.add(key);
  }

  /** Everything that was added is in `rows`. */
  end() {
    this.settle("hot");
    this.settleLater();
  }

  /** Packs what a hot table has merged so far, and goes on row by row when `then` says so. */
  private settle(then: "hot" | "cold") {
    if (this.hot === undefined) return;
    for (const row of this.hot.values()) this.rows.bind(this.shapeOf(row), row, this.nameAt);
    this.hot = then === "hot" ? new Map() : undefined;
  }

  private settleLater() {
    if (this.laterShape === undefined) return;
    this.rows.append(this.later);
    this.clearLater();
  }

  private clearLater() {
    this.later.clear();
    this.laterKeys.clear();
    this.laterShape = undefined;
  }
}
