/** A daemon of a test's own as an HTTP client sees it: its address, its tokens, and requests that `fetch` would not send. */
import { request } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Running, Stage } from "../cli/Program.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request as it is, whatever its headers say. */
export const ask = (url: string, { body, headers = {}, method = "GET" }: Asking = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (more: string) => (text += more));
      response.once("error", reject);
      response.once("end", () => {
        const { headers: got, statusCode = 0 } = response;
        resolve({ status: statusCode, headers: got, text, json: () => JSON.parse(text) });
      });
    });
    sent.once("error", reject);
    sent.end(body);
  });

export class Door extends Stage {
  url = "";

  /** Starts the daemon, with more words for `up` if any; `url` is then where it serves. */
  async open(...words: ReadonlyArray<string>): Promise<Running> {
    const up = await this.start(["up", "--json", ...words]).says('"ready":true');
    const said: { readonly http?: string } = JSON.parse(up.out);
    this.url = said.http ?? "";
    return up;
  }

  /** This user's own token. */
  get local(): string {
    return readFileSync(join(this.data, "keys", "http.token"), "utf8").trim();
  }

  async token(name: string, role: string, tenant = "default"): Promise<string> {
    const made = await this.json<{ readonly token: string }>([
      "access",
      "token",
      "create",
      name,
      "--role",
      role,
      "--tenant",
      tenant,
    ]);
    return made.token;
  }

  ask(path: string, asking: Asking = {}): Promise<Answer> {
    return ask(`${this.url}${path}`, asking);
  }
}
