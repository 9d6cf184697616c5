import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { createHash } from "node:crypto";
import { thread } from "../../src/domain/History.ts";
import { chained, digestOf, hex, leafRecord, zeroChain } from "../../src/log/Digest.ts";
import { digestOfEntry, headersOf, provenEntryOf, storedOf } from "../../src/log/Envelope.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import { uuid } from "../projection/StubLog.ts";

const history = thread("t1");
const stored = {
  subject: subjectOf(history),
  headers: headersOf(
    { id: uuid(1), type: "thread.renamed", source: "test", schemaVersion: 1, occurredAt: 0, body: "" },
    history,
  ),
  body: Buffer.from('{"title":"é"}'),
};
const sha256 = (...parts: ReadonlyArray<string | Uint8Array>) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const net = (text: string) => `${Buffer.byteLength(text)}:${text},`;

describe("the digest", () => {
  it("is SHA-256 over netstrings of subject, sorted ce- headers and body, as docs/integrity.md has it", () => {
    const names = Object.keys(stored.headers).toSorted();
    const head = names.map((name) => net(name) + net(stored.headers[name] ?? "")).join("");
    const expected = sha256(net(stored.subject), net(String(names.length)), head, "14:", stored.body, ",");
    assert.strictEqual(hex(digestOf(stored)), expected);
  });

  it("changes with subject, each header's name and value, and each byte of the body", () => {
    const [id = ""] = Object.keys(stored.headers);
    const { [id]: value = "", ...others } = stored.headers;
    const all = [
      stored,
      { ...stored, subject: `${stored.subject}x` },
      { ...stored, headers: { ...stored.headers, [id]: `${value}x` } },
      { ...stored, headers: { ...others, [`${id}x`]: value } },
      { ...stored, headers: { ...stored.headers, "ce-more": "" } },
      { ...stored, body: Buffer.from('{"title":"è"}') },
      { ...stored, body: Buffer.alloc(0) },
    ];
    assert.strictEqual(new Set(all.map((one) => hex(digestOf(one)))).size, all.length);
  });

  it("does not change with what a server or a heal adds, nor with the order of headers", () => {
    const turned = Object.fromEntries(Object.entries(stored.headers).toReversed());
    const more = { ...turned, "Nats-Msg-Id": "1", "Recollect-Recorded-At": "2", "Nats-Batch-Id": "b" };
    assert.strictEqual(hex(digestOf({ ...stored, headers: more })), hex(digestOf(stored)));
  });

  it.prop(
    "of an entry that was read is that of what is stored, whoever wrote it and however he spells it",
    {
      id: Schema.String,
      time: Schema.Literals(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", "2026-01-01T00:00:00.000Z", "x"]),
      version: Schema.Literals(["1", "01", "2", "", "-"]),
      actor: Schema.Literals(["ann", "a%20b", "a%2Fb", "%zz", "ü", ""]),
      extra: Schema.Literals(["ce-team", "Nats-Trace-Dest", "ce-specversion"]),
      body: Schema.String,
    },
    ({ actor, body, extra, id, time, version }) => {
      const headers = { "ce-id": id.trim(), "ce-type": "a.b", "ce-source": "go/1", "ce-time": time, [extra]: actor };
      const message = {
        sequence: 3,
        recordedAt: 4,
        subject: stored.subject,
        headers: { ...headers, "ce-schemaversion": version },
        body: Buffer.from(body, "utf8"),
      };
      const entry = provenEntryOf(message);
      const { digest: _, ...alone } = entry;
      assert.strictEqual(hex(digestOfEntry(alone)), hex(digestOf(message)));
      assert.strictEqual(hex(digestOf(storedOf(entry))), hex(entry.digest ?? zeroChain));
    },
  );

  it("says how an event is stored only where we would spell it otherwise", () => {
    const ours = provenEntryOf({ ...stored, sequence: 1, recordedAt: 1 });
    const theirs = provenEntryOf({
      ...stored,
      headers: { ...stored.headers, "ce-time": "1970-01-01T00:00:00Z" },
      sequence: 1,
      recordedAt: 1,
    });
    assert.notProperty(ours, "wire");
    assert.nestedPropertyVal(theirs, "wire.ce-time", "1970-01-01T00:00:00Z");
  });
});

describe("the running hash", () => {
  const leaf = (sequence: number, more: object = {}) => ({
    sequence,
    id: uuid(sequence),
    subject: stored.subject,
    digest: digestOf(stored),
    ...more,
  });
  const over = (leaves: ReadonlyArray<ReturnType<typeof leaf>>) => hex(leaves.reduce(chained, zeroChain));

  it("is SHA-256 over the one before and a leaf record that RFC 6962 can be put on", () => {
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(7n);
    const record = Buffer.concat([place, Buffer.from(net(uuid(7)) + net(stored.subject)), digestOf(stored)]);
    assert.deepStrictEqual(Buffer.from(leafRecord(leaf(7))), record);
    assert.strictEqual(hex(chained(zeroChain, leaf(7))), sha256(zeroChain, record));
  });

  it("tells a missing, changed, inserted and exchanged event from what was there", () => {
    const all = [
      over([leaf(1), leaf(2), leaf(3)]),
      over([leaf(1), leaf(3)]),
      over([leaf(1), leaf(2, { digest: zeroChain }), leaf(3)]),
      over([leaf(1), leaf(2), leaf(2), leaf(3)]),
      over([leaf(1), leaf(3), leaf(2)]),
      over([leaf(1), leaf(2, { id: "other" }), leaf(3)]),
    ];
    assert.strictEqual(new Set(all).size, all.length);
  });
});
