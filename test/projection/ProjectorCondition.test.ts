import { assert, describe, it } from "@effect/vitest";
import * as ProjectorCondition from "../../src/projection/ProjectorCondition.ts";

describe("a condition of the projector in a log", () => {
  it("is whole sentences, whether its message ends with one or with an error's reason", () => {
    const hole = ProjectorCondition.inOneLine(ProjectorCondition.hole(7, "sequence 7 is missing"));
    assert.match(hole, /: sequence 7 is missing\. recollect verify /);
    const rebuilding = ProjectorCondition.inOneLine(ProjectorCondition.rebuilding("It is made anew."));
    assert.strictEqual(rebuilding, "It is made anew. Readers see the database as it was until it is done.");
  });
});
