/** Messages of streamable HTTP as a recorder is told of them. */
import { assert, describe, it } from "@effect/vitest";
import { Copy } from "../../../src/edge/wrap/HttpCopies.ts";

const megabyte = 1024 * 1024;

/** Messages that a copy tells of these pieces. */
const toldOf = (isStream: boolean, pieces: Iterable<string>): ReadonlyArray<unknown> => {
  const told: Array<unknown> = [];
  const copy = new Copy({
    direction: "toClient",
    isStream,
    session: () => "s",
    told: (_, line) => void told.push(JSON.parse(Buffer.from(line).toString("utf8")).method),
  });
  for (const piece of pieces) copy.add(Buffer.from(piece));
  copy.end();
  return told;
};

const event = (method: string): string => `data: ${JSON.stringify({ method })}`;

describe("a copy of a stream", () => {
  it("tells every message, however its pieces are cut", () => {
    for (const end of ["\n\n", "\r\n\r\n", "\r\r"]) {
      const text = `${event("one")}${end}: still here${end}${event("two")}${end}${event("three")}`;
      for (const size of [1, 2, 3, 7, text.length]) {
        const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
          text.slice(at * size, (at + 1) * size),
        );
        assert.deepStrictEqual(toldOf(true, pieces), ["one", "two", "three"], `${JSON.stringify(end)} ${size}`);
      }
    }
  });

  it("leaves out an event that is too large, and tells those behind it", () => {
    const large = Array.from({ length: 33 }, () => "x".repeat(megabyte));
    const pieces = [`${event("one")}\n\ndata: "`, ...large, '"\n', `\n${event("two")}\n\n`, event("three")];
    assert.deepStrictEqual(toldOf(true, pieces), ["one", "two", "three"]);
    assert.deepStrictEqual(toldOf(false, ['{"method":"one","x":"', ...large, '"}']), []);
  });
});
