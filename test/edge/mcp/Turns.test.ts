import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { joined, type Piece } from "../../../src/edge/mcp/Turns.ts";

const piece = (sequence: number, from: string): Piece => ({ sequence, json: { place: sequence, from } });

const few = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }));

const places = (after: number, upTo: number) => Array.from({ length: upTo - after }, (_, at) => after + 1 + at);

describe("a conversation in pieces", () => {
  it.prop(
    "tells each piece once and none less, however far the read models came between the two readings",
    [few, few, few],
    ([atFirst, meanwhile, later]) => {
      const read = places(0, atFirst + meanwhile).map((place) => piece(place, "read models"));
      const behind = places(atFirst, atFirst + meanwhile + later).map((place) => piece(place, "log"));
      const all = joined(read, behind);
      assert.deepStrictEqual(
        all.map(({ sequence }) => sequence),
        places(0, atFirst + meanwhile + later),
      );
      assert.deepStrictEqual(all.slice(0, read.length), read);
    },
  );
});
