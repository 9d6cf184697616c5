import { assert, describe, it } from "@effect/vitest";
import { HttpServerResponse } from "effect/http";
import { toResponse } from "../../../src/edge/http/Problem.ts";
import { asCalled, callWith } from "../../../src/machine/CalledAs.ts";

describe("a problem over HTTP", () => {
  it("names the command that mends it without a path of this machine, because its reader may have no token", async () => {
    callWith(["up", "--data", "/home/ana/store"]);
    assert.include(asCalled("Do: recollect open"), "/home/ana/store");
    const problem = { status: 401, code: "token", detail: "No.", hint: "Make a token: recollect access token create" };
    const body = await HttpServerResponse.toWeb(toResponse(problem)).text();
    assert.match(body, /recollect access token create"/);
    assert.notInclude(body, "/");
  });
});
