/**
 * The process of our own long statements: one after the other, over the channel of the process that asks.
 *
 * Room: query.
 *
 * A program with few imports. It ends with its asker, whose end closes the channel.
 */
import Database from "better-sqlite3";
import { selected } from "../AllRowsSqlite.ts";
import type { AsideAnswer, AsideRequest } from "./AsideChannel.ts";

let open: { readonly file: string; readonly db: Database.Database } | undefined;

const databaseOf = (file: string): Database.Database => {
  if (open?.file === file) return open.db;
  open?.db.close();
  open = undefined;
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 5000 });
  open = { file, db };
  return db;
};

const isOfStorage = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && /^SQLITE_(?!ERROR\b)/.test(String(cause.code));

const answer = ({ file, parameters, text, zone }: AsideRequest): AsideAnswer => {
  try {
    return { _tag: "Selected", ...selected(databaseOf(file), text, parameters, zone) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return { _tag: isOfStorage(cause) ? "Storage" : "Refused", message };
  }
};

process.on("disconnect", () => process.exit(0));
process.on("message", (request) => process.send?.(answer(request as AsideRequest)));
