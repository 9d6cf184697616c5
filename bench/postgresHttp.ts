/** A small HTTP server before PostgreSQL, as PostgREST is one: a row for each request. A process of its own. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import postgres from "postgres";

interface Said {
  readonly id: string;
  readonly data: unknown;
}

const [port, connections] = process.argv.slice(2).map(Number);
const sql = postgres({
  host: "127.0.0.1",
  port: port ?? 0,
  user: "bench",
  database: "postgres",
  max: connections ?? 1,
});
const server = createServer((request, response) => {
  void (async () => {
    const [, , , thread = ""] = (request.url ?? "").split("/");
    const { data, id } = (await json(request)) as Said;
    await sql`INSERT INTO http_events VALUES (${thread}, ${id}, ${JSON.stringify(data)})`;
    response.writeHead(201, { "content-length": "0" }).end();
  })().catch(() => response.writeHead(500, { "content-length": "0" }).end());
}).listen(0, "127.0.0.1");
// A client that waits while the other side is measured keeps its connection.
server.keepAliveTimeout = 0;
await once(server, "listening");
process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
