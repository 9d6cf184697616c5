/** What a store holds, read from its ledger, and how far another state of it still holds that. */
import Database from "better-sqlite3";
import { databaseOf } from "./Plant.ts";

export interface Row {
  readonly sequence: number;
  readonly eventId: string;
  readonly digest: string;
}

/** Digest and sequence of each event, by its id. */
export type Truth = ReadonlyMap<string, Row>;

export const truthOf = (data: string): Truth => {
  const database = new Database(databaseOf({ data }), { readonly: true });
  try {
    const rows = database
      .prepare<[], Row>("SELECT sequence, event_id AS eventId, digest FROM v_events ORDER BY sequence")
      .all()
      .map((row) => ({ ...row, digest: Buffer.from(row.digest).toString("hex") }));
    return new Map(rows.map((row) => [row.eventId, row]));
  } finally {
    database.close();
  }
};

export interface Compared {
  readonly missing: ReadonlyArray<string>;
  readonly changed: ReadonlyArray<string>;
  /** Sequences of events that say that an event is lost. */
  readonly declared: number;
}

export const compare = (before: Truth, data: string): Compared => {
  const after = truthOf(data);
  const missing = [...before.values()].filter(({ eventId }) => !after.has(eventId));
  const changed = [...before.values()].filter((row) => {
    const now = after.get(row.eventId);
    return now !== undefined && (now.digest !== row.digest || (row.sequence > 0 && now.sequence !== row.sequence));
  });
  const database = new Database(databaseOf({ data }), { readonly: true });
  const declared = database
    .prepare("SELECT count(*) FROM v_events WHERE type IN ('recollect.event_lost', 'recollect.loss_accepted')")
    .pluck()
    .get() as number;
  database.close();
  const names = (rows: ReadonlyArray<Row>) => rows.map(({ eventId, sequence }) => `${sequence} (${eventId})`);
  return { missing: names(missing), changed: names(changed), declared };
};
