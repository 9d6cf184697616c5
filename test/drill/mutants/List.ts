/**
 * The planted faults: one change of one line each, and the tests of its room that have to notice it.
 *
 * A change that no test notices is a promise that is not held: it gets a test, and stays here.
 */
export interface Mutant {
  /** From the top of the repository. */
  readonly file: string;
  /** Stands once in the file. */
  readonly from: string;
  readonly to: string;
  readonly tests: ReadonlyArray<string>;
}

const planted =
  (...tests: ReadonlyArray<string>) =>
  (file: string, from: string, to: string): Mutant => ({
    file: `${file}.ts`,
    from,
    to,
    tests: tests.map((test) => `test/${test}.test.ts`),
  });

const tasks = planted("domain/task/TaskRecord", "publish/Task");
const facts = planted("domain/interpret", "domain/factsOf", "domain/OwnEventFacts", "domain/Upcast");
const thread = planted("domain/thread/Thread", "snapshot/Conversation");
const secrets = planted("domain/secret/FindSecrets", "domain/secret/SecretGate");
const subject = planted("log/Subject", "log/Envelope");
const digest = planted("log/Digest");
const append = planted("log/EventLogMemory", "log/WaitingAppends", "log/GroupCommit");
const blocks = planted("log/blocks/BlockFile");
const spool = planted("spool/SpoolSqlite", "spool/SpoolDamage", "spool/Waiting");
const cache = planted("snapshot/WarmRead", "snapshot/ThreadReader");
const dirty = planted("snapshot/DirtyThreads");
const publish = planted("publish/NewEvent", "publish/Publisher");
const sync = planted("publish/Sync", "publish/SyncRepeats");
const backpressure = planted("publish/SpoolBackpressure");
const queue = planted("publish/SpoolOrMemory", "publish/Publisher");
const engine = planted("projection/Laws", "projection/Projector", "projection/Writer");
const rebuild = planted("projection/Rebuild");
const models = planted(
  "projections/RightNumbers",
  "projections/Lineage",
  "projections/ReadModels",
  "projections/Upkeep",
);
const query = planted("query/Query", "query/Search");
const sandbox = planted("query/sandbox/Sandbox");
const limits = planted("coordination/LimitCounts", "coordination/Limits");
const config = planted("coordination/Configuration");
const bucket = planted("coordination/Bucket");
const inbox = planted("coordination/Inbox");
const files = planted("coordination/FileCache");
const imports = planted("edge/import/Cutting", "edge/import/BadInput");
const exports = planted("edge/export/Lossless", "edge/export/Told");
const door = planted("edge/http/Door", "edge/http/Api");
const wrap = planted("edge/wrap/Traffic", "edge/wrap/Journal");
const live = planted("publish/Live");

