/** Reading a long thread for the first time while somebody is talking in it: the snapshot is ten events behind. */
import { coldRead } from "../ColdRead.ts";
import type { Row } from "../Harness.ts";

export const row: Row = {
  id: "read-cold-tail",
  what: "a thread of 10,000 messages: snapshot and a tail of 10 events",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2 },
  run: coldRead("ten events"),
};
