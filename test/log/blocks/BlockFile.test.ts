import { assert, describe, it } from "@effect/vitest";
import { type BlockRecord, keyOf, readBlock, recordBytes, writeRecord } from "../../../src/log/blocks/BlockFile.ts";
import * as HighwayHash from "../../../src/log/blocks/HighwayHash.ts";
import * as S2 from "../../../src/log/blocks/S2.ts";

const record = (sequence: number): BlockRecord => ({
  sequence,
  nanos: 1_700_000_000_123_456_789n + BigInt(sequence),
  subject: `recollect.default.thread.t${sequence % 3}`,
  headers: sequence % 4 === 0 ? Buffer.alloc(0) : Buffer.from(`NATS/1.0\r\nce-id: ${sequence}\r\n\r\n`),
  body: Buffer.from(`body ${sequence} `.repeat(sequence)),
});

const records = Array.from({ length: 30 }, (_, n) => record(n + 1));

/** A block as nats-server writes it, and where each record begins. */
const blockOf = (number: number) => {
  const bytes = Buffer.alloc(records.reduce((sum, each) => sum + recordBytes(each), 0));
  const hash = HighwayHash.make(keyOf("RECOLLECT", number));
  const starts: Array<number> = [];
  let at = 0;
  for (const each of records) {
    starts.push(at);
    at = writeRecord(hash, each, bytes, at);
  }
  return { bytes, starts };
};

const sequences = (bytes: Buffer) => readBlock("RECOLLECT", 1, bytes).records.map(({ sequence }) => sequence);

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
};

describe("a block", () => {
  it("gives back what was written into it", () => {
    const { damages, isCompressed, records: found } = readBlock("RECOLLECT", 1, blockOf(1).bytes);
    const plain = (each: BlockRecord) => ({
      ...each,
      headers: Buffer.from(each.headers).toString(),
      body: Buffer.from(each.body).toString(),
    });
    assert.deepStrictEqual(found.map(plain), records.map(plain));
    assert.deepInclude({ damages, isCompressed }, { damages: 0, isCompressed: false });
  });

  it("loses the one record in which a bit was flipped, wherever in it, and never gives another in its place", () => {
    const { bytes, starts } = blockOf(1);
    const all = records.map(({ sequence }) => sequence);
    const from = starts[9] ?? 0;
    const to = starts[10] ?? 0;
    for (let at = from; at < to; at += 3) {
      assert.deepStrictEqual(sequences(flipped(bytes, at)), all.toSpliced(9, 1), `byte ${at - from} of ${to - from}`);
    }
  });

  it("goes on behind a piece that was overwritten, torn or cut", () => {
    const { bytes, starts } = blockOf(1);
    const overwritten = Buffer.from(bytes);
    overwritten.fill(0xff, (starts[4] ?? 0) + 5, (starts[8] ?? 0) + 5);
    assert.deepStrictEqual(sequences(overwritten), [1, 2, 3, 4, ...records.slice(9).map(({ sequence }) => sequence)]);
    assert.deepStrictEqual(sequences(bytes.subarray(0, bytes.length - 3)).at(-1), 29);
    const torn = Buffer.concat([bytes.subarray(0, starts[6] ?? 0), bytes.subarray(starts[12] ?? 0)]);
    assert.lengthOf(sequences(torn), 24);
  });

  it("believes no record of another block or another stream", () => {
    const { bytes } = blockOf(1);
    assert.lengthOf(readBlock("RECOLLECT", 2, bytes).records, 0);
    assert.lengthOf(readBlock("OTHER", 1, bytes).records, 0);
  });
});

describe("a compressed piece", () => {
  const chunk = (type: number, body: Buffer) => {
    const head = Buffer.alloc(4);
    head.writeUIntLE(type, 0, 1);
    head.writeUIntLE(body.length, 1, 3);
    return Buffer.concat([head, body]);
  };
  const checksum = Buffer.alloc(4);

  it("is decoded: literals, copies near and far, and repeats of the last copy", () => {
    // Length 26; literal "abcd"; copy 4 from 4 back; repeat 5; copy of two bytes' offset: 6 from 8 back; literal "xyzxyzx".
    const body = Buffer.from([
      26,
      12,
      97,
      98,
      99,
      100,
      1,
      4,
      5,
      0,
      ((6 - 1) << 2) | 2,
      8,
      0,
      24,
      ...Buffer.from("xyzxyzx"),
    ]);
    const { broken, bytes } = S2.decode(chunk(0, Buffer.concat([checksum, body])));
    assert.deepStrictEqual(
      { broken, text: bytes.toString() },
      { broken: 0, text: "abcdabcdabcdabcdabcxyzxyzx".slice(0, 26) },
    );
  });

  it("is zeros of its length where it is damaged, and the next one is whole", () => {
    const damaged = chunk(0, Buffer.concat([checksum, Buffer.from([10, 1, 200])]));
    const whole = chunk(1, Buffer.concat([checksum, Buffer.from("whole")]));
    const { broken, bytes } = S2.decode(Buffer.concat([damaged, whole]));
    assert.strictEqual(broken, 1);
    assert.deepStrictEqual(bytes, Buffer.concat([Buffer.alloc(10), Buffer.from("whole")]));
  });
});
