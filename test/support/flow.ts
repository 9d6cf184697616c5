/**
 * Reads the architecture off the source: every file's head says its room, and its imports must agree.
 *
 * `test/flow.test.ts` holds the tree against it; `npm run flow` prints the rooms in data order.
 */
import { globSync, readFileSync } from "node:fs";
import { posix, resolve, sep } from "node:path";

/** Rooms in the order data flows through them. A room may import those before it; a step of two holds equals. */
const order: ReadonlyArray<ReadonlyArray<string>> = [
  ["domain"],
  ["machine"],
  ["log"],
  ["spool"],
  ["snapshot"],
  ["publish", "projection"],
  ["projections"],
  ["query"],
  ["coordination"],
  ["client"],
  ["edge"],
  ["main"],
];

/** Earlier in the order, and closed all the same: reads go through the read models. */
const closed: Readonly<Record<string, ReadonlyArray<string>>> = { query: ["log"] };

export interface SourceFile {
  /** From the top of the repository, with `/`: `src/log/EventLog.ts`. */
  readonly path: string;
  readonly text: string;
}

interface Head {
  readonly sentence: string;
  readonly room: string;
}

/** The room a file lies in: its folder below `src`, `projections`, or `main` for what lies in `src` itself. */
const roomOf = (path: string): string => {
  const [top, folder, ...rest] = path.split("/");
  if (top === "projections") return top;
  return rest.length === 0 ? "main" : (folder ?? "main");
};

/** The folder a file lies in below its room, such as `log/append`; the room itself for what lies at its top. */
const subRoomOf = (path: string): string => {
  const folders = path.split("/").slice(0, -1);
  return folders[0] === "projections" ? "projections" : folders.length < 2 ? "main" : folders.slice(1).join("/");
};

const stepOf = (room: string): number => order.findIndex((step) => step.includes(room));

const mayImport = (room: string, other: string): boolean =>
  room === other || (stepOf(other) < stepOf(room) && !(closed[room] ?? []).includes(other));

/** The head comment, or the sentence that says what is wrong with it. */
const headOf = (text: string): Head | string => {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1];
  if (comment === undefined) return "does not start with a head comment";
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
  const paragraphs = lines
    .join("\n")
    .trim()
    .split(/\n\s*\n/);
  const sentence = (paragraphs[0] ?? "").replaceAll("\n", " ").trim();
  if (!/^[`\p{Lu}].*[.?!]$/u.test(sentence)) return "has a head whose first paragraph is not a sentence";
  const flow = paragraphs.map((paragraph) => paragraph.replaceAll("\n", " ")).find((line) => line.startsWith("Room: "));
  const [, room] = /^Room: (\w+)\.$/.exec(flow ?? "") ?? [];
  if (room === undefined) return 'has no line "Room: <room>." in its head';
  return { sentence, room };
};

/** Paths that a file imports, static, dynamic and for types alike; those of packages are left out. */
const importsOf = (file: SourceFile): ReadonlyArray<string> => {
  const statics = file.text.matchAll(/^(?:import|export)\s+(?:[^"'=();]*?\sfrom\s+)?["']([^"']+)["']/gm);
  const dynamics = file.text.matchAll(/\bimport\(\s*["']([^"']+)["']/g);
  return [...statics, ...dynamics]
    .map(([, specifier]) => specifier ?? "")
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => posix.join(posix.dirname(file.path), specifier));
};

/** Files and packages that Node loads with a file: what it imports other than as types, and what that imports. */
export const loadedBy = (path: string, files: ReadonlyArray<SourceFile>): ReadonlyArray<string> => {
  const texts = new Map(files.map((file) => [file.path, file.text]));
  const loaded = new Set<string>();
  const follow = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const statics = texts
      .get(name)
      ?.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^"'=();]*?\sfrom\s+)?["']([^"']+)["']/gm);
    for (const [, specifier = ""] of statics ?? [])
      follow(specifier.startsWith(".") ? posix.join(posix.dirname(name), specifier) : specifier);
  };
  follow(path);
  return [...loaded];
};

/** What is wrong with one file, as sentences that name it. */
const faultsIn = (file: SourceFile): ReadonlyArray<string> => {
  const room = roomOf(file.path);
  if (stepOf(room) === -1) return [`${file.path} lies in "${room}", which is not a room.`];
  const head = headOf(file.text);
  const aboutHead =
    typeof head === "string"
      ? [`${file.path} ${head}.`]
      : head.room === room
        ? []
        : [`${file.path} says it is in room ${head.room}, but lies in ${room}.`];
  const aboutImports = importsOf(file)
    .filter((path) => !/^(?:src|projections)\//.test(path) || !mayImport(room, roomOf(path)))
    .map((path) => `${file.path} (${room}) must not import ${path}.`);
  return [...aboutHead, ...aboutImports];
};

/** Everything that is wrong, nothing when the flow holds. An empty tree is a fault: a check of no files proves nothing. */
export const faultsOf = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> =>
  files.length === 0 ? ["There is no source to check."] : files.flatMap(faultsIn);

/** All source files of the repository. */
export const readTree = (root: string): ReadonlyArray<SourceFile> =>
  globSync(["src/**/*.ts", "projections/**/*.ts"], { cwd: root })
    .map((path) => path.split(sep).join("/"))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(resolve(root, path), "utf8") }));

/** The rooms that some files import, other than the one they lie in. */
const takesFrom = (files: ReadonlyArray<SourceFile>, subRoom: string): ReadonlyArray<string> => {
  const found = new Set(files.flatMap((file) => importsOf(file).map(subRoomOf)));
  found.delete(subRoom);
  return [...found].toSorted(
    (a, b) => stepOf(a.split("/")[0] ?? "") - stepOf(b.split("/")[0] ?? "") || (a < b ? -1 : 1),
  );
};

const drawSubRoom = (subRoom: string, files: ReadonlyArray<SourceFile>): string => {
  const lines = files.map((file) => {
    const head = headOf(file.text);
    return `    ${posix.basename(file.path)}  ${typeof head === "string" ? head : head.sentence}`;
  });
  const from = takesFrom(files, subRoom);
  return [`  ${subRoom}`, ...(from.length === 0 ? [] : [`    imports ${from.join(", ")}`]), ...lines].join("\n");
};

/** Rooms in data order, in each its sub-rooms with what they import, read off the imports themselves. */
export const draw = (files: ReadonlyArray<SourceFile>): string =>
  order
    .flat()
    .map((room) => {
      const inside = Map.groupBy(
        files.filter((file) => roomOf(file.path) === room),
        (file) => subRoomOf(file.path),
      );
      const drawn = [...inside].map(([subRoom, members]) => drawSubRoom(subRoom, members));
      return drawn.length === 0 ? "" : `${room}\n${drawn.join("\n\n")}\n`;
    })
    .filter((text) => text !== "")
    .join("\n");

export const root = resolve(import.meta.dirname, "../..");

if (import.meta.main) process.stdout.write(draw(readTree(root)));
