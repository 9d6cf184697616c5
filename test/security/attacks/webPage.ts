/** A page in a browser of this machine, signed in or not. */
import { assert } from "@effect/vitest";
import { attacksOf, status } from "./Attack.ts";

export const webPage = attacksOf("a web page")([
  [
    "read over HTTP from another origin",
    "403, and no CORS header",
    async (world) => {
      for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", `${world.url}.evil.example`]) {
        const answer = await status(world.as("ana", "/v1/threads/secret", undefined, { origin }), 403);
        assert.notInclude(Object.keys(answer.headers).join(), "access-control");
      }
    },
  ],
  [
    "ask for permission first (CORS preflight)",
    "no permission",
    async (world) => {
      const asking = { origin: "https://evil.example", "access-control-request-method": "POST" };
      const answer = await world.ask("/v1/threads", { method: "OPTIONS", headers: asking });
      assert.strictEqual(answer.status, 403);
      assert.notInclude(Object.keys(answer.headers).join(), "access-control-allow");
    },
  ],
  [
    "reach the store by a name of its own that points to 127.0.0.1 (DNS rebinding)",
    "421",
    async (world) => {
      for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0x7f.1"])
        await status(world.as("ana", "/v1/threads/secret", undefined, { host }), 421);
    },
  ],
  [
    "show a picture or script of the store with the cookie of a signed-in browser",
    "403 by what the browser says of the fetch",
    async (world) => {
      const cookie = await world.signedIn();
      for (const site of ["cross-site", "same-site"]) {
        const headers = { cookie, "sec-fetch-site": site, "sec-fetch-mode": "no-cors" };
        await status(world.ask("/sql?q=SELECT+text+FROM+v_message_parts", { headers }), 403);
      }
    },
  ],
  [
    "send a form to the store with that cookie",
    "403, and nothing is written",
    async (world) => {
      const cookie = await world.signedIn();
      const headers = { cookie, origin: "https://evil.example", "content-type": "text/plain" };
      const body = '{"role":"user","text":"planted"}';
      await status(world.ask("/v1/threads/planted/messages", { method: "POST", headers, body }), 403);
      await status(world.as("ana", "/v1/threads/planted"), 404);
    },
  ],
  [
    "put the store's page into a frame",
    "frame-ancestors 'none'",
    async (world) => {
      const answer = await world.ask("/healthz");
      assert.include(String(answer.headers["content-security-policy"]), "frame-ancestors 'none'");
    },
  ],
  [
    "speak HTTP to NATS's port, or ask a monitoring port for subjects",
    "no answer: there is no monitoring port, and NATS speaks no HTTP",
    async ({ nats }) => {
      const asked = await fetch(nats.replace("nats:", "http:"), { signal: AbortSignal.timeout(2_000) }).then(
        () => "answered",
        () => "nothing",
      );
      assert.strictEqual(asked, "nothing");
    },
  ],
  [
    "lead the browser elsewhere after its sign-in",
    "it goes to our own pages only",
    { file: "edge/http/Door.test.ts", title: "never sends a browser elsewhere after signing it in" },
  ],
  [
    "sign in with a code that was used",
    "401",
    { file: "edge/http/Door.test.ts", title: "signs a browser in by an address that works once" },
  ],
]);
