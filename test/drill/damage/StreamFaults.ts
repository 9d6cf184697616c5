/** Faults in the files of the stream: its blocks, their index, its settings. */
import { appendFileSync, copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fault, Group } from "./Fault.ts";
import * as Plant from "./Plant.ts";

const whichs = ["old", "last"] as const;

const flips: ReadonlyArray<Fault> = whichs.flatMap((which) =>
  Plant.fields.map((field): Fault => ({
    group: "stream blocks",
    title: `a bit of the ${field} of an event in the ${which} block`,
    promise: "whole",
    plant: (place) => Plant.flipField(place, which, field),
    ...((which === "old" && field === "body") || (which === "last" && field === "length") ? { isShort: true } : {}),
  })),
);

const edges: ReadonlyArray<Fault> = (["first", "end"] as const).flatMap((picked) =>
  whichs.flatMap((which) =>
    (["length", "body"] as const).map((field): Fault => ({
      group: "stream blocks",
      title: `a bit of the ${field} of the ${picked === "end" ? "last" : "first"} event of the ${which} block`,
      promise: "whole",
      plant: (place) => Plant.flipField(place, which, field, picked),
    })),
  ),
);

const cuts = {
  "to nothing": () => 0,
  "to a quarter": (size: number) => size / 4,
  "to a half": (size: number) => size / 2,
  "by one byte": (size: number) => size - 1,
  "by ten bytes": (size: number) => size - 10,
} as const;

const truncations: ReadonlyArray<Fault> = whichs.flatMap((which) =>
  Object.entries(cuts).map(([how, lengthOf]): Fault => ({
    group: "stream blocks",
    title: `the ${which} block cut ${how}`,
    promise: "whole",
    plant: (place) => Plant.truncate(place, Plant.blockOf(place, which).file, lengthOf),
  })),
);

const overwritten: ReadonlyArray<Fault> = whichs.flatMap((which) =>
  (["zeros", "garbage"] as const).flatMap((fill) =>
    [undefined, 4096].map((length): Fault => ({
      group: "stream blocks",
      title: `${length === undefined ? "the whole" : `${length} bytes of the`} ${which} block are ${fill}`,
      promise: "whole",
      plant: (place) => Plant.overwrite(place, Plant.blockOf(place, which).file, { length, with: fill }),
    })),
  ),
);

const blocks: ReadonlyArray<Fault> = [
  ...whichs.map((which): Fault => ({
    group: "stream blocks",
    title: `the ${which} block deleted`,
    promise: "whole",
    plant: (place) => Plant.remove(place, Plant.blockOf(place, which).file),
  })),
  {
    group: "stream blocks",
    title: "all blocks deleted",
    promise: "whole",
    plant: (place) => Plant.remove(place, ...globSync(join(Plant.streamFolder(place), "msgs", "*.blk"))),
  },
  {
    group: "stream blocks",
    title: "first and last block changed places",
    promise: "whole",
    plant: (place) => Plant.swapFiles(place, Plant.blockOf(place, "old").file, Plant.blockOf(place, "last").file),
  },
  {
    group: "stream blocks",
    title: "the last block is a copy of the first",
    promise: "whole",
    plant: (place) => {
      copyFileSync(Plant.blockOf(place, "old").file, Plant.blockOf(place, "last").file);
      return "the first block copied over the last";
    },
  },
  {
    group: "stream blocks",
    title: "the last block is that of another store",
    promise: "whole",
    plant: (place) => {
      const [from = ""] = globSync(join(Plant.streamFolder({ data: place.stranger }), "msgs", "*.blk"));
      copyFileSync(from, Plant.blockOf(place, "last").file);
      return "another store's block copied over the last";
    },
  },
  {
    group: "stream blocks",
    title: "100 bytes of garbage behind the last event",
    promise: "harmless",
    plant: (place) => {
      const bytes = Uint8Array.from({ length: 100 }, () => place.dice.between(0, 255));
      appendFileSync(Plant.blockOf(place, "last").file, bytes);
      return "100 bytes appended";
    },
  },
  {
    group: "stream blocks",
    title: "a byte inserted in the old block",
    promise: "whole",
    plant: (place) => {
      const { file } = Plant.blockOf(place, "old");
      const bytes = readFileSync(file);
      const at = place.dice.between(100, bytes.length - 100);
      writeFileSync(file, Buffer.concat([bytes.subarray(0, at), Buffer.from([7]), bytes.subarray(at)]));
      return `a byte inserted at ${at}`;
    },
  },
];

