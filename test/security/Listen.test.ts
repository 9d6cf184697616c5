/** A store that other machines reach: under TLS, with credentials, or not at all. */
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { assert, describe, it } from "@effect/vitest";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { Recollect } from "../../src/client/Recollect.ts";
import { Stage } from "../edge/cli/Program.ts";

/** A certificate of our own making for `store.example` and 127.0.0.1. */
const certified = (folder: string) => {
  const cert = join(folder, "cert.pem");
  const key = join(folder, "key.pem");
  const names = "subjectAltName=DNS:store.example,IP:127.0.0.1";
  const how = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const files = ["-keyout", key, "-out", cert, "-subj", "/CN=store.example", "-addext", names];
  execFileSync("openssl", ["req", ...how, ...files], { stdio: "ignore" });
  return { cert, key };
};

/** Status of a request under TLS, by the certificate's own name. */
const asked = (url: string, ca: string, headers: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { ca: readFileSync(ca), servername: "store.example", headers, agent: false };
    request(url, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once("error", reject)
      .end();
  });

describe("recollect up --listen", { timeout: 120_000 }, () => {
  it("refuses to serve other machines without a certificate, or with one that does not fit, and starts nothing", async () => {
    await using stage = new Stage();
    const { cert, key } = certified(stage.folder);
    for (const [words, why] of [
      [["--listen", "0.0.0.0"], /Nothing is served at 0\.0\.0\.0 without TLS/],
      [["--listen", "192.0.2.1", "--listen-cert", cert], /without TLS/],
      [["--listen", "0.0.0.0", "--listen-cert", cert, "--listen-key", cert], /no certificate and its key/],
      [["--listen-cert", cert, "--listen-key", key], /--listen ADDRESS, which is missing/],
    ] as const) {
      const ended = await stage.run(["up", ...words]);
      assert.strictEqual(ended.code, 2, ended.err);
      assert.match(ended.err, why);
      assert.isUndefined(stage.instance());
    }
  });

  it("serves NATS and HTTP under TLS to who has credentials, and this user's commands as before", async () => {
    await using stage = new Stage();
    const { cert, key } = certified(stage.folder);
    const listen = ["--listen", "0.0.0.0", "--listen-cert", cert, "--listen-key", key];
    const up = await stage.start(["up", "--json", ...listen]).says('"ready":true');
    const { https, nats }: { readonly https: string; readonly nats: string } = JSON.parse(up.out);
    const { file } = await stage.json<{ readonly file: string }>(["access", "add", "ana", "--role", "publisher"]);
    const outside = { servers: nats, reconnect: false, authenticator: credsAuthenticator(readFileSync(file)) };
    const plain = await connect({ ...outside, tls: null }).then(
      () => "in",
      () => "refused",
    );
    assert.strictEqual(plain, "refused");
    const untrusted = await connect(outside).then(
      () => "in",
      () => "refused",
    );
    assert.strictEqual(untrusted, "refused", "an untrusted certificate");
    // By an address the bare client asks for a certificate of `localhost`.
    const trusting = { caFile: cert, checkServerIdentity: () => undefined };
    const nobody = await connect({ servers: nats, reconnect: false, tls: trusting }).then(
      () => "in",
      (error: unknown) => String(error),
    );
    assert.match(nobody, /Authorization/i);
    const empty = ["--data", join(stage.folder, "empty")];
    const asTenant = await stage.run(["threads", "--nats-url", nats, "--creds", file, "--tls-ca", cert, ...empty]);
    assert.strictEqual(asTenant.code, 5);
    assert.match(
      asTenant.err,
      /^recollect: This user of .* is a publisher or reader of one tenant, .*\n {2}Use the library/,
    );
    const access = { creds: file, tls: { caFile: cert } };
    const ana = await Recollect.connect({
      url: nats,
      data: join(stage.folder, "elsewhere"),
      access,
      patienceMillis: 60_000,
    });
    const said = await ana.thread("t").say({ role: "user", text: "from afar" });
    assert.strictEqual(said._tag, "Appended");
    await ana.close();
    const own = await Recollect.connect({ data: stage.data, patienceMillis: 60_000 });
    assert.strictEqual((await own.thread("t").say({ role: "user", text: "from here" }))._tag, "Appended");
    await own.close();
    const { threads } = await stage.json<{ readonly threads: ReadonlyArray<object> }>(["threads"]);
    assert.lengthOf(threads, 1);
    const { port } = new URL(https);
    const at = `https://127.0.0.1:${port}`;
    assert.strictEqual(await asked(`${at}/healthz`, cert, { host: `store.example:${port}` }), 200);
    assert.strictEqual(await asked(`${at}/healthz`, cert, { host: `evil.example:${port}` }), 421);
    assert.strictEqual(await asked(`${at}/v1/threads`, cert, { host: `store.example:${port}` }), 401);
    const token = readFileSync(join(stage.data, "keys", "http.token"), "utf8").trim();
    const bearer = { host: `store.example:${port}`, authorization: `Bearer ${token}` };
    assert.strictEqual(await asked(`${at}/v1/threads`, cert, bearer), 200);
    const { code } = await up.end("SIGTERM");
    assert.strictEqual(code, 0);
  });
});
