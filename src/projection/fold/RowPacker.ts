/**
 * The row packer: changes of many events become row batches, table by table, each name once.
 *
 * Room: projection.
 *
 * Plain functions: this runs for every row of every event. A fault in a change throws `RowRefused` before any row
 * of its unit is packed, and the caller turns it into a dead letter.
 */
import { TableRows, RowRefused, type Shape } from "./TableRows.ts";
import type { RowBatch, Statement } from "./RowBatch.ts";
import { type Change, isRemoval, type Table } from "../Projection.ts";

export interface RowPacker {
  /** Adds the changes of one unit, all of them or, with `RowRefused`, none. */
  readonly add: (changes: ReadonlyArray<Change>) => void;
  /** Rows that were added since the last time. */
  readonly take: () => RowBatch;
}

const sum = (values: Iterable<number>): number => {
  let all = 0;
  for (const value of values) all += value;
  return all;
};

/** Everything that the lanes hold, one lane after the other. */
const join = (lanes: ReadonlyArray<TableRows>): Pick<RowBatch, "numbers" | "texts" | "bytes" | "lengths"> => {
  const numbers = new Float64Array(sum(lanes.map(({ rows }) => rows.numbers.length)));
  let at = 0;
  for (const { rows } of lanes) {
    numbers.set(rows.numbers.filled, at);
    at += rows.numbers.length;
  }
  const pieces = lanes.flatMap(({ rows }) => rows.bytes);
  const lengths = Uint32Array.from(pieces, ({ byteLength }) => byteLength);
  const bytes = new Uint8Array(sum(lengths));
  at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { numbers, texts: lanes.flatMap(({ rows }) => rows.texts), bytes, lengths };
};

export const make = (tables: ReadonlyArray<Table>): RowPacker => {
  let names = new Map<string, number>();
  let pack = 0;
  const shapes: Array<Shape> = [];

  const nameAt = (text: string): number => {
    const known = names.get(text);
    if (known !== undefined) return known;
    names.set(text, names.size);
    return names.size - 1;
  };

  const lanes = new Map(tables.map((table) => [table.name, new TableRows(table, nameAt)] as const));

  const laneOf = (change: Change): TableRows => {
    const lane = lanes.get(change.table);
    if (lane === undefined) throw new RowRefused(`there is no table ${change.table}`);
    return lane;
  };

  /** Rows that follow on each other in one statement are one run. */
  const runsOf = (filled: ReadonlyArray<TableRows>) => {
    pack += 1;
    const statements: Array<Statement> = [];
    const runs: Array<number> = [];
    let last: Shape | undefined;
    for (const shape of filled.flatMap(({ rows }) => rows.shapes)) {
      if (shape.pack !== pack && shape.statement !== undefined) {
        shape.pack = pack;
        shape.at = statements.push(shape.statement) - 1;
      }
      if (shape === last) runs.push((runs.pop() ?? 0) + 1);
      else runs.push(shape.at, 1);
      last = shape;
    }
    return { statements, runs };
  };

  return {
    add: (changes) => {
      // All shapes before the first row, so that a refused row leaves nothing of its unit behind.
      shapes.length = 0;
      for (const change of changes) {
        const lane = laneOf(change);
        shapes.push(isRemoval(change) ? lane.removalShapeOf(change) : lane.shapeOf(change.row));
      }
      let at = 0;
      for (const change of changes) {
        const shape = shapes[at++];
        if (shape === undefined) continue;
        if (isRemoval(change)) laneOf(change).addRemoval(shape, change);
        else laneOf(change).add(shape, change.row);
      }
    },
    take: () => {
      for (const lane of lanes.values()) lane.end();
      const filled = [...lanes.values()].filter(({ rows }) => rows.shapes.length > 0);
      const rows = sum(filled.map((lane) => lane.rows.shapes.length));
      const packed: RowBatch = { names: [...names.keys()], ...runsOf(filled), rows, ...join(filled) };
      names = new Map();
      for (const lane of lanes.values()) lane.clear();
      return packed;
    },
  };
};
