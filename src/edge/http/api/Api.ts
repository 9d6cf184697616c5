/**
 * The HTTP interface in one definition: server, typed client, OpenAPI and tests are made of it.
 *
 * Room: edge.
 */
import { HttpApi, OpenApi } from "effect/http-api";
import { version } from "../../../machine/Version.ts";
import { Inbox, SessionList, Sessions } from "./AgentsApi.ts";
import { SessionEvents, TaskEvents, ThreadEvents } from "./EventsApi.ts";
import { Blobs, Config, Follow, Limits, Reports, Sql, Status } from "./StoreApi.ts";
import { Tasks } from "./TasksApi.ts";
import { Search, Threads } from "./ThreadsApi.ts";

const description = `Record and read conversations, tasks and sessions.

Send \`Authorization: Bearer TOKEN\` (\`recollect access token create NAME --role ROLE\`). Times are epoch milliseconds,
sequences are positions in the stream, ids any text of 1 to 200 bytes. Problems are \`application/problem+json\` with a
\`code\` that stays and a \`hint\`; with 429 and 503 comes \`Retry-After\`, and the same event id twice is one event.`;

export class Api extends HttpApi.make("recollect")
  .add(Threads, ThreadEvents, Search, Follow, Tasks, TaskEvents, Sessions, SessionEvents, SessionList, Inbox)
  .add(Blobs, Config, Limits, Reports, Sql, Status)
  .annotate(OpenApi.Title, "Recollect")
  .annotate(OpenApi.Version, version)
  .annotate(OpenApi.Description, description) {}
