/**
 * Frames between the sandbox and its process: values of V8's own serialisation, each behind its length.
 *
 * Room: query.
 */
import { deserialize, serialize } from "node:v8";
import type { SqlParameters, Value } from "../Sql.ts";

/** The one thing a process is asked: a statement, or a copy of the whole database. */
export interface SandboxRequest {
  /** Target; there must be no such file. The statement is then not looked at. */
  readonly copyTo?: string | undefined;
  /** The database file itself, no link to it. */
  readonly file: string;
  readonly statement: string;
  readonly parameters: SqlParameters;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly timeoutMillis: number;
  /** Of SQLite alone. */
  readonly memoryBytes: number;
  /** Of its temporary files. */
  readonly diskBytes: number;
  /** Absent: everything may be seen. Else views to the columns that read NULL. */
  readonly masked?: Readonly<Record<string, ReadonlyArray<string>>> | undefined;
}

/** Columns first, then rows, then an end; or a failure at any point. */
export type SandboxFrame =
  | { readonly _tag: "Columns"; readonly columns: ReadonlyArray<string> }
  | { readonly _tag: "Rows"; readonly rows: ReadonlyArray<ReadonlyArray<Value>> }
  | { readonly _tag: "End"; readonly isCut: boolean }
  | {
      readonly _tag: "Failed";
      /** `refused`: the statement; `memory`: its limit; `gone`: the file is no longer there; `storage`: the file. */
      readonly reason: "refused" | "memory" | "gone" | "storage";
      readonly message: string;
    };

/** Bytes of the length before a value: an unsigned integer, little end first. */
export const lengthBytes = 4;

export const pack = (value: SandboxRequest | SandboxFrame): Buffer => {
  const body = serialize(value);
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
};

export const unpack = <A extends SandboxRequest | SandboxFrame>(body: Uint8Array): A => deserialize(body) as A;

/** Puts the pieces of a pipe together to frames. */
export class FrameReader {
  private pieces: Array<Buffer> = [];
  private held = 0;

  push(piece: Buffer): void {
    this.pieces.push(piece);
    this.held += piece.length;
  }

  /** The next whole frame, if it is there. */
  next(): SandboxFrame | undefined {
    if (this.held < lengthBytes) return undefined;
    const [first] = this.pieces;
    if (first !== undefined && first.length < lengthBytes) this.pieces = [Buffer.concat(this.pieces)];
    const length = this.pieces[0]?.readUInt32LE() ?? 0;
    if (this.held < lengthBytes + length) return undefined;
    const all = this.pieces.length === 1 ? this.pieces[0] : Buffer.concat(this.pieces);
    if (all === undefined) return undefined;
    const rest = all.subarray(lengthBytes + length);
    this.pieces = rest.length === 0 ? [] : [rest];
    this.held = rest.length;
    return unpack(all.subarray(lengthBytes, lengthBytes + length));
  }
}
