import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { isMisfit, type NewEvent } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { bodyOf, entryOf, headersOf } from "../../src/log/Envelope.ts";
import { subjectOf } from "../../src/log/Subject.ts";

const history = thread("t.1 ü");
const Text = Schema.String;
const stored = (event: NewEvent) =>
  entryOf({
    sequence: 7,
    recordedAt: 8,
    subject: subjectOf(history),
    headers: headersOf(event, history),
    body: bodyOf(event),
  });

describe("Envelope", () => {
  it.prop(
    "gives back every event from its headers and body",
    {
      id: Text,
      type: Text,
      source: Text,
      actor: Schema.optionalKey(Text),
      session: Schema.optionalKey(Text),
      note: Text,
      body: Text,
      time: Schema.Int,
      version: Schema.Natural,
    },
    ({ actor, body, id, note, session, source, time, type, version }) => {
      const event: NewEvent = {
        id: `${id.toWellFormed()}.`,
        type: `${type.toWellFormed()} `,
        source: `\t${source.toWellFormed()}`,
        schemaVersion: version + 1,
        occurredAt: (time % 6e13) + 0,
        body: body.toWellFormed(),
        actor: actor?.toWellFormed(),
        session: session?.toWellFormed(),
        extensions: { note: note.toWellFormed() },
      };
      const entry = stored(event);
      assert.isFalse(isMisfit(entry));
      const expected = { ...event, correlationId: undefined, causationId: undefined, traceparent: undefined };
      assert.deepEqual(entry as unknown, { ...expected, sequence: 7, recordedAt: 8, history, body: bodyOf(event) });
    },
  );

  it.prop("writes headers of one line of ASCII each", [Text], ([text]) => {
    const value = text.toWellFormed();
    const headers = headersOf(
      {
        id: value,
        type: value,
        source: value,
        schemaVersion: 1,
        occurredAt: 0,
        body: "",
        actor: value,
        extensions: { x: value },
      },
      history,
    );
    for (const header of Object.values(headers)) {
      assert.match(header, /^[\x20-\x7e]*$/);
      assert.strictEqual(header, header.trim());
    }
  });

  it.prop(
    "writes every time as a Date does, whichever came before it",
    { times: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -2_500, maximum: 2_500 }))) },
    ({ times }) => {
      for (const near of [0, -62_167_219_200_000, 1_700_000_000_000]) {
        for (const time of times) {
          const occurredAt = near + time;
          const headers = headersOf(
            { id: "i", type: "t", source: "s", schemaVersion: 1, occurredAt, body: "" },
            history,
          );
          assert.strictEqual(headers["ce-time"], new Date(occurredAt).toISOString());
        }
      }
    },
  );

  it("says what is missing or wrong in a message that is no event", () => {
    const good = headersOf({ id: "i", type: "t", source: "s", schemaVersion: 1, occurredAt: 0, body: "" }, history);
    const problem = (headers: Record<string, string>, subject = subjectOf(history)) => {
      const entry = entryOf({ sequence: 1, recordedAt: 1, subject, headers, body: new Uint8Array() });
      return isMisfit(entry) ? entry.problem : undefined;
    };
    assert.isUndefined(problem(good));
    for (const name of ["ce-id", "ce-type", "ce-source", "ce-time"]) {
      const { [name]: _, ...rest } = good;
      assert.match(problem(rest) ?? "", new RegExp(name));
    }
    assert.match(problem({ ...good, "ce-time": "x" }) ?? "", /RFC 3339/);
    assert.match(problem({ ...good, "ce-schemaversion": "0" }) ?? "", /whole number/);
    assert.match(problem(good, "recollect.x") ?? "", /no history/);
    // A percent sign that encodes nothing is taken as it stands: other writers may not know our encoding.
    assert.isUndefined(problem({ ...good, "ce-actor": "100% sure" }));
  });
});
