import { assert, describe, it } from "@effect/vitest";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { program } from "../../support/program.ts";

/** A home of its own, with a `systemctl` that writes down what it was asked, or with none. */
const home = (systemctl: "none" | "there" | "unreachable") => {
  const root = mkdtempSync(join(tmpdir(), "recollect-service-"));
  const bin = join(root, "bin");
  mkdirSync(bin);
  const asked = join(root, "asked");
  if (systemctl !== "none") {
    const refuses = systemctl === "unreachable" ? 'case "$2" in --version) ;; *) echo "no bus" >&2; exit 1;; esac' : "";
    const text = `#!/bin/sh\necho "$*" >> '${asked}'\n${refuses}\ncase "$2" in is-active) echo active;; is-enabled) echo enabled;; esac\n`;
    writeFileSync(join(bin, "systemctl"), text);
    chmodSync(join(bin, "systemctl"), 0o755);
  }
  const run = (...words: ReadonlyArray<string>) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [program, "service", ...words], {
      env: {
        HOME: root,
        PATH: systemctl === "none" ? bin : `${bin}:/bin:/usr/bin`,
        RECOLLECT_DATA: join(root, "a data%folder"),
      },
      encoding: "utf8",
    });
    return { code: status, out: stdout, err: stderr };
  };
  return {
    run,
    unit: join(root, ".config", "systemd", "user", "recollect.service"),
    asked: () => (existsSync(asked) ? readFileSync(asked, "utf8").trim().split("\n") : []),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
};

describe("recollect service", { timeout: 120_000 }, () => {
  it("shows the unit first, writes it once, and removes it again", () => {
    using here = home("there");
    const shown = here.run("install", "--dry-run");
    assert.strictEqual(shown.code, 0, shown.err);
    assert.isFalse(existsSync(here.unit));
    assert.strictEqual(here.run("status").code, 4);

    const first = here.run("install");
    assert.strictEqual(first.code, 0, first.err);
    const written = readFileSync(here.unit, "utf8");
    assert.strictEqual(written.trimEnd(), shown.out.trimEnd());
    // A % that systemd would expand is doubled; the daemon ends its own server.
    assert.match(written, /^ExecStart=".+" ".+" up --data ".*a data%%folder"$/m);
    assert.match(written, /^KillMode=mixed$/m);
    assert.include(here.asked(), "--user restart recollect.service");

    const again = here.run("install", "--json");
    assert.deepInclude(JSON.parse(again.out), { changed: false, executed: true, active: "active" });
    assert.strictEqual(here.asked().filter((words) => words.includes("restart")).length, 1);
    const status = here.run("status", "--json");
    assert.deepInclude(JSON.parse(status.out), {
      installed: true,
      systemd: true,
      enabled: "enabled",
      active: "active",
    });

    assert.strictEqual(here.run("remove").code, 0);
    assert.isFalse(existsSync(here.unit));
    assert.include(here.asked(), "--user disable --now recollect.service");
    assert.match(here.run("remove").out, /^Nothing was there/);
  });

  it("says plainly where systemd is not, and writes nothing", () => {
    using here = home("none");
    const { code, err } = here.run("install");
    assert.strictEqual(code, 5);
    assert.match(err, /systemd is not here: there is no systemctl\. Nothing was changed\./);
    assert.isFalse(existsSync(dirname(here.unit)));
  });

  it("says so where systemd of this user cannot be reached, and changes nothing", () => {
    using here = home("unreachable");
    const { code, err } = here.run("install");
    assert.strictEqual(code, 5);
    assert.match(err, /cannot be reached: no bus[\s\S]*Nothing was changed/);
    assert.isFalse(existsSync(here.unit));
    assert.strictEqual(here.run("status").code, 4);
    // The service of a user who lingers runs on, whether this session reaches it or not.
    mkdirSync(dirname(here.unit), { recursive: true });
    writeFileSync(here.unit, "a unit");
    const removed = here.run("remove");
    assert.strictEqual(removed.code, 5);
    assert.match(removed.err, /cannot be stopped: no bus[\s\S]*Nothing was changed/);
    assert.isTrue(existsSync(here.unit));
  });
});