const killed: ReadonlyArray<Fault> = [flips, edges, truncations, blocks].flatMap((faults) =>
  faults
    .filter(({ title }) =>
      /of the (?:body|length) of an event|last event of the last|cut (?:to a half|by ten)|block deleted/.test(title),
    )
    .map((fault): Fault => {
      const { isShort: _, ...rest } = fault;
      return { ...rest, group: "stream blocks after kill -9", isKilled: true };
    }),
);

const inStream = (name: string) => (place: Parameters<NonNullable<Fault["plant"]>>[0]) =>
  join(Plant.streamFolder(place), name);

/** nats-server makes its index anew from the blocks, so nothing is lost; meta files it needs, and heal puts back. */
const metaFaults = (name: string, group: Group, promise: Fault["promise"]): ReadonlyArray<Fault> => {
  const fileOf = inStream(name);
  const fault = (what: string, plant: Fault["plant"], more: Partial<Fault> = {}): Fault => ({
    group,
    title: `${name} ${what}`,
    promise,
    ...(plant === undefined ? {} : { plant }),
    ...more,
  });
  return [
    fault("deleted", (place) => Plant.remove(place, fileOf(place)), name === "meta.inf" ? { isShort: true } : {}),
    fault("emptied", (place) => Plant.truncate(place, fileOf(place), () => 0)),
    fault("cut to a half", (place) => Plant.truncate(place, fileOf(place), (size) => size / 2)),
    fault("with a flipped bit", (place) => Plant.flipIn(place, fileOf(place))),
    fault("garbage", (place) => Plant.overwrite(place, fileOf(place), { with: "garbage" })),
  ];
};

const index: ReadonlyArray<Fault> = [
  ...metaFaults("msgs/index.db", "index and meta files", "harmless"),
  ...metaFaults("meta.inf", "index and meta files", "whole"),
  ...metaFaults("meta.sum", "index and meta files", "whole"),
  {
    group: "index and meta files",
    title: "meta.inf, meta.sum and index deleted",
    promise: "whole",
    plant: (place) =>
      Plant.remove(place, ...["meta.inf", "meta.sum", "msgs/index.db"].map((name) => inStream(name)(place))),
  },
  {
    group: "index and meta files",
    title: "the index deleted and a bit of an old event flipped",
    promise: "whole",
    plant: (place) =>
      `${Plant.remove(place, inStream("msgs/index.db")(place))}; ${Plant.flipField(place, "old", "body")}`,
  },
  {
    group: "index and meta files",
    title: "the folder of consumers deleted",
    promise: "harmless",
    plant: (place) => Plant.remove(place, inStream("obs")(place)),
  },
];

type Damage = Pick<Fault, "title" | "isShort" | "isKilled"> & { readonly plant: NonNullable<Fault["plant"]> };

const compressions: ReadonlyArray<Damage> = [
  { title: "as it is", plant: () => "nothing", isShort: true },
  {
    title: "a bit of the old block",
    plant: (place) => Plant.flipIn(place, Plant.blockOf(place, "old").file, [0.1, 0.9]),
  },
  {
    title: "a bit of the old block, and kill -9 before",
    isKilled: true,
    plant: (place) => Plant.flipIn(place, Plant.blockOf(place, "old").file, [0.1, 0.9]),
  },
  {
    title: "a bit of the last block, and kill -9 before",
    isKilled: true,
    plant: (place) => Plant.flipIn(place, Plant.blockOf(place, "last").file, [0.1, 0.9]),
  },
  { title: "the old block deleted", plant: (place) => Plant.remove(place, Plant.blockOf(place, "old").file) },
  {
    title: "the old block cut to a half",
    plant: (place) => Plant.truncate(place, Plant.blockOf(place, "old").file, (size) => size / 2),
  },
  {
    title: "the index deleted and a bit of the old block",
    plant: (place) =>
      `${Plant.remove(place, inStream("msgs/index.db")(place))}; ${Plant.flipIn(place, Plant.blockOf(place, "old").file, [0.1, 0.9])}`,
  },
];

const compressed = compressions.map((fault): Fault => ({
  promise: "whole",
  group: "compressed stream of an old version",
  base: "compressed",
  ...fault,
}));

export const streamFaults = [...flips, ...edges, ...truncations, ...overwritten, ...blocks, ...killed, ...index];
export const compressedFaults = compressed;
