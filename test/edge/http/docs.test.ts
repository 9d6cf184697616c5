import { assert, describe, it } from "@effect/vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../support/flow.ts";
import { Door } from "./Knock.ts";

const page = readFileSync(join(root, "docs/http.md"), "utf8");
const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);

describe("docs/http.md", { timeout: 180_000 }, () => {
  it("shows commands that work as they stand there", async () => {
    assert.isAtLeast(blocks.length, 6);
    await using door = new Door();
    await door.open();
    const { code, err, out } = await door.shell(`set -e -o pipefail; export URL=${door.url}\n${blocks.join("echo\n")}`);
    assert.strictEqual(code, 0, err);
    for (const said of ["What did we decide?", "To wait.", '"event":"caughtUp"', '"events":', "# HELP"]) {
      assert.include(out, said);
    }
  });

  it("names every address that it shows in the API", async () => {
    const { Api } = await import("../../../src/edge/http/api/Api.ts");
    const { OpenApi } = await import("effect/http-api");
    const paths = Object.keys(OpenApi.fromApi(Api).paths).map((path) => path.replace(/\{[^}]+\}/g, "x"));
    const shown = [...page.matchAll(/\$URL(\/v1\/[^"?]*)/g)].map(([, path = ""]) => path);
    for (const path of shown) {
      const isThere = paths.some((one) => {
        const [mine, theirs] = [path.split("/"), one.split("/")];
        return mine.length === theirs.length && theirs.every((part, at) => part === "x" || part === mine[at]);
      });
      assert.isTrue(isThere, path);
    }
  });
});