/** In the order in which data flows. */
export const mutants: ReadonlyArray<Mutant> = [
  models("src/domain/Tokens", "parts <= whole ? whole - parts : whole", "parts <= whole ? whole : whole"),
  models("src/domain/Tokens", "usage.reasoningInOutput !== false", "usage.reasoningInOutput === false"),
  facts("src/domain/EntryTimes", "at > recordedAt + mostAheadMillis ? recordedAt : at", "at"),
  facts("src/domain/EntryTimes", "value >= 1e11 ? value : value * 1000", "value >= 1e12 ? value : value * 1000"),
  planted("domain/History")("src/domain/History", "maxIdBytes = ", "maxIdBytes = 1 + "),
  planted("projection/Rebuild", "projection/heal/Heal")(
    "src/domain/SequenceRanges",
    "last.last + 1 < range.first",
    "last.last < range.first",
  ),
  tasks("src/domain/task/Task", 'from !== "new" && ends.has(from)', 'from !== "new" && !ends.has(from)'),
  tasks("src/domain/task/Task", 'type === "task.failed" ? (given["error"] ?? null) : null', "null"),
  tasks("src/domain/task/Task", 'if (moves.includes("task.resumed")) to.add("input_required");', ""),
  thread("src/domain/Truncate", "if (size <= bytes) return head.length", "if (size <= bytes + 1) return head.length"),
  thread("src/domain/Truncate", "splits ? length - 1 : length", "length"),
  thread("src/domain/thread/ThreadWindow", "if (room < 0) break;", "if (room < -4096) break;"),
  thread("src/domain/thread/ThreadWindow", "omitted: bare.omitted + 1", "omitted: bare.omitted"),
  planted("publish/Answer")("src/domain/thread/Draft", 'if (part.text === "" && !isSigned) return [];', ""),
  planted("publish/storing/AuditLevels", "edge/wrap/Traffic")(
    "src/domain/audit/AuditPolicy",
    'level === "Request" || level === "RequestResponse"',
    'level === "RequestResponse"',
  ),
  secrets("src/domain/secret/SecretGate", "end > length && start < from", "end >= length && start > from"),
  secrets("src/domain/secret/SecretGate", "this.#text.length - undecided > mostHeld", "undecided > mostHeld"),
  planted("query/Search")("src/domain/search/SearchWords", "String.fromCharCode(Number.parseInt(code, 16))", '" "'),
  subject("src/log/Subject", "return encodeToken(text) === token ? text : undefined;", "return text;"),
  subject("src/log/Subject", "rest.length > 0) return undefined", "rest.length > 1) return undefined"),
  digest("src/log/Digest", "netstring(name) + netstring(headers[name]", "netstring(name) + (headers[name]"),
  digest("src/log/Digest", "a < b ? -1 : a > b ? 1 : 0", "0"),
  append("src/log/append/AppendCheck", "events.length > maxEventsPerAppend", "events.length > maxEventsPerAppend + 1"),
  append("src/log/append/AppendCheck", 'if (event.source === "") return "its source is empty";', ""),
  append("src/log/append/AppendCheck", "expected < 0)) {", "expected < -1)) {"),
  append(
    "src/log/append/WaitingAppends",
    "if (this.#onTheirWay.has(subject) || among.held.has(subject)) return false;",
    "if (among.held.has(subject)) return false;",
  ),
  planted("log/DecideAndAppend")(
    "src/log/DecideAndAppend",
    'if (appended.failure._tag !== "SequenceConflict") return yield* appended.failure;',
    "return yield* appended.failure;",
  ),
  planted("log/HistoryRead")("src/log/read/HistoryReadNats", "sequence <= target)", "sequence < target)"),
  planted("log/HistoryRead")("src/log/read/HistoryReadNats", "? { seq: from.after + 1,", "? { seq: from.after,"),
  blocks("src/log/blocks/BlockFile", "if (bytes[end - size.checksum + byte] !== sum[byte]) return undefined;", ""),
  live("src/log/live/Live", "if (number < expected) return [];", ""),
  spool("src/spool/SpoolRowsSqlite", "if (now === row.digest) return undefined;", "return undefined;"),
  spool("src/spool/SpoolRowsSqlite", "found.digest !== null && digestOfBytes(found.bytes) !== found.digest", "false"),
  spool("src/spool/SpoolFileSqlite", "if (found.length > 0 && bytes > maxBytes) break;", ""),
  spool("src/spool/AcceptedList", "number <= upTo && !kept.has(number)", "number <= upTo"),
  spool("src/spool/AcceptedList", "if (!given.has(number) && !settled.has(number))", "if (!given.has(number))"),
  cache("src/snapshot/ThreadCache", "if (held.appended > held.state.lastSequence) return undefined;", ""),
  cache("src/snapshot/ThreadCache", "if (now - held.checkedAt >= this.limits.compareMillis) return undefined;", ""),
  cache(
    "src/snapshot/ThreadCache",
    "if (now - Math.max(held.checkedAt, this.provenAt) >= this.limits.checkMillis) return undefined;",
    "",
  ),
  cache(
    "src/snapshot/ThreadCache",
    "this.end === undefined || this.position < this.end.sequence",
    "this.end === undefined",
  ),
  cache("src/snapshot/ThreadCache", "if (sequence < from) return this.doubt();", ""),
  planted("snapshot/ThreadReader", "snapshot/DirtyThreads", "publish/SyncRepeats")(
    "src/snapshot/RecentlyUsed",
    "if (this.#bytes <= this.#maxBytes) return;",
    "if (this.#bytes <= this.#maxBytes * 2) return;",
  ),
  dirty("src/snapshot/DirtyThreads", "if (event.sequence > entry.saved) this", "this"),
  dirty("src/snapshot/DirtyThreads", "(first === undefined || dirtyFrom < first)", "(first === undefined)"),
  dirty("src/snapshot/DirtyThreads", "now - entry.dirtySince >= busyMillis", "false"),
  publish("src/publish/write/NewEvent", "Number.isFinite(value) && !Object.is(value, -0)", "Number.isFinite(value)"),
  publish("src/publish/write/NewEvent", "if (ours !== undefined && history.kind !== ours.kind) {", "if (false) {"),
  planted("publish/StreamEndSeen")(
    "src/publish/delivery/StreamEndSeen",
    "after.sequence < earliest.sequence ? after : earliest",
    "after",
  ),
  queue("src/publish/delivery/PerHistoryQueue", "this.#outstanding.size >= maxOutstanding", "false"),
  queue("src/publish/delivery/PerHistoryQueue", "if (this.#isClosed) return Effect.fail(closed);", ""),
  backpressure(
    "src/publish/delivery/SpoolBackpressure",
    "if (less >= muchLess) this.#share",
    "if (less > 2) this.#share",
  ),
  sync("src/publish/thread/Sync", "if (this.#units <= mostOriginalUnits) break;", "break;"),
  engine("src/projection/Chain", "entry.sequence % markEvery === 0", "entry.sequence % markEvery === 1"),
  planted("projection/TwoWriters")(
    "src/projection/write/RowWriterSqlite",
    "!isOurs || readSequence.get() !== after",
    "!isOurs",
  ),
  planted("projection/TwoWriters", "projection/Rebuild")(
    "src/projection/write/RowWriterSqlite",
    "link === undefined || Generations.isCurrent(link, file)",
    "true",
  ),
  planted("projection/heal/Heal")("src/projection/heal/Merge", "if (sequence === last + 1) rows = new Map();", ""),
  models("src/domain/Tokens", "(cacheRead ?? 0) + (cacheWrite ?? 0)", "(cacheRead ?? 0)"),
  engine("src/projection/fold/RowMerge", "(a <= b ? a : b)", "(a < b ? b : a)"),
  engine("src/projection/fold/RowMerge", 'if (merge === "replace") stored[name] = null;', ""),
  engine("src/projection/fold/RowMerge", 'if (table.rows === "first") return;', ""),
  engine("src/projection/fold/Fold", "if (refusal !== undefined) return { reason: refusal };", ""),
  planted("projections/Quotes")("src/projection/fold/Quote", 'text.includes("\\0")', 'text.includes("\\u0001")'),
  rebuild("src/projection/rebuild/OnlyInOld", '=== "content"', '=== "both"'),
  rebuild("src/projection/rebuild/OnlyInOld", "if (fresh === undefined || isLost(fresh)) return true;", ""),
  rebuild(
    "src/projection/verify/Compare",
    "const inStream = stream !== undefined && !isLost(stream);",
    "const inStream = stream !== undefined;",
  ),
  planted("projection/Scrubber")(
    "src/projection/verify/Witness",
    "lastSequence < seen.sequence",
    "lastSequence <= seen.sequence",
  ),
  planted("projection/Scrubber")(
    "src/projection/verify/Witness",
    "chainAt !== undefined && chainAt !== seen.chain",
    "false",
  ),
  models(
    "projections/threads",
    'kind !== "prompt" && kind !== "task" && kind !== "command"',
    'kind !== "prompt" && kind !== "task"',
  ),
  models("projections/threads", "at > latest)) latest = at", "at < latest)) latest = at"),
  models(
    "projections/activity/counted",
    "CASE WHEN ${row}.second_hand = 1 AND",
    "CASE WHEN ${row}.second_hand = 2 AND",
  ),
  query(
    "src/query/search/Snippet",
    "match.index + match[0].length);\n    if (marks.length === mostMarks) break;",
    "match.index + match[0].length);\n    break;",
  ),
  query("src/query/search/Snippet", "?? 0) <= start + width", "?? 0) <= start"),
  sandbox(
    "src/query/sandbox/SqlText",
    'words.includes("using") || words.includes("natural")',
    'words.includes("using")',
  ),
  planted("query/brief/Brief", "edge/mcp/Tools")("src/query/brief/Budget", "Math.min(length, mark.index)", "length"),
  limits("src/coordination/limits/LimitMath", "if (count > limit) {", "if (count > limit + 1) {"),
  limits(
    "src/coordination/limits/LimitMath",
    "const there = Math.min(limit, before + Math.max(0, now - at) / millisOf(1));",
    "const there = before + Math.max(0, now - at) / millisOf(1);",
  ),
  config("src/coordination/config/ConfigFields", "if (isDeeper(value, maxDepth)) return", "if (false) return"),
  bucket("src/coordination/bucket/BucketMemory", "endsAt <= now", "endsAt < now - 1_000"),
  inbox("src/coordination/inbox/InboxCheck", "if (bytes > maxBodyBytes) {", "if (bytes > maxBodyBytes + 1) {"),
  files("src/coordination/cache/HeldFiles", "bytes.length > this.contents.maxBytes / 2", "false"),
  files(
    "src/coordination/cache/HeldFiles",
    "below.some((start) => path.startsWith(start))",
    "below.some((start) => path.startsWith(start.slice(0, -1)))",
  ),
  imports(
    "src/edge/import/cut/CutLines",
    "bytes[2] === 0xbf ? bytes.subarray(3)",
    "bytes[2] === 0xbf ? bytes.subarray(2)",
  ),
  imports("src/edge/import/cut/CutLines", "if (length > this.longest) return", "if (length > 2 * this.longest) return"),
  planted("edge/import/TakenIds", "edge/import/Again")(
    "src/edge/import/IdTable",
    "keys[at + 3] === d) return slot",
    "true) return slot",
  ),
  exports(
    "src/edge/export/FileAssembly",
    'this.isFirst || entry.place === "joined" ? [] : [newline]',
    "this.isFirst ? [] : [newline]",
  ),
  door("src/edge/http/Guard", "ranks[held] >= ranks[needed]", "ranks[held] > 0"),
  door("src/edge/http/Guard", "at.protocol === own?.protocol && at.port === own.port", "at.protocol === own?.protocol"),
  wrap(
    "src/edge/wrap/Lines",
    "return this.#bytes > this.#maxLineBytes;",
    "return this.#bytes > this.#maxLineBytes + 1;",
  ),
  wrap("src/edge/wrap/Exchanges", "if (bytes <= maxBytes) return value;", "return value;"),
  wrap("src/edge/wrap/Exchanges", "if (this.#open.size <= maxOpen) break;", "break;"),
];
