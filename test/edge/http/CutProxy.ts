/** A door between a client and a server that breaks connections in the middle of answers. */
import { createServer, connect, type AddressInfo } from "node:net";

export interface CutProxy extends AsyncDisposable {
  readonly url: string;
  /** Connections broken so far. */
  readonly cuts: () => number;
}

/** Every `nth` piece of an answer is passed by half, and its connection ended: the server has done what was asked. */
export const cutting = async (target: string, nth: number): Promise<CutProxy> => {
  const { hostname, port } = new URL(target);
  let pieces = 0;
  let cuts = 0;
  const server = createServer((client) => {
    const behind = connect(Number(port), hostname);
    client.pipe(behind);
    behind.on("data", (piece: Buffer) => {
      if (++pieces % nth !== 0) return void client.write(piece);
      cuts++;
      client.write(piece.subarray(0, piece.length / 2), () => client.destroy());
      behind.destroy();
    });
    behind.on("close", () => client.end());
    for (const one of [client, behind]) one.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
