/**
 * `/docs`: the API to browse, made of its OpenAPI document: one page without a script, a font or an address of others.
 *
 * Room: edge.
 *
 * Decision: a page of our own, because the usual viewers are 1 to 3 MB of script that must be loaded from elsewhere or be
 * half of the package.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { OpenApi } from "effect/http-api";
import { createHash } from "node:crypto";
import { Api } from "./api/Api.ts";

const style = `:root{color-scheme:light dark;--soft:#8884}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid var(--soft)}details{margin:.5rem 0;padding:.4rem .7rem;border:1px solid var(--soft);border-radius:.4rem}
summary{cursor:pointer}code,pre{font:14px/1.45 ui-monospace,monospace}pre{overflow:auto;max-height:30rem;padding:.6rem;background:#8881}
b{display:inline-block;min-width:3.6rem;font:600 13px ui-monospace,monospace}dt{font-family:ui-monospace,monospace;margin-top:.4rem}nav a{margin-right:1rem}`;
const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; frame-ancestors 'none'`;

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign);

/** Code between back-ticks, and what is left as it is. */
const prose = (text: string): string => escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");

const block = (value: unknown): string => `<pre>${escaped(JSON.stringify(value, undefined, 2))}</pre>`;

const methods = ["get", "post", "put", "patch", "delete"] as const;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operation: OpenApi.OpenAPISpecOperation;
}

const operationsOf = ({ paths }: OpenApi.OpenAPISpec): ReadonlyArray<Operation> =>
  Object.entries(paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method: method.toUpperCase(), path, operation }];
    }),
  );

const bodies = (content: Readonly<Record<string, { readonly schema?: unknown }>> | undefined): string =>
  Object.entries(content ?? {})
    .map(([type, { schema }]) => `<p><code>${escaped(type)}</code></p>${block(schema)}`)
    .join("");

const shown = ({ method, operation, path }: Operation): string => {
  const { description = "", parameters, requestBody, responses, summary = "" } = operation;
  const asked = parameters
    .map(({ in: place, name, required, schema }) => {
      const must = required ? ", required" : "";
      return `<dt>${escaped(name)}</dt><dd>in ${place}${must}: <code>${escaped(JSON.stringify(schema))}</code></dd>`;
    })
    .join("");
  const answers = Object.entries(responses)
    .map(([status, { content, description: said }]) => {
      const isLong = Number(status) < 300;
      const text = `<summary>${status} ${prose(said)}</summary>${bodies(content)}`;
      return `<details${isLong ? " open" : ""}>${text}</details>`;
    })
    .join("");
  return [
    `<details><summary><b>${method}</b><code>${escaped(path)}</code> ${prose(summary)}</summary>`,
    description === "" ? "" : `<p>${prose(description)}</p>`,
    asked === "" ? "" : `<dl>${asked}</dl>`,
    requestBody === undefined ? "" : `<h4>Takes</h4>${bodies(requestBody.content)}`,
    `<h4>Answers</h4>${answers}</details>`,
  ].join("");
};

/** The page of a document. */
export const pageOf = (spec: OpenApi.OpenAPISpec): string => {
  const operations = operationsOf(spec);
  const groups = [...new Set(operations.map(({ operation }) => operation.tags[0] ?? ""))];
  const anchor = (group: string) => escaped(group.toLowerCase().replaceAll(/\W+/g, "-"));
  const links = groups.map((group) => `<a href="#${anchor(group)}">${escaped(group)}</a>`).join("");
  const parts = groups.map((group) => {
    const own = operations.filter(({ operation }) => (operation.tags[0] ?? "") === group).map(shown);
    return `<h2 id="${anchor(group)}">${escaped(group)}</h2>${own.join("")}`;
  });
  const schemas = Object.entries(spec.components.schemas).map(
    ([name, schema]) => `<details><summary><code>${escaped(name)}</code></summary>${block(schema)}</details>`,
  );
  const { description = "", title, version } = spec.info;
  return [
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} API</title><style>${style}</style>`,
    `<h1>${escaped(title)} ${escaped(version)}</h1><p>${prose(description)}</p>`,
    `<p><a href="/openapi.json">OpenAPI 3.1</a></p><nav>${links}</nav>`,
    ...parts,
    `<h2 id="schemas">Schemas</h2>${schemas.join("")}</html>`,
  ].join("\n");
};

/** Made when it is first asked for: 10 ms, which no start has to spend. */
const page = Effect.cached(
  Effect.sync(() =>
    HttpServerResponse.text(pageOf(OpenApi.fromApi(Api)), {
      contentType: "text/html; charset=utf-8",
      headers: { "content-security-policy": policy, "cache-control": "no-cache" },
    }),
  ),
);

export const layer = Layer.unwrap(Effect.map(page, (made) => HttpRouter.add("GET", "/docs", made)));
