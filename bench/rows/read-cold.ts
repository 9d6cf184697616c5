/** Reading a long thread for the first time, as the snapshotter leaves it when it is quiet. */
import { coldRead } from "../ColdRead.ts";
import type { Row } from "../Harness.ts";

export const row: Row = {
  id: "read-cold",
  what: "a thread of 10,000 messages: snapshot, and nothing after it",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2 },
  run: coldRead("none"),
};
