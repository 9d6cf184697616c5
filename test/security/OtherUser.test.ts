/** Another user of the machine, and one who was taken out: against the program as people start it. */
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { assert, describe, it } from "@effect/vitest";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Stage } from "../edge/cli/Program.ts";

/** `nobody` on every Linux; only root can be another user. */
const nobody = 65_534;
const mayBeAnother = process.platform === "linux" && process.getuid?.() === 0;

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...filesIn(path)] : [path];
  });

describe("a store that runs", () => {
  it("has no file or folder that others may read, and speaks to nobody without a key", async () => {
    await using stage = new Stage();
    await stage.up();
    await stage.run(["import", join(import.meta.dirname, "../../package.json")]);
    const open = filesIn(stage.data).filter((path) => (statSync(path).mode & 0o077) !== 0);
    assert.deepStrictEqual(open, []);
    const url = stage.instance()?.nats ?? "";
    const came = await connect({ servers: url, reconnect: false }).then(
      () => "in",
      (error: unknown) => String(error),
    );
    assert.match(came, /Authorization/i);
    const answer = await fetch(url.replace("nats:", "http:"), {
      headers: { origin: "https://evil.example" },
      signal: AbortSignal.timeout(2_000),
    }).then(
      () => "answered",
      () => "nothing",
    );
    assert.strictEqual(answer, "nothing");
    if (!mayBeAnother) return;
    for (const path of filesIn(stage.data).slice(0, 40)) {
      const { status } = spawnSync("cat", [path], { uid: nobody, gid: nobody });
      assert.notStrictEqual(status, 0, `${path} can be read by another user`);
    }
  }, 60_000);

  it("disconnects who is taken out, at once, and lets him in no more", async () => {
    await using stage = new Stage();
    await stage.up();
    const { file } = await stage.json<{ readonly file: string }>(["access", "add", "ana", "--role", "publisher"]);
    assert.strictEqual(statSync(file).mode & 0o777, 0o600);
    const creds = readFileSync(file);
    const how = { servers: stage.instance()?.nats ?? "", authenticator: credsAuthenticator(creds), reconnect: false };
    const ana = await connect({ ...how, inboxPrefix: "_INBOX_ana" });
    const { code } = await stage.run(["access", "revoke", "ana"]);
    assert.strictEqual(code, 0);
    await ana.closed();
    const again = await connect(how).then(
      () => "in",
      (error: unknown) => String(error),
    );
    assert.match(again, /Authorization/i);
  }, 60_000);
});
